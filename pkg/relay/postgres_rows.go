package relay

import (
	"context"
	"database/sql"
	"slices"
)

const settleResults = `WITH r AS MATERIALIZED (
    SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[])
      AS r (seq, token, state, next_at, status, error, number, started_at, duration, detail)
  ), settled AS (
    UPDATE deliveries d SET state = r.state, next_at = r.next_at, lease_until = 0, last_status = r.status,
      last_error = r.error, updated_at = ?
    FROM r WHERE d.seq = r.seq AND d.lease_token = r.token AND d.state = 'delivering' RETURNING d.seq
  ), attempted AS (
    INSERT INTO attempts (delivery_seq, number, started_at, duration, status, error, detail)
    SELECT seq, number, started_at, duration, status, error, detail FROM r JOIN settled USING (seq)
  )
  SELECT seq FROM settled`

func (e *postgresEngine) settle(ctx context.Context, t *txn, results []*result) error {
	n := len(results)
	number := make([][]int64, 7)
	for i := range number {
		number[i] = make([]int64, n)
	}
	state, reason, detail := make([]string, n), make([]string, n), make([]string, n)
	for i, r := range results {
		for k, v := range []int64{
			r.claimed.seq, r.claimed.token, r.next(), int64(r.outcome.StatusCode), int64(r.claimed.delivery.Attempts),
			r.started.UnixMicro(), r.took.Microseconds(),
		} {
			number[k][i] = v
		}
		state[i], reason[i], detail[i] = string(r.state), r.reason(), r.detail()
	}
	found, err := t.query(ctx, settleResults, number[0], number[1], state, number[2], number[3], reason, number[4],
		number[5], number[6], detail, t.now.UnixMicro())
	if err != nil {
		return err
	}
	settled, err := seqs(found)
	for _, r := range results {
		if !settled[r.claimed.seq] {
			r.err = ErrLeaseLost
		}
	}
	return err
}

func seqs(found *sql.Rows) (map[int64]bool, error) {
	all := map[int64]bool{}
	_, err := collect(found, func(row scanner) (struct{}, error) {
		var seq int64
		err := row.Scan(&seq)
		all[seq] = true
		return struct{}{}, err
	})
	return all, err
}

const addTotals = `INSERT INTO totals (target_id, state, shard, n)
  SELECT target_id, state, ?, n FROM unnest(?::text[], ?::text[], ?::bigint[]) AS c (target_id, state, n) ORDER BY target_id, state
  ON CONFLICT (target_id, state, shard) DO UPDATE SET n = totals.n + excluded.n`

func (e *postgresEngine) addTotals(ctx context.Context, t *txn, changes []change) error {
	targets, states, ns := make([]string, len(changes)), make([]string, len(changes)), make([]int64, len(changes))
	for i, c := range changes {
		targets[i], states[i], ns[i] = c.target, string(c.state), c.n
	}
	return t.exec(ctx, addTotals, t.shard, targets, states, ns)
}

const (
	lockKeys = `SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(? || ':' || key, 0) AS lock FROM unnest(?::text[]) AS k (key) ORDER BY 1) locks`
	// deliveries_ordered serves this.
	giveBackBlocked = `UPDATE deliveries d SET state = 'pending', attempts = attempts - 1, lease_until = 0
  WHERE d.seq = ANY (?::bigint[]) AND EXISTS (
    SELECT 1 FROM deliveries e
    WHERE e.target_id = d.target_id AND e.ordering_key = d.ordering_key AND e.ordering_key <> '' AND e.seq <> d.seq
      AND e.state IN ('pending', 'delivering', 'failed') AND (e.seq < d.seq OR e.state = 'delivering'))
  RETURNING d.seq`
)

// confirm looks again, under a lock of each ordering key: when two processes claim at once, the one does not see yet
// what the other has of the same key. That happens when a cancelled delivery is retried while a later one of its key
// is being claimed.
func (e *postgresEngine) confirm(ctx context.Context, t *txn, claims []*task) ([]*task, error) {
	var keys []string
	var ordered []int64
	for _, k := range claims {
		if c := &k.claimed; c.orderingKey != "" {
			keys, ordered = append(keys, c.orderingKey), append(ordered, c.seq)
		}
	}
	if len(keys) == 0 {
		return claims, nil
	}
	if err := t.exec(ctx, lockKeys, claims[0].claimed.delivery.TargetID, keys); err != nil {
		return nil, err
	}
	found, err := t.query(ctx, giveBackBlocked, ordered)
	if err != nil {
		return nil, err
	}
	blocked, err := seqs(found)
	return slices.DeleteFunc(claims, func(k *task) bool { return blocked[k.claimed.seq] }), err
}

// locate: every delivery has its row from the start.
func (*postgresEngine) locate(context.Context, *txn, *claimed) error { return nil }

func (*postgresEngine) log() *journal { return nil }

func (e *postgresEngine) damaged() []error { return e.staged.report() }

func (*postgresEngine) ahead(context.Context, *txn) error { return nil }

// keyed: every key is where it belongs from the start.
func (*postgresEngine) keyed(context.Context, *txn, int64) error { return nil }

func (*postgresEngine) folds() *folds { return nil }
