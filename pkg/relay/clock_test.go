package relay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// TestSQLite_ClockIsSetBackAndForward: nothing waits for an hour because the clock was set by one.
func TestSQLite_ClockIsSetBackAndForward(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("fails once", "effect")
	failsOnce := relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
		if job.Delivery.Attempts == 1 {
			return relay.Retry(errDown)
		}
		return relay.Delivered("")
	})
	seen := f.dispatch(runners{"fails once": failsOnce, "effect": relay.Effect(counting)})
	for _, step := range []time.Duration{-time.Hour, time.Hour, -10 * time.Hour, 5 * time.Hour} {
		before := f.append(relay.Draft{Body: []byte("before"), Targets: []string{"fails once"}})
		if o := next(t, seen); o.State != relay.Pending {
			t.Fatalf("%v: %+v", step, o)
		}
		f.clock.advance(step)
		f.append(relay.Draft{Body: []byte(fmt.Sprint("after ", step)), Targets: []string{"effect"}})
		f.clock.advance(2 * time.Second) // the retry is due after one
		for range 2 {
			if o := next(t, seen); o.State != relay.Done {
				t.Errorf("%v: %+v", step, o)
			}
		}
		if d := f.only(before.ID); d.State != relay.Done || d.Attempts != 2 {
			t.Errorf("%v: %+v", step, d)
		}
		f.balanced()
	}
}

// shared is what two replicas do side by side: who did how much, and whether both ever did the same at once.
type shared struct {
	t  *testing.T
	mu sync.Mutex

	running map[string]string         // by delivery, who is at it
	done    map[string]map[string]int // by target and replica
}

func (s *shared) runners(replica string) runners {
	return runners{
		"remote": relay.Remote(func(ctx context.Context, job relay.Job) relay.Outcome {
			s.begin(job, replica)
			defer s.end(job)
			select {
			case <-time.After(5 * time.Millisecond): // what a network call takes
			case <-ctx.Done():
			}
			return relay.Delivered(replica)
		}),
		"effect": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
			s.begin(job, replica)
			defer s.end(job)
			if out := counting(ctx, tx, job); out.Verdict != relay.VerdictDelivered {
				return out
			}
			return relay.Delivered(replica)
		}),
	}
}

func (s *shared) begin(job relay.Job, replica string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.running[job.Delivery.ID]; ok {
		s.t.Errorf("%s is at %s while %s is at it", replica, job.Delivery.ID, other)
	}
	s.running[job.Delivery.ID] = replica
}

func (s *shared) end(job relay.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, job.Delivery.ID)
}

func (s *shared) observe(o relay.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.State == relay.Done {
		s.done[o.Job.Delivery.TargetID][o.Outcome.Detail]++
	}
}

// TestPostgres_TwoReplicasTenMinutesApart: two stores whose clocks differ by ten minutes share one database under load.
// No delivery is with both at once, each effect takes place once, and each replica does a good part of the work.
func TestPostgres_TwoReplicasTenMinutesApart(t *testing.T) {
	t.Parallel()
	url := relaytest.Postgres(t)
	both := &shared{t: t, running: map[string]string{}, done: map[string]map[string]int{"remote": {}, "effect": {}}}
	var stores []*fixture
	for name, off := range map[string]time.Duration{"behind": -5 * time.Minute, "ahead": 5 * time.Minute} {
		f := newFixture(t, postgres, url, live, func(c *relay.Config) {
			c.Lease = 30 * time.Second
			c.Now = func() time.Time { return time.Now().Add(off) }
		})
		f.reopen()
		t.Cleanup(func() { _ = f.Close() })
		f.target("remote", "effect")
		t.Cleanup(f.run(both.runners(name), both.observe))
		stores = append(stores, f)
	}
	loads := []*load{stores[0].load(8, "remote", "effect"), stores[1].load(8, "remote", "effect")}
	for _, l := range loads {
		l.more(300)
	}
	for _, l := range loads {
		l.stop()
	}
	loads[0].settled()
	both.mu.Lock()
	defer both.mu.Unlock()
	for target, by := range both.done {
		total := by["ahead"] + by["behind"]
		t.Logf("%s: %v", target, by)
		for _, name := range []string{"ahead", "behind"} {
			if 5*by[name] < total {
				t.Errorf("%s: of %d only %d were done by the replica whose clock is %s", target, total, by[name], name)
			}
		}
	}
}
