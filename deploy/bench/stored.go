package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
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

// amongStored compares ingest and drain among millions of messages with the same on empty databases. Ids and keys
// look random, as senders' do, so that a new one belongs anywhere among the old ones.
func (b *bench) amongStored(ctx context.Context, _ int, _ string) error {
	emptyIngest, err := b.ingestEmpty(ctx)
	if err != nil {
		return err
	}
	emptyDrain, err := b.drainEmpty(ctx)
	if err != nil {
		return err
	}
	receiver, producer, err := b.samples(ctx)
	if err != nil {
		return err
	}
	if err := b.multiply(ctx, receiver, producer.producer); err != nil {
		return err
	}
	ingest, err := b.ingestAmong(ctx, receiver)
	if err != nil {
		return err
	}
	b.report.Ratio(b.storedName("ingest"), ingest, emptyIngest, "requests/s")
	drain, err := b.drainAmong(ctx, producer)
	if err != nil {
		return err
	}
	b.report.Ratio(b.storedName("drain"), drain, emptyDrain, "deliveries/s")
	return nil
}

// copies is how often the sample is stored.
func (b *bench) copies() int { return int(max(b.stored/sample, 1)) }

func (b *bench) storedName(what string) string {
	return fmt.Sprintf("%s among %s stored (SQLite)", what, grouped(int64(b.copies())*sample))
}

func (b *bench) ingestEmpty(ctx context.Context) (float64, error) {
	ours, err := b.startReceiver(ctx, "")
	if err != nil {
		return 0, err
	}
	rate, err := b.scattered(ctx, ours, "e0", 0)
	if err != nil {
		return 0, err
	}
	return rate, ours.stop()
}

func (b *bench) drainEmpty(ctx context.Context) (float64, error) {
	r, err := b.newRig(ctx, "")
	if err != nil {
		return 0, err
	}
	return b.drainScattered(ctx, r, 0)
}

// samples has each service make the rows that are copied, and stops both.
func (b *bench) samples(ctx context.Context) (*service, *rig, error) {
	receiver, err := b.startReceiver(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.scattered(ctx, receiver, "e1", sample); err != nil {
		return nil, nil, err
	}
	if _, err := receiver.awaitDelivered(ctx, receiver.admin, sample); err != nil {
		return nil, nil, err
	}
	if err := receiver.Stop(); err != nil {
		return nil, nil, err
	}
	r, err := b.newRig(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	err = b.fillWith(ctx, r.producer, sample, func(id int) string { return load.Scattered("f1", uint64(id)) })
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.producer.awaitDelivered(ctx, r.producer.addr, sample); err != nil {
		return nil, nil, err
	}
	return receiver, r, r.producer.Stop()
}

// multiply makes copies of what the services have stored, of all at once: it is one core's work for each.
func (b *bench) multiply(ctx context.Context, services ...*service) error {
	errs := make([]error, len(services))
	var group sync.WaitGroup
	for i, s := range services {
		group.Go(func() { errs[i] = stored.Multiply(ctx, s.database(), b.copies(), storedOver, time.Now()) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// relaunch starts a service among its copies, has it say that they are there, and lets it read what it wants to know of
// them: that takes seconds after a start, in which it works already, but more slowly.
func (b *bench) relaunch(ctx context.Context, s *service, api string) error {
	if err := b.launch(ctx, s); err != nil {
		return err
	}
	st, err := s.stats(ctx, api)
	if want := int64(b.copies()) * sample; err == nil && (st.Messages != want || st.Deliveries.Delivered != want) {
		err = fmt.Errorf("%d messages are stored and %d delivered, not %d", st.Messages, st.Deliveries.Delivered, want)
	}
	if err != nil {
		return err
	}
	return s.Rest(ctx)
}

func (b *bench) ingestAmong(ctx context.Context, ours *service) (float64, error) {
	if err := b.relaunch(ctx, ours, ours.admin); err != nil {
		return 0, err
	}
	b.profile(ctx, ours, b.warmUp)
	rate, err := b.scattered(ctx, ours, "e2", 0)
	if err != nil {
		return 0, err
	}
	return rate, ours.stop()
}

func (b *bench) drainAmong(ctx context.Context, r *rig) (float64, error) {
	if err := b.relaunch(ctx, r.producer, r.producer.addr); err != nil {
		return 0, err
	}
	return b.drainScattered(ctx, r, int64(b.copies())*sample)
}

// drainScattered measures a drain by a producer that has delivered so many before, and closes the rig.
func (b *bench) drainScattered(ctx context.Context, r *rig, before int64) (float64, error) {
	if err := r.switched(ctx, "disable"); err != nil {
		return 0, err
	}
	err := b.fillWith(ctx, r.producer, b.backlog, func(id int) string { return load.Scattered("f2", uint64(id)) })
	if err != nil {
		return 0, err
	}
	rate, _, err := b.drained(ctx, r, b.backlog, before+b.backlog)
	if err != nil {
		return 0, err
	}
	return rate, r.close()
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

// grouped writes a number with a comma before each three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
