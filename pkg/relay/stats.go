package relay

import (
	"context"
	"maps"
	"strings"
)

const (
	selectTotals   = `SELECT target_id, state, n FROM totals`
	selectDisabled = `SELECT id FROM targets WHERE enabled = 0`
)

// Stats reads the lifetime totals. What retention has removed is part of them.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	stats := Stats{Deliveries: map[State]int64{}, Removed: Removed{Deliveries: map[State]int64{}}}
	for _, state := range States() {
		stats.Deliveries[state] = 0
	}
	counts, err := s.readTotals(ctx)
	if err != nil {
		return stats, err
	}
	disabled, err := readDisabled(ctx, s.callers)
	if err != nil {
		return stats, err
	}
	for k, n := range counts {
		gone, removed := strings.CutPrefix(string(k.state), removedPrefix)
		switch {
		case k == messagesTotal:
			stats.Messages += n
		case k == removedTotal:
			stats.Removed.Messages += n
		case removed:
			stats.Removed.Deliveries[State(gone)] += n
		case k.state == Pending && disabled[k.target]:
			stats.Deliveries[Paused] += n
		default:
			stats.Deliveries[k.state] += n
		}
	}
	return stats, nil
}

// readDisabled finds the targets that are disabled.
func readDisabled(ctx context.Context, q querier) (map[string]bool, error) {
	rows, err := q.query(ctx, selectDisabled)
	if err != nil {
		return nil, err
	}
	disabled := map[string]bool{}
	return disabled, eachTarget(rows, func(id string) { disabled[id] = true })
}

// readTotals adds what is in the journal to what has its rows.
func (s *Store) readTotals(ctx context.Context) (map[total]int64, error) {
	counts := map[total]int64{}
	conn, err := s.callers.db.Conn(ctx) // the writer is not to wait until one is free
	if err != nil {
		return nil, err
	}
	defer conn.Close() // gives it back
	if j := s.engine.log(); j != nil {
		j.view.RLock()
		defer j.view.RUnlock()
		maps.Copy(counts, j.counts)
	}
	rows, err := conn.QueryContext(ctx, s.callers.to(selectTotals))
	if err != nil {
		return nil, err
	}
	_, err = collect(rows, func(row scanner) (struct{}, error) {
		var k total
		var n int64
		err := row.Scan(&k.target, &k.state, &n)
		counts[k] += n
		return struct{}{}, err
	})
	return counts, err
}
