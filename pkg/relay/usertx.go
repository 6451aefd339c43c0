package relay

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// userTx is the part of a transaction that foreign code gets. The first statement that fails closes it: an
// interrupted statement may have ended the transaction, and what came after would be committed by itself.
type userTx struct {
	t   *txn
	ctx context.Context
	all context.Context // the whole transaction's, for the engine's own statements: an interrupted one ends it

	mu     sync.Mutex
	closed bool
	failed error
	rows   []*sql.Rows
}

var _ Tx = (*userTx)(nil)

// Exec runs a statement that changes the service's own tables.
func (u *userTx) Exec(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = u.guard(ctx, func(ctx context.Context) error {
		res, err = u.t.foreignExec(ctx, query, args)
		return err
	})
	return res, err
}

// Query reads within the transaction. The rows are closed with it at the latest.
func (u *userTx) Query(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = u.guard(ctx, func(ctx context.Context) error {
		rows, err = u.t.foreignQuery(ctx, query, args)
		if err == nil {
			u.rows = append(u.rows, rows)
		}
		return err
	})
	return rows, err
}

// RoundTrips says whether each statement is a round trip to a server.
func (u *userTx) RoundTrips() bool {
	_, here := u.t.engine.(*sqliteEngine)
	return !here
}

// guard runs one statement, unless the transaction is over. The statement ends when its own context or the
// transaction's does, whichever is first.
func (u *userTx) guard(ctx context.Context, f func(context.Context) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || u.failed != nil {
		return errors.Join(ErrTxDone, u.failed)
	}
	if ctx != u.ctx {
		// Rows outlive this call, so their context ends with the transaction's rather than here.
		bounded, cancel := context.WithCancel(ctx)
		context.AfterFunc(u.ctx, cancel)
		ctx = bounded
	}
	if err := f(ctx); err != nil {
		u.failed = err
		return err
	}
	return nil
}

// close takes the transaction away from foreign code and says whether one of its statements had failed.
func (u *userTx) close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, r := range u.rows {
		if err := r.Close(); err != nil && u.failed == nil {
			u.failed = err
		}
	}
	return u.failed
}

// OutboxTx is a transaction in which a service changes its own tables and appends messages: both or neither.
type OutboxTx struct {
	u *userTx
	s *Store
}

var _ Tx = (*OutboxTx)(nil)

// Exec runs a statement that changes the service's own tables.
func (o *OutboxTx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return o.u.Exec(ctx, query, args...)
}

// Query reads within the transaction. The rows are closed with it at the latest.
func (o *OutboxTx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return o.u.Query(ctx, query, args...)
}

// RoundTrips says whether each statement is a round trip to a server.
func (o *OutboxTx) RoundTrips() bool { return o.u.RoundTrips() }

// Append stores messages with their deliveries, in this transaction. Statements in it may not see their rows yet: those
// are certain to be there after the commit.
func (o *OutboxTx) Append(ctx context.Context, drafts ...Draft) ([]Receipt, error) {
	ready, err := o.s.prepare(drafts)
	if err != nil {
		return nil, err
	}
	err = o.u.guard(ctx, func(context.Context) error {
		return o.u.t.engine.stage(o.u.all, o.u.t, ready)
	})
	if err != nil {
		return nil, err
	}
	return receipts(ready), nil
}

// PutTarget is [Store.PutTarget] in this transaction.
func (o *OutboxTx) PutTarget(ctx context.Context, target Target) error {
	if err := target.validate(); err != nil {
		return err
	}
	return o.u.guard(ctx, func(context.Context) error {
		return putTarget(o.u.all, o.u.t, target)
	})
}

// SetTarget is [Store.SetTarget] in this transaction.
func (o *OutboxTx) SetTarget(ctx context.Context, id string, enabled bool, reason string) error {
	return o.u.guard(ctx, func(context.Context) error {
		return setTarget(o.u.all, o.u.t, id, enabled, reason)
	})
}

// AppendTx runs f in a transaction of its own kind: f changes the service's tables and appends messages, and
// all of it is on disk when AppendTx returns nil, or none of it. f runs again when a transaction it shared
// with others was rolled back, so it sets its results afresh each time. It has Config.EffectTimeout; after
// that it is rolled back.
func (s *Store) AppendTx(ctx context.Context, f func(ctx context.Context, tx *OutboxTx) error) error {
	return s.effects.do(ctx, newEffectOp(func(ctx context.Context, u *userTx) (*result, error) {
		return nil, f(ctx, &OutboxTx{u: u, s: s})
	}))
}
