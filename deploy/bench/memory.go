package main

import (
	"context"
	"time"
)

// pending measures the producer's resident memory with few and with many deliveries waiting.
func (b *bench) pending(ctx context.Context, _ int, database string) error {
	r, err := b.newRig(ctx, database)
	if err != nil {
		return err
	}
	if err := r.switched(ctx, "disable"); err != nil {
		return err
	}
	suffix := engineOf(database)
	for _, step := range []struct {
		name string
		n    int64
	}{{"a tenth of the pending", b.waiting / 10}, {"all pending", b.waiting - b.waiting/10}} {
		if err := b.fill(ctx, r.producer, step.n); err != nil {
			return err
		}
		now, _, err := r.producer.Memory()
		if err != nil {
			return err
		}
		b.report.Value("memory with "+step.name+" "+suffix, float64(now)/(1<<20), "MiB")
	}
	return r.close()
}

// start measures how long the services take from their start to their first answer, on a new database.
func (b *bench) startUp(ctx context.Context, _ int, database string) error {
	receiver, err := b.startReceiver(ctx, database)
	if err != nil {
		return err
	}
	b.report.Value("receiver start to ready "+engineOf(database), millis(receiver.Ready.Sub(receiver.Started)), "ms")
	if err := receiver.stop(); err != nil {
		return err
	}
	producer, err := b.startProducer(ctx, database, "127.0.0.1:1")
	if err != nil {
		return err
	}
	b.report.Value("producer start to ready "+engineOf(database), millis(producer.Ready.Sub(producer.Started)), "ms")
	return producer.stop()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
