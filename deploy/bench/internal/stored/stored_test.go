package stored_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"example.com/signet/deploy/bench/internal/stored"
)

// schema is what the services' databases have of what is multiplied, and a column that nobody told it of.
const schema = `
CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, dedupe_key TEXT NOT NULL,
  created_at INTEGER NOT NULL, surprise TEXT NOT NULL);
CREATE TABLE dedupe_keys (source TEXT NOT NULL, key TEXT NOT NULL, message_id TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (source, key)) WITHOUT ROWID;
CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, message_seq INTEGER NOT NULL, state TEXT NOT NULL,
  next_at INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE TABLE attempts (delivery_seq INTEGER NOT NULL, number INTEGER NOT NULL, started_at INTEGER NOT NULL,
  PRIMARY KEY (delivery_seq, number)) WITHOUT ROWID;
CREATE TABLE totals (target_id TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL);
CREATE TABLE orders (order_id TEXT PRIMARY KEY, message_id TEXT NOT NULL, amount_minor INTEGER NOT NULL);
CREATE TABLE books (id INTEGER PRIMARY KEY, users INTEGER NOT NULL, orders_completed INTEGER NOT NULL, revenue_minor INTEGER NOT NULL);
INSERT INTO totals VALUES ('', 'messages', 3), ('t', 'delivered', 6);
INSERT INTO books VALUES (1, 0, 3, 30);`

var now = time.UnixMilli(1_800_000_000_000)

// open makes a database with three messages, each with two deliveries of one attempt.
func open(t *testing.T, state string) (string, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "service.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(schema)
	for i := 1; i <= 3; i++ {
		id := fmt.Sprintf("msg_01jcccccccrandomrandomr%03d", i)
		exec(`INSERT INTO messages VALUES (?, ?, 'default', ?, ?, 'kept')`, i, id, fmt.Sprint("key", i), now.UnixMicro()+int64(i))
		exec(`INSERT INTO dedupe_keys VALUES ('default', ?, ?, ?)`, fmt.Sprint("key", i), id, now.UnixMicro())
		exec(`INSERT INTO orders VALUES (?, ?, 10)`, fmt.Sprint("order", i), id)
		for j := 2*i - 1; j <= 2*i; j++ {
			exec(`INSERT INTO deliveries VALUES (?, ?, ?, ?, 0, ?, ?)`, j, fmt.Sprintf("dlv_01jcccccccrandomrandomr%03d", j), i, state, now.UnixMicro(), now.UnixMicro())
			exec(`INSERT INTO attempts VALUES (?, 1, ?)`, j, now.UnixMicro())
		}
	}
	return path, db
}

func TestMultiply(t *testing.T) {
	t.Parallel()
	path, db := open(t, "delivered")
	if err := stored.Multiply(t.Context(), path, 5, 5*time.Hour, now); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int64{
		`SELECT count(*) FROM messages WHERE surprise = 'kept' AND length(id) = 30`:                               15,
		`SELECT count(DISTINCT substr(id, 5, 10)) FROM messages`:                                                  5,
		`SELECT min(created_at) FROM messages`:                                                                    now.Add(-4*time.Hour).UnixMicro() + 1,
		`SELECT max(created_at) FROM messages`:                                                                    now.UnixMicro() + 3,
		`SELECT count(*) FROM messages a JOIN messages b ON a.seq < b.seq AND a.created_at >= b.created_at`:       0,
		`SELECT count(*) FROM messages JOIN dedupe_keys ON key = dedupe_key AND message_id = id`:                  15,
		`SELECT count(*) FROM dedupe_keys`:                                                                        15,
		`SELECT count(*) FROM deliveries d JOIN messages m ON m.seq = d.message_seq`:                              30,
		`SELECT count(*) FROM attempts a JOIN deliveries d ON d.seq = a.delivery_seq AND started_at = created_at`: 30,
		`SELECT count(*) FROM orders`:                                                                             15,
		`SELECT n FROM totals WHERE state = 'messages'`:                                                           15,
		`SELECT n FROM totals WHERE state = 'delivered'`:                                                          30,
		`SELECT revenue_minor FROM books`:                                                                         150,
	} {
		var got int64
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, want %d: %v", query, got, want, err)
		}
	}
	var mode, id string
	if err := db.QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %s: %v", mode, err)
	}
	// 1,800,000,000,000 ms in the ten digits of a ULID.
	if err := db.QueryRowContext(t.Context(), `SELECT id FROM messages ORDER BY seq DESC`).Scan(&id); err != nil || id != "msg_01mc4r0p00randomrandomr003"[:4]+ulidTime(now)+"randomrandomr003" {
		t.Errorf("%s: %v", id, err)
	}
}

// ulidTime is the reference's way: base32 of 48 bits, most significant first.
func ulidTime(at time.Time) (text string) {
	for ms := at.UnixMilli(); len(text) < 10; ms /= 32 {
		text = string("0123456789abcdefghjkmnpqrstvwxyz"[ms%32]) + text
	}
	return text
}

func TestMultiply_refuses(t *testing.T) {
	t.Parallel()
	pending, _ := open(t, "pending")
	empty, db := open(t, "delivered")
	if _, err := db.ExecContext(t.Context(), `DELETE FROM messages`); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"deliveries under way": pending, "nothing stored": empty, "no database": filepath.Join(t.TempDir(), "none")} {
		if err := stored.Multiply(t.Context(), path, 2, time.Hour, now); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
