package relay

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/signet/pkg/relay/internal/record"
)

// On PostgreSQL the journal is a table that all processes share. While a crowd appends, its messages are one row there, in
// one statement with their dedupe keys and their totals: a key's row is all that a message costs by itself. Which process
// takes a row out and makes the messages' rows of it, in one transaction, is all the same. Each has a writer for that, see
// staged.go; whoever reads waits until it has dealt with all that was committed before.
//
// Messages with an ordering key do not go this way, as one of them might overtake another. Nor do those whose caller
// chose their ids: what is in the journal has ids of this engine's making. A caller who chooses an id that the engine has
// given to another message gets an error, unless that message is still in the journal: then it is accepted, and the other
// one gets a new id with its rows, which DispatcherConfig.Log is told.

// appendNew is for messages none of whose keys is taken: an error if one is. All of these statements take the same locks in
// the same order as appendDrafts.
const appendNew = `WITH clock AS MATERIALIZED (SELECT relay_now() AS now
  ), new_key AS (
    INSERT INTO dedupe_keys (source, key, message_id, created_at)
    SELECT source, key, id, now FROM unnest(?::text[], ?::text[], ?::text[]) AS d (source, key, id), clock ORDER BY source, key
    RETURNING 1
  ), counted AS (
    INSERT INTO totals (target_id, state, shard, n)
    SELECT target_id, state, ?::bigint, n FROM unnest(?::text[], ?::text[], ?::bigint[]) AS c (target_id, state, n),
      (SELECT count(*) FROM new_key) keys
    ORDER BY 1, 2
    ON CONFLICT (target_id, state, shard) DO UPDATE SET n = totals.n + excluded.n
  )
  INSERT INTO journal (at, messages, entries, bytes, format, records, repeated) SELECT now, ?, ?, ?, 1, ?, '' FROM clock`

// wary is for how many groups it is not tried again to append them so, after one had a key that was taken.
const wary = 64

// appendMixed answers which of the messages, counted from 1, are duplicates, and does not append those.
const appendMixed = `WITH draft AS MATERIALIZED (
    SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[]) AS d (source, key, id, n)
  ), clock AS MATERIALIZED (SELECT relay_now() AS now
  ), new_key AS (
    INSERT INTO dedupe_keys (source, key, message_id, created_at)
    SELECT source, key, id, now FROM draft, clock ORDER BY source, key, n
    ON CONFLICT (source, key) DO NOTHING RETURNING message_id
  ), repeated AS MATERIALIZED (
    SELECT n FROM draft WHERE id NOT IN (SELECT message_id FROM new_key)
  ), fresh AS MATERIALIZED (SELECT ?::bigint - count(*) AS n FROM repeated
  ), stored AS (
    INSERT INTO journal (at, messages, entries, bytes, format, records, repeated)
    SELECT now, fresh.n, ?, ?, 1, ?, coalesce((SELECT string_agg(n::text, ',') FROM repeated), '') FROM clock, fresh WHERE fresh.n > 0
  ), counted AS (
    INSERT INTO totals (target_id, state, shard, n)
    SELECT target_id, 'pending', ?::bigint, count(*) FROM unnest(?::text[], ?::bigint[]) AS d (target_id, message)
      WHERE message NOT IN (SELECT n FROM repeated) GROUP BY target_id
    UNION ALL SELECT '', 'messages', ?::bigint, n FROM fresh WHERE n > 0
    ORDER BY 1, 2
    ON CONFLICT (target_id, state, shard) DO UPDATE SET n = totals.n + excluded.n
  )
  SELECT n FROM repeated`

// journals says whether drafts may go through the journal together.
func (e *postgresEngine) journals(t *txn, drafts []*prepared) bool {
	bytes := 0
	return t.crowd && e.staged.room() && !slices.ContainsFunc(drafts, func(p *prepared) bool {
		bytes += len(p.Body) + len(p.Headers)
		return p.given || p.keyed || p.OrderingKey != "" || bytes > maxStatementBytes
	})
}

// appendStaged stores drafts as one row of the journal, and answers those that are duplicates.
func (e *postgresEngine) appendStaged(ctx context.Context, t *txn, drafts []*prepared) (later []*prepared, err error) {
	a := e.journaled(drafts)
	repeated := map[int64]bool{}
	if e.wary == 0 {
		err = t.exec(ctx, appendNew, a.sources, a.keys, a.ids, t.shard, a.targets, a.states, a.counts, int64(len(drafts)), a.entries, a.bytes, a.record)
		if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == uniqueViolation {
			e.wary = wary
		}
	}
	if e.wary > 0 {
		e.wary--
		repeated, err = e.appendWarily(ctx, t, a, drafts)
	}
	if err != nil {
		return nil, err
	}
	for i, p := range drafts {
		if repeated[int64(i+1)] {
			later = append(later, p)
		} else {
			p.accepted()
		}
	}
	e.staged.add(len(drafts) - len(later))
	return later, nil
}

// uniqueViolation is a constraint's: https://www.postgresql.org/docs/current/errcodes-appendix.html
const uniqueViolation = "23505"

// appendWarily answers which of the drafts, counted from 1, are duplicates.
func (e *postgresEngine) appendWarily(ctx context.Context, t *txn, a journaledDrafts, drafts []*prepared) (map[int64]bool, error) {
	var targets []string
	var messages []int64
	for i, p := range drafts {
		for _, target := range p.Targets {
			targets, messages = append(targets, target), append(messages, int64(i+1))
		}
	}
	found, err := t.query(ctx, appendMixed, a.sources, a.keys, a.ids, a.ns, int64(len(drafts)), a.entries, a.bytes, a.record, t.shard, targets, messages, t.shard)
	if err != nil {
		return nil, err
	}
	return seqs(found)
}

// journaledDrafts are drafts as a row of the journal has them.
type journaledDrafts struct {
	sources, keys, ids []string // of those that have a dedupe key
	ns                 []int64  // which those are, counted from 1
	targets, states    []string // of the totals,
	counts             []int64  // and what is added to each
	record             []byte   // good until the next one
	bytes              int64    // of it, before it was packed
	entries            int64    // messages and deliveries
}

func (e *postgresEngine) journaled(drafts []*prepared) journaledDrafts {
	var a journaledDrafts
	var deliveries []record.Delivery
	totals := map[string]int64{}
	raw := record.Begin(e.scratch[:0], 0, len(drafts))
	for i, p := range drafts {
		if p.DedupeKey != "" {
			a.sources, a.keys, a.ids = append(a.sources, p.Source), append(a.keys, p.DedupeKey), append(a.ids, p.ID)
			a.ns = append(a.ns, int64(i+1))
		}
		deliveries = deliveries[:0]
		for k, target := range p.Targets {
			totals[target]++
			a.entries++
			deliveries = append(deliveries, record.Delivery{ID: p.deliveries[k], Target: target})
		}
		m := p.recorded()
		m.Deliveries = deliveries
		raw = m.Append(raw)
	}
	if e.scratch = raw; cap(raw) > 2*journalRow {
		e.scratch = nil
	}
	for target, n := range totals {
		a.targets, a.states, a.counts = append(a.targets, target), append(a.states, string(Pending)), append(a.counts, n)
	}
	a.targets, a.states = append(a.targets, messagesTotal.target), append(a.states, string(messagesTotal.state))
	a.counts = append(a.counts, int64(len(drafts)))
	a.record, a.bytes = e.packer.Pack(raw), int64(len(raw))
	a.entries += int64(len(drafts))
	return a
}
