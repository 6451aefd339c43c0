// Package stored makes a service's SQLite database large: it copies the rows that the service itself has made, again
// and again, so that millions are there in a minute and look as if they had come in over a day.
//
// It is the one part of the benchmarks that knows tables, because nothing from outside is fast enough. Columns it has
// no word for are copied as they are, so that a new one does no harm; a service must have stopped before.
package stored

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// table is one that grows with what is stored.
type table struct {
	name string
	// seq is the column that counts the rows of what the copies are told apart by: messages or deliveries.
	seq, counts string
	// made are the columns of a copy that are not the original's: ?1 is how far messages are moved, ?2 how far
	// deliveries, ?3 how many microseconds later, ?4 the first ten characters of the ids, ?5 how far rows of the journal.
	made map[string]string
}

const (
	moved = `%[1]s + ?3`
	newID = `substr(%[1]s, 1, 4) || ?4 || substr(%[1]s, 15)`
)

func tables() []table {
	return []table{
		{"messages", "seq", "messages", map[string]string{
			"seq": `seq + ?1`, "id": newID, "created_at": moved,
			"dedupe_key": `CASE dedupe_key WHEN '' THEN '' ELSE 'msg_' || lower(hex(randomblob(8))) END`,
		}},
		{"deliveries", "seq", "deliveries", map[string]string{
			"seq": `seq + ?2`, "id": newID, "message_seq": `message_seq + ?1`, "next_at": moved, "created_at": moved, "updated_at": moved,
		}},
		{"attempts", "delivery_seq", "deliveries", map[string]string{"delivery_seq": `delivery_seq + ?2`, "started_at": moved}},
		// What is folded in them keeps the ids and times it has inside: it is found by what stands beside it.
		{"journal", "seq", "journal", map[string]string{"seq": `seq + ?5`}},
		{"folded", "seq", "journal", map[string]string{
			"seq": `seq + ?5`, "message": `message + ?1`, "delivery": `delivery + ?2`, "created_at": moved, "updated_at": moved,
			"first_id": `?4 || substr(first_id, 11)`, "last_id": `?4 || substr(last_id, 11)`,
		}},
	}
}

// projections have a row for each order; ?1 is how often. They are sorted first, as random keys one by one would read
// the table over and over.
var projections = []string{"orders", "ledger_orders"}

// Multiply puts copies of everything that is stored in the database in the place of the originals, spread over the
// time before now. It needs a database that a service has made and left: every delivery in it is finished.
func Multiply(ctx context.Context, path string, copies int, over time.Duration, now time.Time) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-500000)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() {
		if _, wal := db.ExecContext(ctx, `PRAGMA journal_mode = wal`); err == nil {
			err = wal
		}
		err = errors.Join(err, db.Close())
	}()
	m := multiplication{db: db, copies: copies, step: over / time.Duration(copies), now: now}
	for _, step := range []func(context.Context) error{m.measure, m.copy, m.project, m.total} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("multiply what is stored in %s: %w", path, err)
		}
	}
	return nil
}

type multiplication struct {
	db     *sql.DB
	folds  bool // it knows what is folded
	copies int
	step   time.Duration
	now    time.Time
	last   map[string]int64 // seq of the originals, of messages, deliveries and rows of the journal
}

func (m *multiplication) exec(ctx context.Context, query string, args ...any) error {
	_, err := m.db.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// measure finds how much there is, and that nothing is under way.
func (m *multiplication) measure(ctx context.Context) error {
	m.last = map[string]int64{}
	queries := map[string]string{
		"messages": `SELECT coalesce(max(seq), 0) FROM messages`, "deliveries": `SELECT coalesce(max(seq), 0) FROM deliveries`, "journal": `SELECT 0`,
	}
	folds, err := m.columns(ctx, "folded")
	if err != nil {
		return err
	}
	if m.folds = folds != nil; m.folds {
		queries["messages"] = `SELECT max(coalesce((SELECT max(seq) FROM messages), 0), coalesce((SELECT max(message + messages - 1) FROM folded), 0))`
		queries["deliveries"] = `SELECT max(coalesce((SELECT max(seq) FROM deliveries), 0), coalesce((SELECT max(delivery + deliveries - 1) FROM folded), 0))`
		queries["journal"] = `SELECT coalesce(max(seq), 0) FROM journal`
	}
	for counted, query := range queries {
		var last int64
		if err := m.db.QueryRowContext(ctx, query).Scan(&last); err != nil {
			return err
		}
		if last == 0 && counted != "journal" {
			return errors.New("no " + counted)
		}
		m.last[counted] = last
	}
	var open int64
	if err := m.db.QueryRowContext(ctx, `SELECT count(*) FROM deliveries WHERE state <> 'delivered'`).Scan(&open); err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d deliveries are not delivered", open)
	}
	return nil
}

