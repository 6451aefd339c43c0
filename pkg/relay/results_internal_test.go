package relay

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

func outcomeOp() *op { return &op{outcome: &result{task: &task{}}, after: func(error) {}} }

func (r *results) put(o *op) {
	r.queue <- o
	r.came()
}

func TestResults_WaitForCompany(t *testing.T) {
	t.Parallel()
	r := newResults()
	if got := r.wait(noon); got >= 0 {
		t.Fatalf("with none it waits for %v", got)
	}
	r.put(outcomeOp())
	if got := r.wait(noon); got != outcomeTime {
		t.Errorf("the first waits for %v", got)
	}
	r.fetch(noon)
	r.put(outcomeOp())
	if got := r.wait(noon.Add(outcomeTime / 3)); got != outcomeTime-outcomeTime/3 {
		t.Errorf("with a second one, a third of the time later, it waits for %v", got)
	}
	if got := r.wait(noon.Add(outcomeTime)); got != 0 {
		t.Errorf("after the time it waits for %v", got)
	}
	for range outcomeGroup - 2 {
		r.put(outcomeOp())
	}
	if got := r.wait(noon); got != 0 {
		t.Errorf("with enough of them it waits for %v", got)
	}
	r.fetch(noon)
	if n := len(r.take()) + len(r.take()); n != outcomeGroup {
		t.Errorf("%d were taken of %d", n, outcomeGroup)
	}
	r.put(outcomeOp())
	if got := r.wait(noon.Add(time.Hour)); got != outcomeTime {
		t.Errorf("the next one waits for %v", got)
	}
}

func TestResults_OneWithAnOrderingKeyDoesNotWait(t *testing.T) {
	t.Parallel()
	o := outcomeOp()
	if !o.patient() {
		t.Error("one without does not")
	}
	if o.outcome.claimed.orderingKey = "k"; o.patient() {
		t.Error("it waits")
	}
}

// TestResults_OneThatIsFetchedBeforeItIsCounted: whoever sends it counts it after that, and tells nobody.
func TestResults_OneThatIsFetchedBeforeItIsCounted(t *testing.T) {
	t.Parallel()
	r := newResults()
	r.queue <- outcomeOp()
	r.fetch(noon)
	if got := r.wait(noon); got != outcomeTime {
		t.Errorf("before it is counted it waits for %v", got)
	}
	r.came()
	if got := r.wait(noon); got != outcomeTime || r.len() != 1 {
		t.Errorf("after that %d wait for %v", r.len(), got)
	}
}

// TestResults_AreBounded: what one commit does not take stays in the queue.
func TestResults_AreBounded(t *testing.T) {
	t.Parallel()
	r := newResults()
	for range maxGroup + 10 {
		r.put(outcomeOp())
	}
	for _, want := range []int{maxGroup, 10} {
		if r.fetch(noon); len(r.waiting) != want {
			t.Errorf("%d were fetched, want %d", len(r.waiting), want)
		}
		if got := r.wait(noon); want == maxGroup && got != 0 {
			t.Errorf("with so many it waits for %v", got)
		}
		r.take()
	}
	if got := r.wait(noon); got >= 0 {
		t.Errorf("when all are taken it waits for %v", got)
	}
}

// TestResults_NoneIsForgotten: whatever comes while others are being fetched is told of, or found.
func TestResults_NoneIsForgotten(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 3000
	r := newResults()
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			for k := range each {
				r.put(outcomeOp())
				if (i+k)%7 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	patience := time.After(time.Minute)
	for got := 0; got < senders*each; {
		wait := r.wait(time.Now())
		if wait == 0 {
			r.fetch(time.Now())
			got += len(r.take())
			continue
		}
		var due <-chan time.Time // none are known: only the nudge tells of one
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-r.nudge:
		case <-due:
		case <-patience:
			t.Fatalf("%d came of %d, %d are in the queue", got, senders*each, len(r.queue))
		}
		r.fetch(time.Now())
	}
	group.Wait()
}

// TestWriter_ACrowdDoesNotShutOutcomesOut: they go with the next commit, however full it is.
func TestWriter_ACrowdDoesNotShutOutcomesOut(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "crowd.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ran, before := 0, make(chan int, 1) // the writer's
	group := make([]*op, 3*maxGroup)
	for i := range group {
		group[i] = newOp(func(context.Context, *txn) error { ran++; return nil })
	}
	o := outcomeOp()
	o.after = func(error) { before <- ran }
	together(s, append([]*op{o}, group...)...)
	select {
	case n := <-before:
		if n > maxGroup {
			t.Errorf("%d operations came first", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("it was not recorded")
	}
	for _, o := range group {
		if err := <-o.done; err != nil {
			t.Fatal(err)
		}
	}
}
