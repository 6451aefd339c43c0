package relay

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"time"
)

// session is the writer's connection with its prepared statements.
type session struct {
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	foreign *foreignStatements
}

func (s *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = st
	}
	return st, err
}

func (s *session) close() error {
	errs := []error{s.foreign.close()}
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

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
	*session
	now    time.Time
	deltas map[total]int64
	due    map[string]struct{}

	targetsChanged bool
}

func newTxn(s *session, now time.Time) *txn {
	return &txn{session: s, now: now, deltas: map[total]int64{}, due: map[string]struct{}{}}
}

func (t *txn) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.execResult(ctx, query, args...)
	return err
}

func (t *txn) execResult(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// changed executes a statement and says how many rows it changed.
func (t *txn) changed(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := t.execResult(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *txn) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// scan reads the single row of a query; sql.ErrNoRows when there is none.
func (t *txn) scan(ctx context.Context, query string, args []any, into ...any) error {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
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

const addTotal = `INSERT INTO totals (target_id, state, n) VALUES (?, ?, ?)
  ON CONFLICT (target_id, state) DO UPDATE SET n = n + excluded.n`

// flush writes the totals this transaction changed.
func (t *txn) flush(ctx context.Context) error {
	for k, n := range t.deltas {
		if n == 0 {
			continue
		}
		if err := t.exec(ctx, addTotal, k.target, string(k.state), n); err != nil {
			return err
		}
	}
	return nil
}

// nested runs one operation under a savepoint: when it fails, only what it did is undone. An error of the engine
// itself may have ended the transaction, and with it the savepoint: then broken is not nil, and nothing more may
// be done in this transaction.
func (t *txn) nested(ctx context.Context, run func(context.Context, *txn) error) (failed, broken error) {
	if err := t.exec(ctx, "SAVEPOINT op"); err != nil {
		return nil, err
	}
	inner := newTxn(t.session, t.now)
	if err := run(ctx, inner); err != nil {
		if errors.Is(classify(err), ErrUnavailable) {
			return nil, err
		}
		return err, errors.Join(t.exec(ctx, "ROLLBACK TO op"), t.exec(ctx, "RELEASE op"))
	}
	for k, n := range inner.deltas {
		t.deltas[k] += n
	}
	maps.Copy(t.due, inner.due)
	t.targetsChanged = t.targetsChanged || inner.targetsChanged
	return nil, t.exec(ctx, "RELEASE op")
}
