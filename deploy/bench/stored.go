package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"example.com/signet/deploy/bench/internal/load"
	"example.com/signet/deploy/bench/internal/stored"
)

const (
	// sample is how many messages the services make themselves; what else is stored are copies of them.
	sample = 10_000
	// storedOver is the time that what is stored seems to have come in over.
	storedOver = 24 * time.Hour
)

// amongStored compares ingest and drain among millions of messages with the same on an empty database. Ids and keys
// look random, as senders' do, so that a new one belongs anywhere among the old ones.
func (b *bench) amongStored(ctx context.Context, _ int, _ string) error {
	if err := b.ingestAmong(ctx); err != nil {
		return err
	}
	return b.drainAmong(ctx)
}

// copies is how often the sample is stored.
func (b *bench) copies() int { return int(max(b.stored/sample, 1)) }

func (b *bench) storedName(what string) string {
	return fmt.Sprintf("%s among %s stored (SQLite)", what, grouped(int64(b.copies())*sample))
}

func (b *bench) ingestAmong(ctx context.Context) error {
	ours, err := b.startReceiver(ctx, "")
	if err != nil {
		return err
	}
	empty, err := b.scattered(ctx, ours, "e0", 0)
	if err != nil {
		return err
	}
	if err := ours.stop(); err != nil {
		return err
	}
	if ours, err = b.startReceiver(ctx, ""); err != nil {
		return err
	}
	if _, err := b.scattered(ctx, ours, "e1", sample); err != nil {
		return err
	}
	if _, err := ours.awaitDelivered(ctx, ours.admin, sample); err != nil {
		return err
	}
	if err := b.multiply(ctx, ours); err != nil {
		return err
	}
	b.profile(ctx, ours, b.warmUp)
	full, err := b.scattered(ctx, ours, "e2", 0)
	if err != nil {
		return err
	}
	b.report.Ratio(b.storedName("ingest"), full, empty, "requests/s")
	return ours.stop()
}

// scattered posts webhooks with random ids: so many, or 0 for as long as is measured. It answers their rate.
func (b *bench) scattered(ctx context.Context, to *service, run string, total int64) (float64, error) {
	l := load.Closed{
		Addr: to.addr, Connections: b.connections, Total: total, Want: http.StatusOK,
		NewRequest: load.ScatteredWebhooks(secret, run, b.seed),
	}
	if total == 0 {
		l.WarmUp, l.Duration = b.warmUp, b.duration
	}
	result, err := l.Run(ctx)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, to.Output())
	}
	if err == nil && result.Refused > 0 {
		err = fmt.Errorf("%d requests were refused", result.Refused)
	}
	return result.Rate(), err
}

// multiply stops a service, makes copies of what it has stored, and starts it again.
func (b *bench) multiply(ctx context.Context, s *service) error {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := stored.Multiply(ctx, s.database(), b.copies(), storedOver, time.Now()); err != nil {
		return err
	}
	if err := b.launch(ctx, s); err != nil {
		return err
	}
	addr := s.addr
	if s.name == "receiver" {
		addr = s.admin
	}
	st, err := s.stats(ctx, addr)
	if want := int64(b.copies()) * sample; err == nil && (st.Messages != want || st.Deliveries.Delivered != want) {
		err = fmt.Errorf("%d messages are stored and %d delivered, not %d", st.Messages, st.Deliveries.Delivered, want)
	}
	return err
}

func (b *bench) drainAmong(ctx context.Context) error {
	empty, err := b.drainOf(ctx, func(*rig) error { return nil }, 0)
	if err != nil {
		return err
	}
	full, err := b.drainOf(ctx, func(r *rig) error {
		if err := b.fillWith(ctx, r.producer, sample, func(id int) string { return load.Scattered("f1", uint64(id)) }); err != nil {
			return err
		}
		if _, err := r.producer.awaitDelivered(ctx, r.producer.addr, sample); err != nil {
			return err
		}
		return b.multiply(ctx, r.producer)
	}, int64(b.copies())*sample)
	if err != nil {
		return err
	}
	b.report.Ratio(b.storedName("drain"), full, empty, "deliveries/s")
	return nil
}

// drainOf measures a drain by a producer that has been prepared, and has delivered so many.
func (b *bench) drainOf(ctx context.Context, prepare func(*rig) error, before int64) (float64, error) {
	r, err := b.newRig(ctx, "")
	if err != nil {
		return 0, err
	}
	if err := prepare(r); err != nil {
		return 0, err
	}
	if err := r.switched(ctx, "disable"); err != nil {
		return 0, err
	}
	if err := b.fillWith(ctx, r.producer, b.backlog, func(id int) string { return load.Scattered("f2", uint64(id)) }); err != nil {
		return 0, err
	}
	rate, _, err := b.drained(ctx, r, b.backlog, before+b.backlog)
	if err != nil {
		return 0, err
	}
	return rate, r.close()
}

// grouped writes a number with a comma before each three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
