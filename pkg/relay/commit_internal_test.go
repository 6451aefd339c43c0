package relay

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

// TestWriter_GroupEndedByTheEngineIsNotHalfCommitted: an operation fails, so its group is run again with a
// savepoint around each; then the database is full, and SQLite ends the transaction with all its savepoints.
func TestWriter_GroupEndedByTheEngineIsNotHalfCommitted(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "full.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.write(t.Context(), func(ctx context.Context, t *txn) error {
		_, err := t.session.(*sqliteSession).conn.ExecContext(ctx, "PRAGMA max_page_count = 200")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	appending := func(size int) *op {
		ready, err := s.prepare([]Draft{{Source: "s", Type: "t", Body: make([]byte, size), Targets: []string{"a"}}})
		if err != nil {
			t.Fatal(err)
		}
		return newAppendOp(ready)
	}
	failing := newOp(func(context.Context, *txn) error { return errors.New("fails by itself") })
	group := []*op{failing, appending(10), appending(4 << 20), appending(10), appending(10)}
	together(s, group...)
	for i, o := range group {
		if err := <-o.done; !errors.Is(err, ErrUnavailable) {
			t.Errorf("operation %d answered %v, want ErrUnavailable", i, err)
		}
	}
	var stored, counted int
	if err := s.callers.row(t.Context(), `SELECT count(*), coalesce((SELECT sum(n) FROM totals), 0) FROM messages`).Scan(&stored, &counted); err != nil {
		t.Fatal(err)
	}
	if stored != 0 || counted != 0 {
		t.Errorf("%d messages stored and %d counted of a group that was refused", stored, counted)
	}
	if _, err := s.Append(t.Context(), Draft{Source: "s", Type: "t"}); err != nil {
		t.Errorf("the next append: %v", err)
	}
}

// together makes the writer find operations all at once, and so commit them as one group.
func together(s *Store, group ...*op) {
	begun, free, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		_ = s.AppendTx(context.Background(), func(context.Context, *OutboxTx) error { // the writer waits for this
			close(begun)
			<-free
			return nil
		})
	}()
	<-begun
	for _, o := range group {
		if err := s.appends.enqueue(context.Background(), o, nil); err != nil {
			o.report(err)
		}
	}
	close(free)
	<-over
}