func (m *multiplication) copy(ctx context.Context) error {
	for _, t := range tables() {
		columns, err := m.columns(ctx, t.name)
		if err != nil {
			return err
		}
		if columns == nil {
			continue
		}
		values := make([]string, len(columns))
		for i, column := range columns {
			values[i] = column
			if made, ok := t.made[column]; ok {
				values[i] = strings.ReplaceAll(made, "%[1]s", column)
			}
		}
		query := fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM %[1]s WHERE %[4]s <= %[5]d AND coalesce(?1, ?2, ?3, ?4, ?5) IS NOT NULL ORDER BY %[4]s`,
			t.name, strings.Join(columns, ", "), strings.Join(values, ", "), t.seq, m.last[t.counts])
		for i := range m.copies {
			later := -time.Duration(m.copies-1-i) * m.step
			err := m.exec(ctx, query, m.last["messages"]*int64(i+1), m.last["deliveries"]*int64(i+1), later.Microseconds(), idTime(m.now.Add(later)),
				m.last["journal"]*int64(i+1))
			if err != nil {
				return err
			}
		}
		if err := m.exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE %s <= %d`, t.name, t.seq, m.last[t.counts])); err != nil {
			return err
		}
	}
	return m.exec(ctx, `DELETE FROM dedupe_keys`)
}

// project makes the tables whose keys are random.
func (m *multiplication) project(ctx context.Context) error {
	err := m.exec(ctx, `INSERT INTO dedupe_keys (source, key, message_id, created_at)
  SELECT source, dedupe_key, id, created_at FROM messages WHERE dedupe_key <> '' ORDER BY source, dedupe_key`)
	if err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if m.folds {
		err := m.exec(ctx, `WITH RECURSIVE n(i, last) AS (SELECT 1, (SELECT sum(messages) FROM folded) UNION ALL SELECT i + 1, last FROM n WHERE i < last)
  INSERT INTO dedupe_keys (source, key, message_id, created_at) SELECT 'default', 'msg_' || lower(hex(randomblob(8))) AS random_key, '', ?1 FROM n
  WHERE last > 0 ORDER BY random_key`, m.now.UnixMicro())
		if err != nil {
			return err
		}
	}
	for _, name := range projections {
		columns, err := m.columns(ctx, name)
		if err != nil {
			return err
		}
		if columns == nil {
			continue // the other service's
		}
		values := slices.Clone(columns)
		values[slices.Index(columns, "order_id")] = `lower(hex(randomblob(8))) AS random_id`
		err = m.exec(ctx, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
  INSERT INTO %s (%s) SELECT %s FROM %[1]s, n ORDER BY random_id`, name, strings.Join(columns, ", "), strings.Join(values, ", ")), m.copies)
		if m.copies > 1 && err != nil {
			return err
		}
	}
	return nil
}

// total corrects what the services count.
func (m *multiplication) total(ctx context.Context) error {
	if err := m.exec(ctx, `UPDATE totals SET n = n * ?1`, m.copies); err != nil {
		return err
	}
	for _, name := range []string{"books", "ledger_books"} {
		columns, err := m.columns(ctx, name)
		if err != nil || columns == nil {
			return err
		}
		err = m.exec(ctx, `UPDATE `+name+` SET users = users * ?1, orders_completed = orders_completed * ?1, revenue_minor = revenue_minor * ?1`, m.copies)
		if err != nil {
			return err
		}
	}
	return nil
}

// columns are a table's, in their order; none: there is no such table.
func (m *multiplication) columns(ctx context.Context, table string) (columns []string, err error) {
	rows, err := m.db.QueryContext(ctx, `SELECT name FROM pragma_table_info(?)`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		columns = append(columns, name)
	}
	return columns, rows.Err()
}

// idTime is the part of an id that says when: ten characters of lower-case Crockford base32, milliseconds.
func idTime(at time.Time) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	var text [10]byte
	for i, rest := len(text)-1, at.UnixMilli(); i >= 0; i, rest = i-1, rest>>5 {
		text[i] = digits[rest&31]
	}
	return string(text[:])
}
