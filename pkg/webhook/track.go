package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// track is one delivery on its way. Only the goroutine that sends it changes it.
type track struct {
	client   *Client
	entry    *entry
	delivery Delivery
}

// track begins a delivery.
func (c *Client) track(request Request) *track {
	t := &track{client: c, delivery: Delivery{
		ID: newID("dlv_"), MessageID: request.ID, URL: request.URL, Status: StatusPending, CreatedAt: time.Now(),
	}}
	t.entry = c.history.add(t.delivery)
	c.watchers.tell(t.delivery)
	return t
}

// become changes the status and tells everybody who wants to know.
func (t *track) become(status Status) {
	t.delivery.Status = status
	t.client.history.update(t.entry, t.delivery)
	t.client.watchers.tell(t.delivery)
}

// deliver makes attempts until one settles the matter. First attempt and retries are one path.
func (t *track) deliver(ctx context.Context, request Request) error {
	c := t.client
	try := func() (struct{}, error) { return struct{}{}, t.try(ctx, request) }
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = c.first, c.longest
	_, err := backoff.Retry(ctx, try,
		backoff.WithBackOff(waits),
		backoff.WithMaxTries(uint(c.retries)+1),
		backoff.WithMaxElapsedTime(0), // ctx bounds the whole
		backoff.WithNotify(func(_ error, wait time.Duration) {
			c.log.LogAttrs(ctx, slog.LevelDebug, "webhook waits for its next attempt", slog.String("delivery", t.delivery.ID), slog.Duration("wait", wait))
			t.delivery.NextAt = time.Now().Add(wait)
			t.become(StatusRetrying)
			t.delivery.NextAt = time.Time{}
		}),
	)
	if err == nil {
		t.become(StatusSuccess)
		return nil
	}
	t.become(StatusFailed)
	return t.delivery.failure(t.reason(ctx))
}

// try makes one attempt, unless the context has ended by now: a wait that ends together with its context may
// have been the one to win.
func (t *track) try(ctx context.Context, request Request) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // at any moment
	}
	if ctx.Err() != nil {
		return backoff.Permanent(ctx.Err())
	}
	t.become(StatusSending)
	request.Time = time.Now()
	attempt := t.client.sender.Attempt(ctx, request)
	t.delivery.Attempts = append(t.delivery.Attempts, attempt)
	t.log(ctx, attempt)
	return t.retryable(attempt)
}

// retryable tells the retry loop what an attempt means. What it answers never reaches the caller, who gets the
// attempt's own error.
func (t *track) retryable(attempt Attempt) error {
	switch {
	case t.impatient(attempt):
		return backoff.Permanent(attempt.Err)
	case attempt.Class() == Delivered:
		return nil
	case attempt.Class() != Retry:
		return backoff.Permanent(attempt.Err)
	case attempt.RetryAfter > 0:
		return &backoff.RetryAfterError{Duration: attempt.RetryAfter}
	default:
		return attempt.Err
	}
}

// impatient reports whether the receiver asks for more time than it is given.
func (t *track) impatient(a Attempt) bool {
	return a.Class() == Retry && a.RetryAfter > t.client.patience
}

// reason is why a delivery failed: its context, where there would have been another attempt without that.
func (t *track) reason(ctx context.Context) error {
	last := t.delivery.Last()
	tried := len(t.delivery.Attempts)
	if tried > 0 && tried <= t.client.retries && t.impatient(last) {
		return fmt.Errorf("%w, and asks to wait %s, which is more than %s", last.Err, last.RetryAfter, t.client.patience)
	}
	ended := context.Cause(ctx)
	if ended == nil || (tried > 0 && (last.Class() != Retry || tried > t.client.retries) && !errors.Is(last.Err, ctx.Err())) {
		return last.Err
	}
	if !errors.Is(ended, ctx.Err()) && !errors.Is(ended, ErrClosed) {
		ended = fmt.Errorf("%w: %w", ctx.Err(), ended)
	}
	if tried == 0 || errors.Is(last.Err, ctx.Err()) {
		return ended
	}
	return fmt.Errorf("%w (last attempt: %w)", ended, last.Err)
}

func (t *track) log(ctx context.Context, attempt Attempt) {
	level, text := slog.LevelDebug, "webhook delivered"
	if attempt.Err != nil {
		level, text = slog.LevelWarn, "webhook not delivered by this attempt"
	}
	if !t.client.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("delivery", t.delivery.ID),
		slog.String("message", t.delivery.MessageID),
		slog.String("url", Redact(t.delivery.URL)),
		slog.Int("attempt", len(t.delivery.Attempts)),
		slog.Int("status", attempt.StatusCode),
		slog.Duration("took", attempt.Duration),
	}
	if attempt.Err != nil {
		attrs = append(attrs, slog.String("reason", attempt.Err.Error()))
	}
	t.client.log.LogAttrs(ctx, level, text, attrs...)
}
