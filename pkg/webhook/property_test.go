package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/signet/pkg/webhook"
)

// behaviour is what a server does with one request.
type behaviour struct {
	Status     int // 0: the connection is cut
	RetryAfter int // seconds; -1: none
	Delay      time.Duration
}

// course is everything that one Send depends on.
type course struct {
	Answers []behaviour // the last one repeats
	Retries int
	Timeout time.Duration
	Context time.Duration // 0: no deadline
}

func drawCourse(t *rapid.T) course {
	answer := rapid.Custom(func(t *rapid.T) behaviour {
		return behaviour{
			Status:     rapid.SampledFrom([]int{0, 200, 204, 301, 400, 404, 408, 410, 425, 429, 429, 500, 500, 502, 503, 503, 599}).Draw(t, "status"),
			RetryAfter: rapid.SampledFrom([]int{-1, -1, 0, 1, 30, 86400, 1 << 40}).Draw(t, "retry after"),
			Delay:      time.Duration(rapid.SampledFrom([]int{0, 0, 1, 999, 1000, 1001, 60_000}).Draw(t, "delay")) * time.Millisecond,
		}
	})
	return course{
		Answers: rapid.SliceOfN(answer, 1, 8).Draw(t, "answers"),
		Retries: rapid.IntRange(0, 6).Draw(t, "retries"),
		Timeout: time.Second,
		Context: time.Duration(rapid.SampledFrom([]int{0, 1, 500, 1000, 1500, 3000, 31_000, 90_000_000}).Draw(t, "context")) * time.Millisecond,
	}
}

// run sends once through this course, and tells of what is wrong with what came of it.
func (c course) run(t *testing.T) (wrong []error) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	ctx, cancel := context.WithCancel(t.Context())
	if c.Context > 0 {
		ctx, cancel = context.WithTimeout(t.Context(), c.Context)
	}
	defer cancel()
	b := newBubble(t, c.answer, webhook.WithRetries(c.Retries), webhook.WithTimeout(c.Timeout))
	defer b.stop()
	story := &story{}
	b.client.OnDelivery(story.add)
	began := time.Now()
	delivery, err := b.client.Send(ctx, bubbleURL, []byte(`{"n": 1.10}`))
	took := time.Since(began)

	b.mu.Lock()
	defer b.mu.Unlock()
	if len(delivery.Attempts) > c.Retries+1 || len(b.calls) > len(delivery.Attempts) {
		complain("%d attempts and %d requests, with %d retries", len(delivery.Attempts), len(b.calls), c.Retries)
	}
	if c.Context > 0 && took > c.Context {
		complain("took %s, longer than its context", took)
	}
	for i, call := range b.calls {
		if call.body != `{"n": 1.10}` {
			complain("request %d had the body %s", i, call.body)
		}
		if c.Context > 0 && call.at.Sub(began) >= c.Context && c.Context > time.Millisecond {
			complain("request %d came after the context had ended", i)
		}
	}
	for i, attempt := range delivery.Attempts {
		if attempt.Duration > c.Timeout {
			complain("attempt %d took %s", i, attempt.Duration)
		}
		if i < len(delivery.Attempts)-1 && attempt.Class() != webhook.Retry {
			complain("attempt %d was %s, and yet there was another", i, attempt.Class())
		}
	}
	if (err == nil) != (delivery.Last().Class() == webhook.Delivered && len(delivery.Attempts) > 0) || (err == nil) != (delivery.Status == webhook.StatusSuccess) {
		complain("status %s after %s: %v", delivery.Status, delivery.Last().Class(), err)
	}
	if err != nil && (!errors.Is(err, webhook.ErrNotDelivered) || delivery.Status != webhook.StatusFailed) {
		complain("status %s: %v", delivery.Status, err)
	}
	return append(wrong, story.check(delivery))
}

func (c course) answer(n int, w http.ResponseWriter, r *http.Request) {
	do := c.Answers[min(n, len(c.Answers)-1)]
	select {
	case <-time.After(do.Delay):
	case <-r.Context().Done():
	}
	if do.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if do.RetryAfter >= 0 {
		w.Header().Set("Retry-After", strconv.Itoa(do.RetryAfter))
	}
	w.WriteHeader(do.Status)
}

// story is the statuses that a delivery went through.
type story struct {
	mu       sync.Mutex
	statuses []webhook.Status
}

func (s *story) add(d webhook.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = append(s.statuses, d.Status)
}

// check wants pending, (sending, retrying)…, sending, and the end. Where the context ended a wait, or everything
// before the first attempt, no sending stands before the end.
func (s *story) check(d webhook.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := webhook.Status("")
	sendings := 0
	for _, status := range s.statuses {
		allowed := map[webhook.Status][]webhook.Status{
			"":                     {webhook.StatusPending},
			webhook.StatusPending:  {webhook.StatusSending, webhook.StatusFailed},
			webhook.StatusSending:  {webhook.StatusRetrying, webhook.StatusSuccess, webhook.StatusFailed},
			webhook.StatusRetrying: {webhook.StatusSending, webhook.StatusFailed},
		}[last]
		ok := false
		for _, a := range allowed {
			ok = ok || a == status
		}
		if !ok {
			return fmt.Errorf("%s after %s, in %v", status, last, s.statuses)
		}
		if status == webhook.StatusSending {
			sendings++
		}
		last = status
	}
	if last != d.Status || sendings != len(d.Attempts) {
		return fmt.Errorf("%v for %d attempts and the status %s", s.statuses, len(d.Attempts), d.Status)
	}
	return nil
}

// No sequence of answers makes Send exceed its attempts, an attempt its time, or anything its context.
func TestClient_keepsItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCourse(rt)
		var wrong []error
		synctest.Test(t, func(t *testing.T) { wrong = c.run(t) })
		if err := errors.Join(wrong...); err != nil {
			rt.Fatalf("%+v: %v", c, err)
		}
	})
}

// net/http sends a request that has an idempotency key again by itself when its connection is cut, and would so make
// attempts that nobody counts.
func TestClient_countsEveryRequest(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		var wrong []error
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, course{Answers: []behaviour{{Status: 500, RetryAfter: -1}, {}}}.answer, webhook.WithRetries(2))
			defer b.stop()
			delivery, err := b.client.Send(t.Context(), bubbleURL, []byte("{}"), webhook.WithHeader(header, "k"))
			if err == nil || len(delivery.Attempts) != 3 || len(b.calls) != 3 {
				wrong = append(wrong, fmt.Errorf("%d attempts, %d requests: %w", len(delivery.Attempts), len(b.calls), err))
			}
		})
		if wrong != nil {
			t.Error(wrong)
		}
	}
}
