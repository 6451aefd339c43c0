package main

import (
	"context"
	"fmt"
	"net/http"

	"example.com/signet/deploy/bench/internal/load"
)

// lasting measures ingest for long enough that what it leaves to be done later, it has to do meanwhile: the log's
// checkpoints, the handlers, whatever piles up. The figure of a few seconds shows none of that.
func (b *bench) lasting(ctx context.Context, _ int, database string) error {
	ours, err := b.startReceiver(ctx, database)
	if err != nil {
		return err
	}
	b.profile(ctx, ours, b.warmUp)
	result, err := load.Closed{
		Addr: ours.addr, Connections: b.connections, WarmUp: b.warmUp, Duration: b.sustained, Parts: 3, Want: http.StatusOK,
		NewRequest: load.ScatteredWebhooks(secret, "a5", b.seed),
	}.Run(ctx)
	if err != nil {
		return err
	}
	st, err := ours.stats(ctx, ours.admin)
	if err != nil {
		return err
	}
	if result.Refused > 0 || st.Messages < result.All {
		return fmt.Errorf("%d requests were refused; %d were acknowledged, and %d messages are stored", result.Refused, result.All, st.Messages)
	}
	_, memory, err := ours.Memory()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("ingest for %s ", b.sustained)
	b.report.Value(name+engineOf(database), result.Rate(), "requests/s")
	b.report.Value(name+"last third / first "+engineOf(database), float64(result.Parts[2])/float64(result.Parts[0]), "×")
	b.report.Value(name+"left to be processed "+engineOf(database), float64(backlog(st)), "deliveries")
	b.report.Value(name+"memory "+engineOf(database), float64(memory)/(1<<20), "MiB")
	return ours.stop()
}

// backlog is what is accepted and not over yet.
func backlog(st stats) int64 { return st.Deliveries.Pending + st.Deliveries.Delivering }
