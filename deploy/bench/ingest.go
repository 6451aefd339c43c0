package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/signet/deploy/bench/internal/load"
)

// ingest compares verified, durable ingest with a handler that only checks the HMAC.
func (b *bench) ingest(ctx context.Context, round int, database string) error {
	bare, err := b.bareIngest(ctx, round)
	if err != nil {
		return err
	}
	ours, memory, err := b.ourIngest(ctx, round, database)
	if err != nil {
		return err
	}
	suffix := engineOf(database)
	b.report.Ratio("ingest "+suffix, ours, bare, "requests/s")
	b.report.Value("memory at full ingest "+suffix, float64(memory)/(1<<20), "MiB")
	return nil
}

func (b *bench) bareIngest(ctx context.Context, round int) (float64, error) {
	bare, err := b.startRole(ctx, "ingest")
	if err != nil {
		return 0, err
	}
	defer bare.Kill()
	result, err := b.closed(ctx, bare.addr, fmt.Sprintf("a%02x", round))
	return result.Rate(), err
}

// closed measures POST /webhook at full speed.
func (b *bench) closed(ctx context.Context, addr, name string) (load.Result, error) {
	result, err := load.Closed{
		Addr: addr, Connections: b.connections, WarmUp: b.warmUp, Duration: b.duration, Want: http.StatusOK,
		NewRequest: load.Webhooks(secret, name, b.seed),
	}.Run(ctx)
	if err == nil && result.Refused > 0 {
		err = fmt.Errorf("%d requests were refused", result.Refused)
	}
	return result, err
}

func (b *bench) ourIngest(ctx context.Context, round int, database string) (rate float64, memory int64, err error) {
	ours, err := b.startReceiver(ctx, database)
	if err != nil {
		return 0, 0, err
	}
	b.profile(ctx, ours, b.warmUp)
	result, err := b.closed(ctx, ours.addr, fmt.Sprintf("c%02x", round))
	if err != nil {
		return 0, 0, err
	}
	if _, memory, err = ours.Memory(); err != nil {
		return 0, 0, err
	}
	st, err := ours.stats(ctx, ours.admin)
	if err != nil {
		return 0, 0, err
	}
	if st.Messages < result.All {
		return 0, 0, fmt.Errorf("%d requests were acknowledged, but only %d messages are stored", result.All, st.Messages)
	}
	return result.Rate(), memory, ours.stop()
}

// processed compares what is accepted and processed by a handler, with nothing left over.
func (b *bench) processed(ctx context.Context, round int, database string) error {
	bare, err := b.bareIngest(ctx, round)
	if err != nil {
		return err
	}
	ours, err := b.startReceiver(ctx, database)
	if err != nil {
		return err
	}
	b.profile(ctx, ours, 0)
	began := time.Now()
	result, err := load.Closed{
		Addr: ours.addr, Connections: b.connections, Total: b.events, Want: http.StatusOK,
		NewRequest: load.Webhooks(secret, fmt.Sprintf("d%02x", round), b.seed),
	}.Run(ctx)
	if err != nil {
		return err
	}
	ended, err := ours.awaitDelivered(ctx, ours.admin, result.All)
	if err != nil {
		return err
	}
	b.report.Ratio("accepted and processed "+engineOf(database), float64(result.All)/ended.Sub(began).Seconds(), bare, "events/s")
	return ours.stop()
}
