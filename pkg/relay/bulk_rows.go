package relay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// selected is a delivery that a bulk operation is about.
type selected struct {
	seq      int64
	id       string
	target   string
	state    State // as people see it
	replayOf string
}

const (
	selectedColumns = `SELECT d.seq, d.id, d.target_id, CASE WHEN d.state = 'pending' AND
      (SELECT p.enabled FROM targets p WHERE p.id = d.target_id) = 0 THEN 'paused' ELSE d.state END, d.replay_of FROM deliveries d`
	// One that somebody else works on is left out: it is about to be in another state.
	lockSelected = selectedColumns + ` WHERE d.seq IN (SELECT value FROM json_each(?)) ORDER BY d.seq /*skip locked*/`
)

func scanSelected(row scanner) (d selected, err error) {
	err = row.Scan(&d.seq, &d.id, &d.target, &d.state, &d.replayOf)
	return d, err
}

// selected reads which deliveries up to a position the filter selects, the oldest first.
func (r *bulkRun) selected(ctx context.Context, end int64) ([]selected, error) {
	var c conditions
	filter := r.Filter
	filter.TargetID = ""
	if err := c.deliveries(filter, r.states...); err != nil {
		return nil, err
	}
	if r.Filter.TargetID != "" { // as a sum: the index of what is due would be read whole for each window
		c.equal("d.target_id || ''", r.Filter.TargetID)
	}
	c.add("d.seq > ? AND d.seq <= ?", r.position, end)
	query := selectedColumns + ` JOIN messages m ON m.seq = d.message_seq LEFT JOIN targets t ON t.id = d.target_id
  WHERE ` + strings.Join(c.where, " AND ") + ` ORDER BY d.seq`
	folded, err := r.folded(ctx, end) // first: what is thawed meanwhile is among the rows
	if err != nil {
		return nil, err
	}
	rows, err := r.store.callers.query(ctx, query, c.args...)
	if err != nil {
		return nil, err
	}
	found, err := collect(rows, scanSelected)
	if found = merged(found, folded, func(d selected) int64 { return -d.seq }); err != nil || r.Operation == "" {
		return found, err
	}
	others := found[:0]
	for _, d := range found { // what this operation has made is not for it
		if d.replayOf == "" || d.id != r.operation.replay(d.replayOf) {
			others = append(others, d)
		}
	}
	return others, nil
}

// folded are those that are folded.
func (r *bulkRun) folded(ctx context.Context, end int64) (found []selected, err error) {
	if !slices.Contains(r.states, Done) {
		return nil, nil
	}
	all, err := r.store.engine.folds().between(ctx, r.Filter, r.position, end)
	for _, d := range all {
		found = append(found, selected{seq: d.seq, id: d.ID, target: d.TargetID, state: Done})
	}
	return found, err
}

const (
	// The oldest is due first.
	requeueAll = `UPDATE deliveries SET state = 'pending', behind = 0, next_at = ? + nth.n * ?, budget_from = attempts, updated_at = ?
  FROM (SELECT seq AS at, row_number() OVER (ORDER BY seq) - 1 AS n FROM deliveries WHERE seq IN (SELECT value FROM json_each(?))) nth
  WHERE seq = nth.at`
	cancelAll = `UPDATE deliveries SET state = 'cancelled', next_at = 0, updated_at = ? WHERE seq IN (SELECT value FROM json_each(?))`
)

func retrySelected(ctx context.Context, t *txn, r *bulkRun, all []selected) (int64, error) {
	if len(all) == 0 {
		return 0, nil
	}
	for _, d := range all {
		t.moved(d.target, d.state, Pending, 1)
	}
	return int64(len(all)), t.exec(ctx, requeueAll, r.due, r.step(), t.now.UnixMicro(), positions(all))
}

func cancelSelected(ctx context.Context, t *txn, _ *bulkRun, all []selected) (int64, error) {
	for _, d := range all {
		from := d.state
		if from == Paused {
			from = Pending
		}
		t.moved(d.target, from, Cancelled, 1)
		t.due[d.target] = struct{}{} // its ordering key may be free now
	}
	if err := t.exec(ctx, cancelAll, t.now.UnixMicro(), positions(all)); err != nil {
		return 0, err
	}
	seqs := make([]int64, len(all))
	for i, d := range all {
		seqs[i] = d.seq
	}
	return int64(len(all)), t.nextHeads(ctx, seqs)
}

