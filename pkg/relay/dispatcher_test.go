package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

var errDown = errors.New("down")

// answer is a remote runner that gives the outcomes in turn, and the last one from then on.
func answer(outcomes ...relay.Outcome) relay.Runner {
	var n atomic.Int64
	return relay.Remote(func(context.Context, relay.Job) relay.Outcome {
		return outcomes[min(int(n.Add(1)), len(outcomes))-1]
	})
}

func TestDispatcher_DeliversAndRecordsTheAttempt(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		out := relay.Delivered("thank you")
		out.StatusCode = 204
		seen := f.dispatch(runners{"a": answer(out)})
		id := f.append(relay.Draft{Body: []byte("hello"), Targets: []string{"a"}}).ID
		o := next(t, seen)
		if string(o.Job.Message.Body) != "hello" || o.Job.Message.ID != id || o.State != relay.Done {
			t.Errorf("observed %+v", o)
		}
		d, attempts, err := f.Delivery(t.Context(), o.Job.Delivery.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d.State != relay.Done || d.Attempts != 1 || d.LastStatus != 204 || !d.NextAt.IsZero() {
			t.Errorf("delivery %+v", d)
		}
		if len(attempts) != 1 || attempts[0].StatusCode != 204 || attempts[0].Detail != "thank you" || attempts[0].Number != 1 {
			t.Errorf("attempts %+v", attempts)
		}
		f.balanced()
	})
}

func TestDispatcher_RetriesOnTheScheduleThenGivesUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		id := f.append(relay.Draft{Targets: []string{"a"}}).ID
		seen := f.dispatch(runners{"a": answer(relay.Retry(errDown))})
		for attempt, delay := range []time.Duration{time.Second, 10 * time.Second} {
			o := next(t, seen)
			wait := o.NextAt.Sub(f.clock.Now())
			if o.State != relay.Pending || wait < delay*8/10 || wait > delay*12/10 {
				t.Fatalf("after attempt %d: %s, next in %v, want %v ± 20 %%", attempt+1, o.State, wait, delay)
			}
			f.clock.advance(wait - time.Microsecond)
			select {
			case o := <-seen:
				t.Fatalf("attempted before its time: %+v", o)
			case <-time.After(60 * time.Millisecond):
			}
			f.clock.advance(time.Microsecond)
		}
		if o := next(t, seen); o.State != relay.Failed {
			t.Fatalf("after the last attempt: %s, want failed", o.State)
		}
		d := f.only(id)
		if d.State != relay.Failed || d.Attempts != 3 || d.LastError != "down" {
			t.Errorf("delivery %+v", d)
		}
		f.balanced()
	})
}

func TestDispatcher_OutcomesDecideWhatHappens(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		later := relay.Retry(errDown)
		later.RetryAfter = time.Hour
		tooLate := relay.Retry(errDown)
		tooLate.RetryAfter = 1000 * time.Hour
		gone := relay.Permanent(errors.New("gone"))
		gone.Disable = "it answered 410"
		tests := map[string]struct {
			out   relay.Outcome
			state relay.State
			next  time.Duration
			rest  relay.State // what becomes of a later delivery to the same target
		}{
			"permanent":                {relay.Permanent(errDown), relay.Failed, 0, relay.Failed},
			"not before":               {later, relay.Pending, time.Hour, relay.Pending},
			"not before, bounded":      {tooLate, relay.Pending, 24 * time.Hour, relay.Pending},
			"disables its target":      {gone, relay.Failed, 0, relay.Paused},
			"a panic is a retry":       {relay.Outcome{Verdict: 99}, relay.Pending, time.Second, relay.Pending},
			"an unset verdict retries": {relay.Outcome{}, relay.Pending, time.Second, relay.Pending},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := open(t, e)
				f.target("a")
				seen := f.dispatch(runners{"a": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
					if tt.out.Verdict == 99 {
						panic("runner")
					}
					return tt.out
				})})
				id := f.append(relay.Draft{Targets: []string{"a"}}).ID
				o := next(t, seen)
				if o.State != tt.state {
					t.Fatalf("state %s, want %s", o.State, tt.state)
				}
				if wait := o.NextAt.Sub(f.clock.Now()); tt.next > 0 && (wait < tt.next*8/10 || wait > tt.next*12/10) {
					t.Errorf("next in %v, want about %v", wait, tt.next)
				}
				if got := f.only(id).State; got != tt.state {
					t.Errorf("stored as %s", got)
				}
				second := f.append(relay.Draft{Targets: []string{"a"}}).ID
				if tt.rest != relay.Paused {
					next(t, seen)
				}
				eventually(t, "the second delivery is "+string(tt.rest), func() bool { return f.only(second).State == tt.rest })
				f.balanced()
			})
		}
	})
}

func TestDispatcher_ThrottledTargetIsLeftAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		slow := relay.Retry(errDown)
		slow.Throttle, slow.RetryAfter = true, time.Minute
		seen := f.dispatch(runners{"a": answer(slow, relay.Delivered(""))})
		f.append(relay.Draft{Targets: []string{"a"}})
		next(t, seen)
		second := f.append(relay.Draft{Targets: []string{"a"}}).ID
		select {
		case o := <-seen:
			t.Fatalf("attempted while it had asked for quiet: %+v", o)
		case <-time.After(100 * time.Millisecond):
		}
		f.clock.advance(73 * time.Second) // with jitter, the first one's retry is at most 60 s away
		next(t, seen)
		next(t, seen)
		if got := f.only(second).State; got != relay.Done {
			t.Errorf("second delivery is %s", got)
		}
	})
}

