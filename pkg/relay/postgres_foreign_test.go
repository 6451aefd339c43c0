package relay_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay"
)

// TestPostgres_ForeignSQLIsGuarded: what foreign code may not do fails, and takes its transaction with it.
func TestPostgres_ForeignSQLIsGuarded(t *testing.T) {
	t.Parallel()
	f := open(t, postgres)
	f.target("a")
	id := f.append(relay.Draft{Targets: []string{"a"}}).ID
	for _, query := range []string{
		"COMMIT", "commit", "/* x */ COMMIT", "-- x\nROLLBACK", "SELECT 1; COMMIT", "SAVEPOINT s", "SET synchronous_commit = off",
		"SELECT set_config('synchronous_commit', 'off', true)", "DELETE FROM messages", "UPDATE deliveries SET state = 'delivered'",
		`UPDATE ONLY "deliveries" SET state = 'delivered'`, "UPDATE Totals SET n = 0", "DELETE FROM public.messages", "TRUNCATE counters",
		"WITH gone AS (DELETE FROM messages RETURNING id) SELECT * FROM gone", "DROP TABLE counters", "LOCK TABLE messages",
		"DO $$ BEGIN DELETE FROM messages; END $$", "SELECT * INTO copy FROM messages", "COPY messages TO STDOUT", "LISTEN x",
		"INSERT INTO positions VALUES (2, 0, 0)", "MERGE INTO messages m USING counters c ON false WHEN MATCHED THEN DELETE",
		`DELETE FROM U&"\006Dessages"`, "EXPLAIN ANALYZE DELETE FROM messages", "",
	} {
		err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
			if _, err := tx.Exec(ctx, increment, "escaped"); err != nil {
				t.Errorf("%s: %v", query, err)
			}
			_, err := tx.Exec(ctx, query)
			return err
		})
		if err == nil {
			t.Errorf("%s was allowed", query)
		}
	}
	if n, d := f.count("escaped"), f.only(id); n != 0 || d.State != relay.Pending {
		t.Errorf("the counter is %d, the delivery %s; want nothing changed", n, d.State)
	}
	err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
		for _, query := range []string{
			`SELECT id, 'DELETE FROM messages; ?' FROM messages WHERE id = ? /* UPDATE totals */ FOR UPDATE -- ?`,
			`WITH added AS (INSERT INTO counters (name, n) VALUES (?, 1) RETURNING name) SELECT name FROM added`,
			`UPDATE counters SET n = (SELECT count(*) FROM deliveries) WHERE name = ? RETURNING name`,
		} {
			rows, err := tx.Query(ctx, query, id)
			if err != nil {
				return err
			}
			if !rows.Next() {
				t.Errorf("%s: no row: %v", query, rows.Err())
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if rows, err := f.Query(t.Context(), `DELETE FROM counters`); err == nil {
		_ = rows.Close()
		t.Error("a query outside of transactions may write")
	}
	f.balanced()
}

// TestPostgres_EffectThatHadToGiveWayIsRunAgain: another transaction holds the row for longer than an effect waits.
// That is not the effect's fault, so it does not count as an attempt.
func TestPostgres_EffectThatHadToGiveWayIsRunAgain(t *testing.T) {
	t.Parallel()
	f := open(t, postgres, func(c *relay.Config) { c.EffectTimeout = time.Second; c.Schedule = relay.Schedule{0} })
	f.target("a")
	f.exec(increment, "counter")
	other, err := pgx.Connect(t.Context(), f.cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	for _, statement := range []string{`BEGIN`, `UPDATE counters SET n = n + 1`} {
		if _, err := other.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var calls atomic.Int64
	seen := f.dispatch(runners{"a": relay.Effect(func(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
		calls.Add(1)
		return counting(ctx, tx, job)
	})})
	f.append(relay.Draft{Body: []byte("counter"), Targets: []string{"a"}})
	eventually(t, "it waited in vain", func() bool { return calls.Load() == 2 })
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if o := next(t, seen); o.State != relay.Done || o.Job.Delivery.Attempts != 1 {
		t.Errorf("observed %+v", o)
	}
	if n := f.count("counter"); n != 3 {
		t.Errorf("the counter is %d, want 3", n)
	}
	f.balanced()
}
