package batch

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// Sender sends one webhook, retries included. A [webhook.Client] is one.
type Sender interface {
	Send(ctx context.Context, url string, payload any, opts ...webhook.SendOption) (webhook.Delivery, error)
}

// Signers finds the signer of an entry's secret and scheme, either of which may be empty; nil: it goes unsigned. It
// is asked by several goroutines at once.
type Signers interface {
	Signer(secret, scheme string) (*signature.Signer, error)
}

// Outcome is what came of one entry.
type Outcome struct {
	Entry  Entry
	Err    error // nil: it was delivered
	Unsent bool  // no attempt was made, because the run was stopped
}

// Config is how a batch is run.
type Config struct {
	Sender     Sender
	Signers    Signers
	Concurrent int                 // entries on their way at once; at least 1
	Rate       float64             // entries begun a second; 0: no limit
	NewID      func() string       // for entries that have none
	Tell       func(Outcome) error // of every outcome, one at a time
	Tick       func(Tally)         // now and then, in the goroutine that tells; may be nil
	Every      time.Duration       // how often Tick is called
	Grace      time.Duration       // what entries on their way may take after ctx ended
	Idle       time.Duration       // how long, then, the input is waited for that nothing comes from
}

// Tally counts what came of the entries.
type Tally struct {
	Delivered, Failed, Unsent int
	Read                      int64  // bytes of the input up to the last entry that is finished, at least
	From                      string // where the first entry stands that was not sent
	Unread                    error  // why the input was not read to its end; nil: it was
}

// Sent is how many entries are finished with.
func (t Tally) Sent() int { return t.Delivered + t.Failed }

// ErrStopped says that nothing came from the input any more after the run was stopped.
var ErrStopped = errors.New("stopped before the end of the input")

// Run sends every entry of a batch. When ctx ends it begins no more, lets those on their way end, and reads on, so that
// each entry that was not sent is told of as well. The error is that of Tell, which stops the run likewise; of what comes
// after it nothing is told any more, only counted.
func Run(ctx context.Context, from *Reader, c Config) (Tally, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(c.Grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cut()
		case <-sending.Done():
		}
	})()

	quit := make(chan struct{})
	r := &run{Config: c, entries: make(chan Entry), work: make(chan Entry), outcomes: make(chan Outcome, c.Concurrent), quit: quit}
	go r.read(from)
	var group sync.WaitGroup
	group.Go(func() { r.feed(ctx) })
	for range c.Concurrent {
		group.Go(func() { r.send(sending) })
	}
	go func() {
		group.Wait()
		close(r.outcomes)
	}()
	tally, err := r.collect(stop)
	close(quit)
	tally.Unread = r.unread
	return tally, err
}

type run struct {
	Config

	entries  chan Entry // from the input
	work     chan Entry // to those who send
	outcomes chan Outcome
	quit     chan struct{} // nobody wants entries any more
	failed   error         // of reading; set before entries is closed
	unread   error         // set by feed
}

// read reads entries ahead by one. It may wait for a pipe for longer than the run lasts, and then ends with the pipe.
func (r *run) read(from *Reader) {
	defer close(r.entries)
	for {
		entry, err := from.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.failed = err
			}
			return
		}
		select {
		case r.entries <- entry:
		case <-r.quit:
			return
		}
	}
}

// feed hands out entries at the rate that is wanted, and those that will not be sent it tells of itself.
func (r *run) feed(ctx context.Context) {
	defer close(r.work)
	limit := rate.Inf
	if r.Rate > 0 {
		limit = rate.Limit(r.Rate)
	}
	limiter := rate.NewLimiter(limit, 1)
	for {
		entry, ok := r.next(ctx)
		if !ok {
			return
		}
		if entry.ID == "" {
			entry.ID = r.NewID()
		}
		switch {
		case entry.Wrong != nil:
			r.outcomes <- Outcome{Entry: entry, Err: entry.Wrong}
			continue
		case ctx.Err() == nil && limiter.Wait(ctx) == nil:
			select {
			case r.work <- entry:
				continue
			case <-ctx.Done():
			}
		}
		r.outcomes <- Outcome{Entry: entry, Err: context.Canceled, Unsent: true}
	}
}

// next is the next entry. Once ctx has ended, it is not waited for longer than Idle.
func (r *run) next(ctx context.Context) (entry Entry, ok bool) {
	select {
	case entry, ok = <-r.entries:
	case <-ctx.Done():
		idle := time.NewTimer(r.Idle)
		defer idle.Stop()
		select {
		case entry, ok = <-r.entries:
		case <-idle.C:
			r.unread = ErrStopped
			return Entry{}, false
		}
	}
	if !ok {
		r.unread = r.failed
	}
	return entry, ok
}

func (r *run) send(ctx context.Context) {
	for entry := range r.work {
		options := entry.options()
		signer, err := r.Signers.Signer(entry.Secret, entry.Scheme)
		if err == nil {
			_, err = r.Sender.Send(ctx, entry.URL, entry.Payload, append(options, webhook.WithSigner(signer))...)
		}
		if errors.Is(err, webhook.ErrInvalidURL) {
			err = errors.New("url must be an http or https URL with a host")
		}
		r.outcomes <- Outcome{Entry: entry, Err: err}
	}
}

// collect counts and tells until all is done. After the first error of telling it stops everything, and only counts.
func (r *run) collect(stop func()) (tally Tally, failed error) {
	every := r.Every
	if r.Tick == nil || every <= 0 {
		every = time.Hour
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case outcome, ok := <-r.outcomes:
			if !ok {
				return tally, failed
			}
			tally.count(outcome)
			if failed != nil {
				continue
			}
			if failed = r.Tell(outcome); failed != nil {
				stop()
			}
		case <-ticker.C:
			if r.Tick != nil {
				r.Tick(tally)
			}
		}
	}
}

func (t *Tally) count(o Outcome) {
	t.Read = max(t.Read, o.Entry.End)
	switch {
	case o.Unsent:
		if t.Unsent++; t.Unsent == 1 {
			t.From = o.Entry.Label()
		}
	case o.Err != nil:
		t.Failed++
	default:
		t.Delivered++
	}
}