func TestDispatcher_DisabledTargetPausesAndEnableDelivers(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		if err := f.SetTarget(t.Context(), "a", false, "maintenance"); err != nil {
			t.Fatal(err)
		}
		id := f.append(relay.Draft{Targets: []string{"a"}}).ID
		select {
		case o := <-seen:
			t.Fatalf("delivered to a disabled target: %+v", o)
		case <-time.After(100 * time.Millisecond):
		}
		if got := f.only(id).State; got != relay.Paused {
			t.Errorf("state %s, want paused", got)
		}
		f.balanced()
		if err := f.SetTarget(t.Context(), "a", true, ""); err != nil {
			t.Fatal(err)
		}
		next(t, seen)
		if target := must(f.Target(t.Context(), "a"))(t); !target.Enabled || target.DisabledReason != "" {
			t.Errorf("target %+v", target)
		}
		if err := f.SetTarget(t.Context(), "none", true, ""); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("enabling what does not exist: %v", err)
		}
		f.balanced()
	})
}

func TestDispatcher_OrderingKeyRunsInOrderAndItsHeadBlocks(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		f.target("a")
		var failing atomic.Bool
		failing.Store(true)
		var mu sync.Mutex
		var order []string
		seen := f.dispatch(runners{"a": relay.Remote(func(_ context.Context, job relay.Job) relay.Outcome {
			if string(job.Message.Body) == "k1" && failing.Load() {
				return relay.Permanent(errDown)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, string(job.Message.Body))
			return relay.Delivered("")
		})})
		var ids []string
		for i := 1; i <= 5; i++ {
			ids = append(ids, f.append(relay.Draft{OrderingKey: "k", Body: fmt.Appendf(nil, "k%d", i), Targets: []string{"a"}}).ID)
		}
		f.append(relay.Draft{OrderingKey: "other", Body: []byte("other"), Targets: []string{"a"}})
		next(t, seen)
		next(t, seen)
		select {
		case o := <-seen:
			t.Fatalf("a key went on past its failed head: %s", o.Job.Message.Body)
		case <-time.After(100 * time.Millisecond):
		}
		failing.Store(false)
		if _, err := f.Retry(t.Context(), f.only(ids[0]).ID); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			next(t, seen)
		}
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprint(order); got != "[other k1 k2 k3 k4 k5]" {
			t.Errorf("order %v", got)
		}
	})
}

func TestDispatcher_ConcurrencyIsBoundedPerTarget(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		if err := f.PutTarget(t.Context(), relay.Target{ID: "slow", Concurrency: 3}); err != nil {
			t.Fatal(err)
		}
		f.target("quick")
		release := make(chan struct{})
		var running, most atomic.Int64
		seen := f.dispatch(runners{
			"slow": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
				most.Store(max(most.Load(), running.Add(1)))
				<-release
				running.Add(-1)
				return relay.Delivered("")
			}),
			"quick": answer(relay.Delivered("")),
		})
		for range 20 {
			f.append(relay.Draft{Targets: []string{"slow"}})
		}
		eventually(t, "three at once", func() bool { return running.Load() == 3 })
		for range 50 {
			f.append(relay.Draft{Targets: []string{"quick"}})
		}
		for range 50 { // the slow one holds up nobody
			if o := next(t, seen); o.Job.Delivery.TargetID != "quick" {
				t.Fatalf("%s was delivered", o.Job.Delivery.TargetID)
			}
		}
		close(release)
		for range 20 {
			next(t, seen)
		}
		if most.Load() > 3 {
			t.Errorf("%d at once, want at most 3", most.Load())
		}
		f.balanced()
	})
}

func TestDispatcher_StopGivesBackWhatWasNotBegun(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		if err := f.PutTarget(t.Context(), relay.Target{ID: "a", Concurrency: 1}); err != nil {
			t.Fatal(err)
		}
		began := make(chan struct{}, 8)
		d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{Resolver: runners{"a": relay.Remote(func(ctx context.Context, _ relay.Job) relay.Outcome {
			began <- struct{}{}
			<-ctx.Done() // hangs until it is interrupted
			return relay.Retry(ctx.Err())
		})}})
		drafts := []relay.Draft{}
		for range 2 {
			drafts = append(drafts, relay.Draft{Source: "s", Type: "t", Targets: []string{"a"}})
		}
		receipts := must(f.Append(t.Context(), drafts...))(t)
		d.Start()
		<-began
		eventually(t, "both are claimed", func() bool {
			return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`) == 2
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := d.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop answered %v", err)
		}
		var attempts int
		for _, r := range receipts {
			got := f.only(r.ID)
			if got.State != relay.Pending || got.NextAt.After(f.clock.Now()) {
				t.Errorf("after stop: %+v, want pending and due", got)
			}
			attempts += got.Attempts
		}
		if attempts != 1 {
			t.Errorf("%d attempts counted, want the one that was begun", attempts)
		}
		f.balanced()
	})
}
