package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Request writes one request: its head without Content-Length and the empty line, and its body.
type Request func(head []byte) (newHead, body []byte)

// Result is what a run counted.
type Result struct {
	Requests  int64 // answered with the status asked for, in the measured time
	All       int64 // answered so at any time, warm-up included
	Refused   int64 // answered otherwise
	Took      time.Duration
	Parts     []int64                 // Requests by the part of the measured time they were answered in; with Closed.Parts only
	Latencies *hdrhistogram.Histogram // microseconds
}

// Rate is requests a second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Took.Seconds() }

// NewHistogram counts from a microsecond to a minute with three significant digits.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// Closed is a run in which each connection sends its next request when the last one was answered.
type Closed struct {
	Addr        string
	Connections int
	WarmUp      time.Duration // not counted
	Duration    time.Duration // counted; 0: until Total
	Parts       int           // equal parts of Duration that are counted by themselves as well
	Total       int64         // 0: until Duration is over
	Want        int           // the status of an answer that counts
	// NewRequest makes the requests of one connection.
	NewRequest func(connection int) Request
}

// Run sends. The first error of a connection ends the run.
func (c Closed) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	s := &shared{budget: c.Total, counted: began.Add(c.WarmUp), parts: make([]atomic.Int64, c.Parts)}
	if c.Duration > 0 {
		time.AfterFunc(c.WarmUp, func() { s.counting.Store(true) })
		time.AfterFunc(c.WarmUp+c.Duration, cancel)
	} else {
		s.counting.Store(true)
	}
	histograms := make([]*hdrhistogram.Histogram, c.Connections)
	errs := make([]error, c.Connections)
	var group sync.WaitGroup
	for i := range c.Connections {
		group.Go(func() {
			histograms[i] = NewHistogram()
			if errs[i] = c.connection(ctx, i, s, histograms[i]); errs[i] != nil {
				cancel()
			}
		})
	}
	group.Wait()
	result := Result{Requests: s.requests.Load(), All: s.all.Load(), Refused: s.refused.Load(), Took: c.Duration, Latencies: NewHistogram()}
	if c.Duration == 0 {
		result.Took = time.Since(began)
	}
	for i := range s.parts {
		result.Parts = append(result.Parts, s.parts[i].Load())
	}
	for _, h := range histograms {
		result.Latencies.Merge(h)
	}
	return result, summary(errs)
}

// summary is the first error, and how many others there are: when the server dies, every connection says so.
func summary(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w (and %d errors more)", errs[0], len(errs)-1)
}

// shared is what the connections of a run have in common.
type shared struct {
	counting               atomic.Bool
	requests, all, refused atomic.Int64
	sent                   atomic.Int64
	budget                 int64
	counted                time.Time // what comes then is counted
	parts                  []atomic.Int64
}

// count counts an answer in the part of the measured time it belongs to.
func (s *shared) count(now time.Time, duration time.Duration) {
	s.requests.Add(1)
	if n := len(s.parts); n > 0 && duration > 0 {
		s.parts[min(max(int(now.Sub(s.counted)*time.Duration(n)/duration), 0), n-1)].Add(1)
	}
}

// another reports whether one more request may be sent.
func (s *shared) another() bool {
	return s.budget == 0 || s.sent.Add(1) <= s.budget
}

func (c Closed) connection(ctx context.Context, number int, s *shared, latencies *hdrhistogram.Histogram) error {
	connection, err := dial(ctx, c.Addr)
	if err != nil {
		return err
	}
	defer connection.Close()
	next := c.NewRequest(number)
	var head, body []byte
	for ctx.Err() == nil && s.another() {
		head, body = next(head[:0])
		began := time.Now()
		status, err := connection.post(head, body)
		if err != nil {
			return fmt.Errorf("connection %d: %w", number, err)
		}
		if status != c.Want {
			s.refused.Add(1)
			continue
		}
		s.all.Add(1)
		if s.counting.Load() && ctx.Err() == nil {
			now := time.Now()
			s.count(now, c.Duration)
			_ = latencies.RecordValue(now.Sub(began).Microseconds()) // out of range: over a minute, and the deadline is half of that
		}
	}
	return nil
}

// Webhooks makes signed webhooks for the receiver.
func Webhooks(secret, run string, seed uint64) func(int) Request {
	return func(connection int) Request {
		return webhooks(NewMessages(secret, fmt.Sprintf("%s%03x", run, connection), seed))
	}
}

// ScatteredWebhooks are the same with ids that look random.
func ScatteredWebhooks(secret, run string, seed uint64) func(int) Request {
	return func(connection int) Request {
		return webhooks(NewMessages(secret, fmt.Sprintf("%s%03x", run, connection), seed).Scattered())
	}
}

func webhooks(m *Messages) Request {
	return func(head []byte) ([]byte, []byte) {
		s := m.Next(time.Now())
		head = append(head, "POST /webhook HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nwebhook-id: "...)
		head = append(append(head, s.ID...), "\r\nwebhook-timestamp: "...)
		head = append(append(head, s.Timestamp...), "\r\nwebhook-signature: "...)
		return append(append(head, s.Signature...), "\r\n"...), s.Body
	}
}

// Events makes calls to the producer that publish one event each.
func Events(token, run string, seed uint64) func(int) Request {
	return func(connection int) Request {
		body, at := Body(seed)
		name := fmt.Sprintf("%s%03x", run, connection)
		head := "POST /api/v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
		n := 0
		return func(into []byte) ([]byte, []byte) {
			n++
			copy(body[at:at+numberWidth], fmt.Sprintf("%s%0*x", name, numberWidth-len(name), n))
			return append(into, head...), event(body)
		}
	}
}

// event is a body without the timestamp, which the producer adds.
func event(body []byte) []byte {
	return []byte(strings.Replace(string(body), `"timestamp":"2026-01-01T00:00:00Z",`, "", 1))
}
