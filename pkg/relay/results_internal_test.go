package relay

import (
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
	if n := len(r.take(10)) + len(r.take(-1)) + len(r.take(maxGroup)); n != outcomeGroup {
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
					time.Sleep(time.Duration(k%50) * time.Microsecond)
				}
			}
		})
	}
	patience := time.After(time.Minute)
	for got := 0; got < senders*each; {
		wait := r.wait(time.Now())
		if wait == 0 {
			r.fetch(time.Now())
			got += len(r.take(maxGroup))
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
