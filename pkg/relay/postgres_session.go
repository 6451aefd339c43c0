package relay

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresSession is a connection for one transaction. Its isolation level is READ COMMITTED: each statement sees what
// was committed before it, and whatever must not change under it is locked.
type postgresSession struct {
	conn    *sql.Conn
	start   string
	dialect *dialect
}

func (e *postgresEngine) session(ctx context.Context) (session, error) {
	conn, err := e.writers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &postgresSession{conn: conn, start: e.begin, dialect: &e.dialect}, nil
}

// beginning begins a transaction and asks for the time, in one round trip. Settings are the transaction's own, so that
// they hold with a pooler in between as well.
func (e *postgresEngine) beginning() string {
	return fmt.Sprintf(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL idle_in_transaction_session_timeout = %d; SET LOCAL lock_timeout = %d; SELECT relay_now()`,
		e.idle.Milliseconds(), e.patience.Milliseconds())
}

func (s *postgresSession) begin(ctx context.Context) (now time.Time, err error) {
	err = onWire(s.conn, func(wire *pgconn.PgConn) error {
		results, err := wire.Exec(ctx, s.start).ReadAll()
		if err != nil {
			return err
		}
		last := results[len(results)-1]
		if len(last.Rows) != 1 {
			return errors.New("the database did not say what the time is")
		}
		micros, err := strconv.ParseInt(string(last.Rows[0][0]), 10, 64)
		now = time.UnixMicro(micros).UTC()
		return err
	})
	return now, err
}

// commit looks at what the answer says: a transaction in which a statement had failed answers COMMIT with ROLLBACK,
// and no error.
func (s *postgresSession) commit(ctx context.Context) error {
	return onWire(s.conn, func(wire *pgconn.PgConn) error {
		results, err := wire.Exec(ctx, "COMMIT").ReadAll()
		if err != nil {
			return err
		}
		if tag := results[0].CommandTag.String(); tag != "COMMIT" {
			return fmt.Errorf("answered %s", tag)
		}
		return nil
	})
}

// rollbackTime bounds a rollback. A connection that cannot do it is thrown away, and the server rolls back.
const rollbackTime = time.Second

func (s *postgresSession) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	_ = s.conn.Raw(func(any) error { return nil }) // a broken one is found out here
	err := onWire(s.conn, func(wire *pgconn.PgConn) error {
		return wire.Exec(ctx, "ROLLBACK").Close()
	})
	if err != nil {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

func (s *postgresSession) release() { _ = s.conn.Close() }

func (s *postgresSession) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return s.conn.ExecContext(ctx, s.dialect.translate(query), args...)
}

func (s *postgresSession) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return s.conn.QueryContext(ctx, s.dialect.translate(query), args...)
}

func (s *postgresSession) foreignExec(ctx context.Context, query string, args []any) (sql.Result, error) {
	if err := s.dialect.guard(query, false); err != nil {
		return nil, err
	}
	return s.exec(ctx, query, numbers(args))
}

func (s *postgresSession) foreignQuery(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if err := s.dialect.guard(query, false); err != nil {
		return nil, err
	}
	return s.query(ctx, query, numbers(args))
}

// lost says whether an error is the connection's rather than a statement's.
func lost(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}
