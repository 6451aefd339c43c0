package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"example.com/signet/pkg/relay/internal/record"
)

// A row of the journal all of whose deliveries are delivered when their rows would be made stays as it is, and is folded:
// beside it stands what became of them, in one more row. That costs a fraction of rows of their own, for what is by far the
// most frequent fate of a message. Whatever happens to such a message later (a replay) gives it its rows first: it is
// thawed. Positions in the log, ids and totals are the same in either form, so nobody who reads can tell.

// folded is such a row of the journal.
type folded struct {
	seq               int64
	message, delivery int64 // the positions of its first message and of its first delivery; the others follow
	at                int64 // Unix µs
	messages          []record.Message
	outcomes          record.Outcomes // nil for a message that has rows
}

// querier is a connection, or a transaction.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// folds reads what is folded. Only SQLite has it.
type folds struct{ callers reader }

const (
	foldedColumns = `SELECT f.seq, f.message, f.delivery, f.created_at, f.outcomes, j.records FROM folded f JOIN journal j USING (seq)`
	// folded_ids serves this: the first that can have it is nearly always the one that does.
	selectFoldedByID = foldedColumns + ` WHERE f.last_id >= ? AND f.first_id <= ? ORDER BY f.last_id`
)

func scanFolded(row scanner) (f folded, err error) {
	var outcomes, records []byte
	if err := row.Scan(&f.seq, &f.message, &f.delivery, &f.at, &outcomes, &records); err != nil {
		return f, err
	}
	if _, f.messages, err = record.Read(records); err == nil {
		f.outcomes, err = record.ReadOutcomes(outcomes, f.messages)
	}
	if err != nil {
		err = fmt.Errorf("read folded row %d of the journal: %w", f.seq, err)
	}
	return f, err
}

// eachFolded gives what a query finds to a function, until that has enough.
func eachFolded(ctx context.Context, q querier, query string, args []any, visit func(folded) (more bool)) (err error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for more := true; more && rows.Next(); {
		f, err := scanFolded(rows)
		if err != nil {
			return err
		}
		more = visit(f)
	}
	return nil
}

// findFolded finds the folded message that has an id, or a delivery of that id.
func findFolded(ctx context.Context, q querier, id string) (found folded, entry int, ok bool, err error) {
	key, _, ours := foldableID(id)
	if !ours {
		return found, 0, false, nil
	}
	err = eachFolded(ctx, q, selectFoldedByID, []any{key, key}, func(f folded) bool {
		entry = slices.IndexFunc(f.messages, func(m record.Message) bool {
			return m.ID == id || slices.ContainsFunc(m.Deliveries, func(d record.Delivery) bool { return d.ID == id })
		})
		if entry >= 0 {
			found, ok = f, f.outcomes[entry] != nil
		}
		return entry < 0
	})
	return found, entry, ok, err
}

// foldableID is the part of an id that sorts by time, and that time. Only ids of the engine's own form are ever folded.
func foldableID(id string) (key string, at time.Time, ok bool) {
	key, ours := strings.CutPrefix(id, messagePrefix)
	if !ours {
		key, ours = strings.CutPrefix(id, deliveryPrefix)
	}
	if !ours || key != strings.ToLower(key) {
		return "", at, false
	}
	u, err := ulid.ParseStrict(key)
	return key, ulid.Time(u.Time()), err == nil
}

// starts are the positions of the first delivery of each message, and behind the last one.
func (f *folded) starts() []int64 {
	all := make([]int64, 0, len(f.messages)+1)
	next := f.delivery
	for i := range f.messages {
		all = append(all, next)
		next += int64(len(f.messages[i].Deliveries))
	}
	return append(all, next)
}

// row is a folded message as one that has rows is read; with its payload, where somebody wants that.
func (f *folded) row(i int, payload bool) messageRow {
	n := &f.messages[i]
	m := Message{
		ID: n.ID, Source: n.Source, Type: n.Type, DedupeKey: n.DedupeKey, OrderingKey: n.OrderingKey, Tenant: n.Tenant,
		CreatedAt: time.UnixMicro(f.at).UTC(),
	}
	if payload {
		m.Headers, m.Body = notNil(n.Headers), notNil(n.Body)
	}
	for k := range n.Deliveries {
		m.Deliveries = append(m.Deliveries, f.delivered(i, k))
	}
	return messageRow{Message: m, seq: f.message + int64(i), whole: true}
}

func (f *folded) delivered(i, k int) Delivery {
	n, o := &f.messages[i], &f.outcomes[i][k]
	return Delivery{
		ID: n.Deliveries[k].ID, MessageID: n.ID, TargetID: n.Deliveries[k].Target, Source: n.Source, Type: n.Type,
		State: Done, Attempts: 1, LastStatus: o.Status,
		CreatedAt: time.UnixMicro(f.at).UTC(), UpdatedAt: time.UnixMicro(o.Ended).UTC(),
	}
}

func (f *folded) attempt(i, k int) Attempt {
	o := &f.outcomes[i][k]
	return Attempt{
		Number: 1, StartedAt: time.UnixMicro(o.Started).UTC(), Duration: time.Duration(o.Took) * time.Microsecond,
		StatusCode: o.Status, Detail: o.Detail,
	}
}

// message reads one by its id.
func (a *folds) message(ctx context.Context, q querier, id string) (m Message, ok bool, err error) {
	if a == nil {
		return m, false, nil
	}
	f, i, ok, err := findFolded(ctx, q, id)
	if err != nil || !ok || f.messages[i].ID != id {
		return m, false, err
	}
	return f.row(i, true).Message, true, nil
}

// delivery reads one by its id, with its attempt.
func (a *folds) delivery(ctx context.Context, q querier, id string) (d Delivery, attempts []Attempt, ok bool, err error) {
	if a == nil {
		return d, nil, false, nil
	}
	f, i, ok, err := findFolded(ctx, q, id)
	if err != nil || !ok {
		return d, nil, false, err
	}
	k := slices.IndexFunc(f.messages[i].Deliveries, func(d record.Delivery) bool { return d.ID == id })
	if k < 0 {
		return d, nil, false, nil
	}
	return f.delivered(i, k), []Attempt{f.attempt(i, k)}, true, nil
}
