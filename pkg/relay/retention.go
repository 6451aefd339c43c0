package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// RetentionPolicy says how long what is over is kept. The age of a message counts from the last change of any of its
// deliveries, or from when it was appended where it has none.
type RetentionPolicy struct {
	// Delivered is for messages all of whose deliveries are delivered or cancelled, and for those without any.
	// 0: for ever.
	Delivered time.Duration
	// Failed is for messages that are over and have a failed delivery. 0: until somebody retries or cancels it. Where
	// a failed delivery blocked its ordering key, the key is free once it is removed.
	Failed time.Duration
	// Dedupe is how long a dedupe key counts at least: it outlives its message for the rest of it, and counts for as
	// long as the message is there. 0: as long as Delivered. It cannot be shorter than that.
	Dedupe time.Duration
}

// Validate answers ErrInvalid and names the field when a time is negative, or the dedupe window is shorter than retention.
func (p RetentionPolicy) Validate() error {
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"delivered", p.Delivered}, {"failed", p.Failed}, {"dedupe", p.Dedupe}} {
		if f.d < 0 {
			return fmt.Errorf("%w retention %s: %v is negative", ErrInvalid, f.name, f.d)
		}
	}
	if p.Dedupe > 0 && (p.Delivered == 0 || p.Dedupe < p.Delivered) {
		return fmt.Errorf("%w retention dedupe: %v is shorter than messages are kept", ErrInvalid, p.Dedupe)
	}
	return nil
}

// Off says that nothing is ever removed.
func (p RetentionPolicy) Off() bool { return p.Delivered == 0 && p.Failed == 0 }

// youngest is the age below which no message is removed.
func (p RetentionPolicy) youngest() time.Duration {
	if p.Delivered == 0 || p.Failed > 0 && p.Failed < p.Delivered {
		return p.Failed
	}
	return p.Delivered
}

// window is how long keys count; 0: for ever.
func (p RetentionPolicy) window() time.Duration { return max(p.Delivered, p.Dedupe) }

// Removed counts what retention has removed.
type Removed struct {
	Messages   int64
	Deliveries map[State]int64 // of Done, Failed and Cancelled, those that are not 0
	Keys       int64           // dedupe keys whose window was over; not part of Stats
}

func (r *Removed) add(more Removed) {
	r.Messages += more.Messages
	r.Keys += more.Keys
	for state, n := range more.Deliveries {
		if r.Deliveries == nil {
			r.Deliveries = map[State]int64{}
		}
		r.Deliveries[state] += n
	}
}

// nothing says that nothing was removed.
func (r Removed) nothing() bool { return r.Messages == 0 && r.Keys == 0 && len(r.Deliveries) == 0 }

// RetentionConfig configures a [Retention].
type RetentionConfig struct {
	Policy  RetentionPolicy
	Every   time.Duration                // between two passes: 1 min
	Observe func(Removed)                // called after each commit that removed something; must not block
	Log     func(what string, err error) // faults of a pass; the next one goes on
}

// Retention removes what has been kept for long enough: messages with their deliveries and attempts, and dedupe keys
// whose window is over. It works in small transactions, and rests after each for several times what it took and for as long as
// it had to wait for others: it has a tenth of the writer's time at most, and less of it in a crowd of appends. Where more
// is appended than it can remove in that time, it falls behind until there is less.
//
// It goes through the log from its beginning and remembers how far it came, so that what stays (a failed message, a
// million deliveries to a disabled target) is not looked at in every pass; what was passed over is looked at again once
// an hour, or more often where less than ten hours are kept. Looking happens outside of any transaction.
//
// What is folded goes by the row of the journal, when the last of its messages is old enough: those of one row were appended
// in one commit and are over within seconds of each other.
//
// Several processes may run one on the same database: they leave each other's rows alone.
//
// What it removes stays in [Stats], which are lifetime totals. The newest message and the newest delivery stay at any age,
// because positions must not be given out twice. A message with very many deliveries goes in several steps.
type Retention struct {
	store *Store
	cfg   RetentionConfig

	position int64     // up to here everything was looked at
	began    time.Time // when it was last at the log's beginning
	rows     int       // how many deliveries the next transaction may remove

	quit, stopped chan struct{}
	once          sync.Once
	cancel        context.CancelFunc
}

// NewRetention makes a retention that Start starts, or whose passes are asked for one by one. ErrInvalid: the policy
// contradicts itself.
func NewRetention(s *Store, cfg RetentionConfig) (*Retention, error) {
	if err := cfg.Policy.Validate(); err != nil {
		return nil, err
	}
	if cfg.Every <= 0 {
		cfg.Every = time.Minute
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Removed) {}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, error) {}
	}
	return &Retention{store: s, cfg: cfg, rows: minRemoval, quit: make(chan struct{}), stopped: make(chan struct{})}, nil
}

// Start begins to remove, in a goroutine of its own; with a policy that keeps everything it does nothing. Call it once,
// and Stop before the store is closed.
func (r *Retention) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.stopped)
		if r.cfg.Policy.Off() {
			return
		}
		timer := time.NewTimer(0) // at once: a process that restarts every minute has to come to it as well
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
			case <-r.quit:
				return
			}
			if _, err := r.Pass(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log("remove what is old", err)
			}
			timer.Reset(r.cfg.Every)
		}
	}()
}

// Stop ends it, and waits for the transaction that is under way.
func (r *Retention) Stop() {
	r.once.Do(func() { close(r.quit) })
	if r.cancel != nil {
		r.cancel()
		<-r.stopped
	}
}

// again is after how long what was passed over is looked at again.
func (r *Retention) again() time.Duration {
	return min(max(r.cfg.Policy.youngest()/10, r.cfg.Every), time.Hour)
}

// Pass removes all that is old enough now, and says what that was, also beside an error. It is for one goroutine at a
// time.
func (r *Retention) Pass(ctx context.Context) (all Removed, err error) {
	if r.cfg.Policy.Off() {
		return all, nil
	}
	now, err := r.store.databaseTime(ctx)
	if err != nil {
		return all, err
	}
	if since := now.Sub(r.began); since >= r.again() || since < 0 {
		r.position, r.began = 0, now
	}
	note := func(removed Removed) {
		if !removed.nothing() {
			all.add(removed)
			r.cfg.Observe(removed)
		}
	}
	for more := true; more; {
		var found []candidate
		from, asked := r.position, time.Now()
		if found, more, err = r.look(ctx, now); err == nil {
			err = errors.Join(pause(ctx, (lookShare-1)*time.Since(asked)), r.removeFound(ctx, found, note))
		}
		if err != nil {
			r.position = from // what was found is found again
			return all, err
		}
	}
	if err := r.removeFolded(ctx, note); err != nil {
		return all, err
	}
	return all, r.expireKeys(ctx, note)
}

// databaseTime is the time that rows are stamped with.
func (s *Store) databaseTime(ctx context.Context) (now time.Time, err error) {
	err = s.write(ctx, func(_ context.Context, t *txn) error {
		now = t.now
		return nil
	})
	return now, err
}

// restShare is what part of the writer's time retention takes at most: one in so many.
const restShare = 10

// lookShare is what part of a processor it takes at most to look at what stays.
const lookShare = 4

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
