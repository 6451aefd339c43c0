package relay

import (
	"context"
	"fmt"
)

// What one statement may carry. A message of the protocol must stay below a gigabyte, and its rows are held in
// memory on both sides.
const (
	maxStatementRows  = 4096
	maxStatementBytes = 8 << 20
)

// append stores drafts by one statement for many, in the transaction that is open.
func (e *postgresEngine) append(ctx context.Context, t *txn, drafts []*prepared) error {
	for len(drafts) > 0 {
		n := chunk(drafts)
		later, err := appendFresh(ctx, t, drafts[:n])
		if err != nil {
			return fmt.Errorf("append: %w", err)
		}
		for _, p := range later {
			if err := duplicate(ctx, t, p); err != nil {
				return fmt.Errorf("append: %w", err)
			}
		}
		drafts = drafts[n:]
	}
	return nil
}

// appendAtOnce leaves out the transaction: a single statement is one by itself. Nothing can come between the lock on
// the positions and the commit then, and it is one round trip instead of three.
func (e *postgresEngine) appendAtOnce(ctx context.Context, t *txn, drafts []*prepared) ([]*prepared, bool, error) {
	if chunk(drafts) < len(drafts) {
		return nil, false, nil
	}
	if e.journals(t, drafts) {
		later, err := e.appendStaged(ctx, t, drafts)
		return later, true, err
	}
	later, err := appendFresh(ctx, t, drafts)
	return later, true, err
}

// chunk is how many of the drafts fit into one statement; at least one.
func chunk(drafts []*prepared) int {
	rows, bytes := 0, 0
	for i, p := range drafts {
		rows += 1 + len(p.Targets)
		bytes += len(p.Body) + len(p.Headers)
		if i > 0 && (rows > maxStatementRows || bytes > maxStatementBytes) {
			return i
		}
	}
	return len(drafts)
}

// appendDrafts stores the drafts whose key is new and answers which those were. Everybody takes the same locks in the
// same order (keys, positions, totals), so that no two wait for each other.
const appendDrafts = `WITH draft AS MATERIALIZED (
    SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bytea[], ?::bytea[], ?::bool[])
      WITH ORDINALITY AS d (id, source, type, key, ordering_key, tenant, headers, body, keyed, n)
  ), clock AS MATERIALIZED (SELECT relay_now() AS now
  ), new_key AS (
    INSERT INTO dedupe_keys (source, key, message_id, created_at)
    SELECT source, key, id, now FROM draft, clock WHERE key <> '' AND NOT keyed ORDER BY source, key, n
    ON CONFLICT (source, key) DO NOTHING RETURNING message_id
  ), fresh AS MATERIALIZED (
    SELECT n, row_number() OVER (ORDER BY n) AS nth FROM draft
    WHERE key = '' OR keyed OR id IN (SELECT message_id FROM new_key)
  ), delivery AS MATERIALIZED (
    SELECT d.id, d.target_id, d.delay, d.ordering_key, f.nth AS message, row_number() OVER (ORDER BY d.n) AS nth
    FROM unnest(?::text[], ?::text[], ?::bigint[], ?::text[], ?::bigint[])
      WITH ORDINALITY AS d (id, target_id, message, ordering_key, delay, n) JOIN fresh f ON f.n = d.message
  ), base AS MATERIALIZED (
    SELECT a.message, a.delivery, clock.now
    FROM clock, relay_advance((SELECT count(*) FROM fresh), (SELECT count(*) FROM delivery)) a
    WHERE EXISTS (SELECT 1 FROM fresh)
  ), stored AS (
    INSERT INTO messages (seq, id, source, type, dedupe_key, ordering_key, tenant, headers, body, created_at)
    SELECT base.message + f.nth, id, source, type, key, ordering_key, tenant, headers, body, base.now
    FROM draft JOIN fresh f USING (n), base
  ), queued AS (
    INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
      lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
    SELECT base.delivery + d.nth, d.id, base.message + d.message, d.target_id, 'pending', 0, 0, base.now + d.delay,
      0, 0, d.ordering_key, 0, '', '', base.now, base.now
    FROM delivery d, base
  ), counted AS (
    INSERT INTO totals (target_id, state, shard, n)
    SELECT target_id, 'pending', ?::bigint, count(*) FROM delivery, base GROUP BY target_id
    UNION ALL SELECT '', 'messages', ?::bigint, count(*) FROM fresh, base HAVING count(*) > 0
    ORDER BY 1, 2
    ON CONFLICT (target_id, state, shard) DO UPDATE SET n = totals.n + excluded.n
  )
  SELECT f.n FROM fresh f, base`