func positions(all []selected) string {
	seqs := make([]int64, len(all))
	for i, d := range all {
		seqs[i] = d.seq
	}
	return list(seqs)
}

// replayed is a delivery to be made of one that was delivered.
type replayed struct {
	selected
	id  string // the new one's
	due int64
}

func replaySelected(ctx context.Context, t *txn, r *bulkRun, all []selected) (int64, error) {
	var again []selected
	var copies []replayed
	for _, d := range all {
		if d.state == Done {
			copies = append(copies, replayed{d, r.operation.replay(d.id), r.due + int64(len(copies))*r.step()})
		} else {
			again = append(again, d)
		}
	}
	made, err := t.engine.replay(ctx, t, copies)
	if err != nil {
		return 0, err
	}
	for _, target := range made {
		t.moved(target, "", Pending, 1)
	}
	r.due += int64(len(made)) * r.step() // one call selects one state: the other part is empty
	retried, err := retrySelected(ctx, t, r, again)
	return int64(len(made)) + retried, err
}

const copyReplay = `INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
    lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  SELECT ?, ?, message_seq, target_id, 'pending', 0, 0, ?, 0, 0, ordering_key, 0, '', id, ?, ? FROM deliveries WHERE seq = ?
  ON CONFLICT (id) DO NOTHING`

// replay makes the copies that are not there yet, and answers their targets.
func (e *sqliteEngine) replay(ctx context.Context, t *txn, copies []replayed) (made []string, err error) {
	now := t.now.UnixMicro()
	for _, c := range copies {
		n, err := t.changed(ctx, copyReplay, e.nextDelivery(), c.id, c.due, now, now, c.seq)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			made = append(made, c.target)
		}
	}
	return made, nil
}

// copyReplays moves the positions on once for all of them.
const copyReplays = `WITH r AS MATERIALIZED (
    SELECT * FROM unnest(?::bigint[], ?::text[], ?::bigint[]) WITH ORDINALITY AS r (seq, id, due, n)
    WHERE NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.id = r.id)
  ), base AS MATERIALIZED (SELECT a.delivery FROM relay_advance(0, (SELECT count(*) FROM r)) a)
  INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
    lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  SELECT base.delivery + row_number() OVER (ORDER BY r.n), r.id, d.message_seq, d.target_id, 'pending', 0, 0, r.due,
    0, 0, d.ordering_key, 0, '', d.id, ?, ? FROM r JOIN deliveries d ON d.seq = r.seq, base
  RETURNING target_id`

func (*postgresEngine) replay(ctx context.Context, t *txn, copies []replayed) (made []string, err error) {
	if len(copies) == 0 {
		return nil, nil
	}
	seqs, ids, due := make([]int64, len(copies)), make([]string, len(copies)), make([]int64, len(copies))
	for i, c := range copies {
		seqs[i], ids[i], due[i] = c.seq, c.id, c.due
	}
	now := t.now.UnixMicro()
	rows, err := t.query(ctx, copyReplays, seqs, ids, due, now, now)
	if err != nil {
		return nil, err
	}
	err = eachTarget(rows, func(target string) { made = append(made, target) })
	return made, err
}

// operationPrefix begins the ids of operations.
const operationPrefix = "rpl_"

// NewOperation makes the id of a replay, for [Bulk].
func NewOperation(now time.Time) string { return NewID(operationPrefix, now) }

// operation is a replay of many deliveries.
type operation struct {
	id    string
	began uint64 // milliseconds
}

func parseOperation(id string) (operation, error) {
	text, ours := strings.CutPrefix(id, operationPrefix)
	u, err := ulid.ParseStrict(text)
	if !ours || err != nil || text != strings.ToLower(text) {
		return operation{}, fmt.Errorf("%w operation: not an id of one", ErrInvalid)
	}
	return operation{id: id, began: u.Time()}, nil
}

// replay is the id of the delivery that repeats another one within this operation: always the same, so that there is
// only one.
func (o operation) replay(deliveryID string) string {
	var u ulid.ULID
	sum := sha256.Sum256([]byte(o.id + "\x00" + deliveryID))
	copy(u[6:], sum[:])
	_ = u.SetTime(o.began) // was read from one
	return deliveryPrefix + strings.ToLower(u.String())
}
