package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/signet/pkg/webhook"
)

// Each wait is drawn around a middle that grows by half, up to the longest.
func TestClient_backsOff(t *testing.T) {
	t.Parallel()
	const rounds = 50 // as the waits are drawn
	seen := map[time.Duration]bool{}
	for range rounds {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
				webhook.WithRetries(6), webhook.WithBackoff(time.Second, 4*time.Second))
			defer b.stop()
			delivery, err := b.client.Send(t.Context(), bubbleURL, []byte("{}"))
			if !errors.Is(err, webhook.ErrNotDelivered) || len(delivery.Attempts) != 7 || len(b.calls) != 7 {
				t.Fatalf("%d attempts, %d requests: %v", len(delivery.Attempts), len(b.calls), err)
			}
			middle := time.Second
			for i := 1; i < len(b.calls); i++ {
				wait := b.calls[i].at.Sub(b.calls[i-1].at)
				if wait < middle/2 || wait > middle*3/2+1 {
					t.Errorf("wait %d was %s, not %s ± half", i, wait, middle)
				}
				seen[wait] = true
				middle = min(middle*3/2, 4*time.Second)
			}
		})
	}
	if len(seen) < rounds { // six waits a round
		t.Errorf("only %d different waits: there is no jitter", len(seen))
	}
}

func TestClient_defaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		defer b.stop()
		began := time.Now()
		delivery, err := b.client.Send(t.Context(), bubbleURL, []byte("{}"))
		if !errors.Is(err, context.DeadlineExceeded) || len(delivery.Attempts) != 1+webhook.DefaultRetries {
			t.Fatalf("%d attempts: %v", len(delivery.Attempts), err)
		}
		for i, a := range delivery.Attempts {
			if a.Duration != webhook.DefaultTimeout {
				t.Errorf("attempt %d took %s", i, a.Duration)
			}
		}
		if took := time.Since(began); took <= 4*webhook.DefaultTimeout || took > 4*webhook.DefaultTimeout+5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestClient_waitsAsLongAsRetryAfterSays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header func(now time.Time) string
		want   time.Duration
	}{
		"seconds":    {func(time.Time) string { return "3600" }, time.Hour},
		"date":       {func(now time.Time) string { return now.Add(90 * time.Second).UTC().Format(http.TimeFormat) }, 90 * time.Second},
		"a year":     {func(time.Time) string { return strconv.Itoa(365 * 86400) }, webhook.MaxRetryAfter},
		"in between": {func(time.Time) string { return "7" }, 7 * time.Second},
	} {
		for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(name+" "+strconv.Itoa(code), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b := newBubble(t, func(n int, w http.ResponseWriter, _ *http.Request) {
						if n == 0 {
							w.Header().Set("Retry-After", tt.header(time.Now()))
							w.WriteHeader(code)
						}
					})
					defer b.stop()
					if _, err := b.client.Send(t.Context(), bubbleURL, []byte("{}")); err != nil {
						t.Fatal(err)
					}
					if wait := b.calls[1].at.Sub(b.calls[0].at); wait != tt.want {
						t.Errorf("waited %s, not %s", wait, tt.want)
					}
				})
			})
		}
	}
}

// A context that ends in the middle of a wait ends the delivery at that instant, with its own cause.
func TestClient_contextEndsMidBackoff(t *testing.T) {
	t.Parallel()
	reason := errors.New("the deploy was stopped")
	for name, tt := range map[string]struct {
		with func(context.Context) (context.Context, func())
		want error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Minute, func() { cancel(reason) })
			return ctx, func() { cancel(nil) }
		}, reason},
		"deadline": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			return ctx, cancel
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", "3600")
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				defer b.stop()
				ctx, done := tt.with(t.Context())
				defer done()
				began := time.Now()
				delivery, err := b.client.Send(ctx, bubbleURL, []byte("{}"))
				if took := time.Since(began); took != time.Minute {
					t.Errorf("ended after %s", took)
				}
				if !errors.Is(err, tt.want) || !errors.Is(err, ctx.Err()) || !errors.Is(err, webhook.ErrNotDelivered) {
					t.Errorf("error: %v", err)
				}
				if delivery.Status != webhook.StatusFailed || len(delivery.Attempts) != 1 || delivery.Last().StatusCode != 503 {
					t.Errorf("delivery: %+v", delivery)
				}
			})
		})
	}
}

func TestClient_deadContextMakesNoAttempt(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	delivery, err := newClient(t).Send(ctx, to.URL, []byte("{}"))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, webhook.ErrNotDelivered) || delivery.Status != webhook.StatusFailed {
		t.Errorf("%s: %v", delivery.Status, err)
	}
	if len(delivery.Attempts) != 0 || len(to.requests()) != 0 {
		t.Errorf("%d attempts, %d requests", len(delivery.Attempts), len(to.requests()))
	}
}

// Who is asked for more patience than there is gives up at once, and says why; the next attempt's time is told.
func TestClient_patience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", strconv.Itoa(60*(n+1)))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, webhook.WithPatience(90*time.Second))
		defer b.stop()
		var waits []time.Duration
		b.client.OnDelivery(func(d webhook.Delivery) {
			if d.Status == webhook.StatusRetrying {
				waits = append(waits, time.Until(d.NextAt))
			} else if !d.NextAt.IsZero() {
				t.Errorf("%s, and the next attempt at %s", d.Status, d.NextAt)
			}
		})
		began := time.Now()
		delivery, err := b.client.Send(t.Context(), bubbleURL, []byte("{}"))
		if took := time.Since(began); took != time.Minute || len(delivery.Attempts) != 2 || !slices.Equal(waits, []time.Duration{time.Minute}) {
			t.Errorf("%d attempts in %s, waits %v", len(delivery.Attempts), took, waits)
		}
		if err == nil || !strings.HasSuffix(err.Error(), "answered 503 Service Unavailable, and asks to wait 2m0s, which is more than 1m30s") {
			t.Error(err)
		}
	})
}