// appendFresh stores what is no duplicate, and answers what is.
func appendFresh(ctx context.Context, t *txn, drafts []*prepared) (later []*prepared, err error) {
	found, err := t.query(ctx, appendDrafts, appendArgs(drafts, t.shard)...)
	if err != nil {
		return nil, err
	}
	fresh := make([]bool, len(drafts))
	_, err = collect(found, func(row scanner) (struct{}, error) {
		var n int
		err := row.Scan(&n)
		if err == nil {
			fresh[n-1] = true
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, err
	}
	for i, p := range drafts {
		if !fresh[i] {
			later = append(later, p)
			continue
		}
		p.accepted()
		for _, target := range p.Targets {
			t.due[target] = struct{}{}
		}
	}
	return later, nil
}

func appendArgs(drafts []*prepared, shard int64) []any {
	n := len(drafts)
	text := make([][]string, 6)
	for i := range text {
		text[i] = make([]string, n)
	}
	headers, bodies, keyed := make([][]byte, n), make([][]byte, n), make([]bool, n)
	var ids, targets, keys []string
	var messages, delays []int64
	for i, p := range drafts {
		for k, v := range []string{p.ID, p.Source, p.Type, p.DedupeKey, p.OrderingKey, p.Tenant} {
			text[k][i] = v
		}
		headers[i], bodies[i], keyed[i] = notNil(p.Headers), notNil(p.Body), p.keyed
		for k, target := range p.Targets {
			ids, targets, keys = append(ids, p.deliveries[k]), append(targets, target), append(keys, p.OrderingKey)
			messages, delays = append(messages, int64(i+1)), append(delays, p.delay.Microseconds())
		}
	}
	return []any{
		text[0], text[1], text[2], text[3], text[4], text[5], headers, bodies, keyed,
		ids, targets, messages, keys, delays, shard, shard,
	}
}

// stageKeys takes the dedupe keys of drafts, and answers those that were new.
const stageKeys = `INSERT INTO dedupe_keys (source, key, message_id, created_at)
  SELECT d.source, d.key, d.id, ? FROM unnest(?::text[], ?::text[], ?::text[]) WITH ORDINALITY AS d (source, key, id, n)
  ORDER BY d.source, d.key, d.n
  ON CONFLICT (source, key) DO NOTHING RETURNING message_id`

// stage takes only the keys, which tell what is a duplicate. The rows wait until foreign code is through, because
// the lock on the positions is everybody's.
func (e *postgresEngine) stage(ctx context.Context, t *txn, drafts []*prepared) error {
	var sources, keys, ids []string
	for _, p := range drafts {
		if p.DedupeKey != "" {
			sources, keys, ids = append(sources, p.Source), append(keys, p.DedupeKey), append(ids, p.ID)
		}
	}
	fresh := map[string]bool{}
	if len(ids) > 0 {
		found, err := t.query(ctx, stageKeys, t.now.UnixMicro(), sources, keys, ids)
		if err != nil {
			return err
		}
		if err := eachTarget(found, func(id string) { fresh[id] = true }); err != nil {
			return err
		}
	}
	for _, p := range drafts {
		if p.DedupeKey != "" && !fresh[p.ID] {
			if err := duplicate(ctx, t, p); err != nil {
				return err
			}
			continue
		}
		p.keyed = true
		p.accepted()
		t.staged = append(t.staged, p)
	}
	return nil
}
