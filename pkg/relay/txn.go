package relay

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"
)

// total names one row of the totals.
type total struct {
	target string
	state  State
}

// messagesTotal is the total that counts messages.
var messagesTotal = total{"", "messages"}

// txn is one transaction of the engine's own statements: what it changed in the totals is written once,
// before the commit, and the targets it made work for are woken after it.
type txn struct {
	session
	engine engine
	now    time.Time
	shard  int64 // of the totals
	deltas map[total]int64
	due    map[string]struct{}
	staged []*prepared // stored by flush
	offers *offers     // nil: nothing is born leased
	born   []*task

	// What of the journal changes with this transaction. Only SQLite has one.
	crowd     bool                 // many append at once
	keys      map[uint64]*prepared // new keys of this transaction
	newKeys   []uint64             // what the filter of keys has to know of
	journaled []*group             // rows of the journal that it has written
	offering  []*group             // groups whose deliveries it has claimed
	unkeyed   []*keyRow            // keys of their messages, which are merged later
	unfolded  []*group             // groups whose rows it has made
	merged    map[*member]*result  // outcomes that are recorded with their delivery's row
	held      []*op                // recorded in the same way, and to be told so

	targetsChanged bool
	health         *health
	concluded      []*result            // outcomes that are recorded, for flush to judge their targets by
	conditions     map[string]condition // of the targets that succeeded or began to fail
}

func newTxn(e engine, s session, shard int64) *txn {
	return &txn{
		session: s, engine: e, shard: shard, deltas: map[total]int64{}, due: map[string]struct{}{}, conditions: map[string]condition{},
	}
}

func (t *txn) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.session.exec(ctx, query, args)
	return err
}

// changed executes a statement and says how many rows it changed.
func (t *txn) changed(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := t.session.exec(ctx, query, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *txn) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.session.query(ctx, query, args)
}

// scan reads the single row of a query; sql.ErrNoRows when there is none.
func (t *txn) scan(ctx context.Context, query string, args []any, into ...any) error {
	rows, err := t.session.query(ctx, query, args)
	if err != nil {
		return err
	}
	return one(rows, into...)
}

// moved counts n deliveries of a target that went from one state to another; an empty state is outside.
func (t *txn) moved(target string, from, to State, n int64) {
	if from != "" {
		t.deltas[total{target, from}] -= n
	}
	if to != "" {
		t.deltas[total{target, to}] += n
	}
	if to == Pending {
		t.due[target] = struct{}{}
	}
}

// flush writes what this transaction has kept back: what outcomes mean for their targets, rows that were staged, then the
// totals it changed. Everybody
// goes through the totals in the same order, so that two who wait for each other's rows do not wait for ever.
func (t *txn) flush(ctx context.Context) error {
	if err := t.judge(ctx, t.concluded); err != nil {
		return err
	}
	if t.targetsChanged {
		if err := t.exec(ctx, moveTargetsVersion); err != nil {
			return err
		}
	}
	if len(t.staged) > 0 {
		if err := t.engine.append(ctx, t, t.staged); err != nil {
			return err
		}
	}
	changes := make([]change, 0, len(t.deltas))
	for k, n := range t.deltas {
		if n != 0 {
			changes = append(changes, change{k, n})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.state, b.state))
	})
	return t.engine.addTotals(ctx, t, changes)
}

// nested runs one operation under a savepoint: when it fails, only what it did is undone. An error of the engine
// itself may have ended the transaction, and with it the savepoint: then broken is not nil, and nothing more may
// be done in this transaction.
func (t *txn) nested(ctx context.Context, run func(context.Context, *txn) error) (failed, broken error) {
	if err := t.exec(ctx, "SAVEPOINT op"); err != nil {
		return nil, err
	}
	inner := newTxn(t.engine, t.session, t.shard)
	inner.now, inner.offers, inner.health, inner.crowd = t.now, t.offers, t.health, t.crowd
	inner.keys, inner.journaled, inner.unfolded = maps.Clone(t.keys), slices.Clone(t.journaled), slices.Clone(t.unfolded)
	if err := run(ctx, inner); err != nil {
		t.offers.undo(inner.born)
		if errors.Is(t.engine.classify(err), ErrUnavailable) {
			return nil, err
		}
		return err, errors.Join(t.exec(ctx, "ROLLBACK TO op"), t.exec(ctx, "RELEASE op"))
	}
	for k, n := range inner.deltas {
		t.deltas[k] += n
	}
	maps.Copy(t.due, inner.due)
	t.born = append(t.born, inner.born...)
	t.keys, t.journaled, t.unfolded, t.held = inner.keys, inner.journaled, inner.unfolded, append(t.held, inner.held...)
	t.unkeyed = append(t.unkeyed, inner.unkeyed...)
	t.newKeys = append(t.newKeys, inner.newKeys...)
	t.targetsChanged = t.targetsChanged || inner.targetsChanged
	t.concluded = append(t.concluded, inner.concluded...)
	maps.Copy(t.conditions, inner.conditions)
	return nil, t.exec(ctx, "RELEASE op")
}

// find reads the single row of a query that is made for every message; sql.ErrNoRows when there is none.
func (t *txn) find(ctx context.Context, query string, args []any, into ...any) error {
	if s, ok := t.session.(finder); ok {
		return s.find(ctx, query, args, into)
	}
	return t.scan(ctx, query, args, into...)
}

// finder is a session with a cheaper way to read one row.
type finder interface {
	find(ctx context.Context, query string, args []any, into []any) error
}

// outcomeOf is the outcome that is to be recorded with the row of a delivery in the journal; nil: none yet.
func (t *txn) outcomeOf(m *member) *result {
	if r := t.merged[m]; r != nil {
		return r
	}
	if m.held == nil {
		return nil
	}
	t.held = append(t.held, m.held)
	return m.held.outcome
}
