package relay

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/signet/pkg/relay/internal/record"
)

// unfoldHead is how many rows of the journal are looked at for one transaction; unfoldEntries and unfoldBytes, after how many
// messages and deliveries, and bytes of them, it takes no more.
const (
	unfoldHead    = 32
	unfoldEntries = 2 * unfoldSlice
	unfoldBytes   = maxStatementBytes
)

// takeJournal takes the first rows that no other process is at. Those of a format that this one does not know are left to
// processes that do.
const takeJournal = `DELETE FROM journal WHERE seq IN (
    SELECT seq FROM journal WHERE seq IN (
      SELECT seq FROM (
        SELECT seq, sum(entries) OVER before - entries AS entries, sum(bytes) OVER before - bytes AS bytes
        FROM (SELECT seq, entries, bytes FROM journal WHERE damage = '' AND format = 1 ORDER BY seq LIMIT ?) head
        WINDOW before AS (ORDER BY seq)) head
      WHERE entries < ? AND bytes < ?)
    /*skip locked*/)
  RETURNING seq, at, records, repeated`

// insertRows makes rows of messages and deliveries whose keys and totals are there already.
const insertRows = `WITH base AS MATERIALIZED (SELECT message, delivery FROM relay_advance(?::bigint, ?::bigint)
  ), stored AS (
    INSERT INTO messages (seq, id, source, type, dedupe_key, ordering_key, tenant, headers, body, created_at)
    SELECT base.message + n, id, source, type, key, '', tenant, headers, body, at
    FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bytea[], ?::bytea[], ?::bigint[])
      WITH ORDINALITY AS m (id, source, type, key, tenant, headers, body, at, n), base
  )
  INSERT INTO deliveries (seq, id, message_seq, target_id, state, attempts, budget_from, next_at,
    lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  SELECT base.delivery + n, id, base.message + d.message, target_id, 'pending', 0, 0, next_at, 0, 0, '', 0, '', '', at, at
  FROM unnest(?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[])
    WITH ORDINALITY AS d (id, target_id, message, next_at, at, n), base`

// stagedRow is a row of the journal that was taken out.
type stagedRow struct {
	seq, at  int64
	messages []record.Message // without those that are duplicates
}

// errRow is what is wrong with one row of the journal.
type errRow struct {
	seq int64
	err error
}

func (e *errRow) Error() string { return fmt.Sprintf("row %d of the journal: %v", e.seq, e.err) }

func (e *errRow) Unwrap() error { return e.err }

const setJournalAside = `UPDATE journal SET damage = ? WHERE seq = ?`

// unfold makes the rows of the next few rows of the journal, at most so many, in transactions that run runs. It answers of how
// many of them; one that it cannot be done with is set aside, and counts.
func (e *postgresEngine) unfold(most int, run func(func(context.Context, *txn) error) error) (n int, err error) {
	for _, alone := range []bool{false, true} { // what goes wrong with several is tried with one
		var took []stagedRow
		var renamed []error
		err = run(func(ctx context.Context, t *txn) (err error) {
			if alone {
				took, renamed, err = unfoldOne(ctx, t)
			} else {
				took, err = unfoldRows(ctx, t, most)
			}
			return err
		})
		if err == nil {
			e.staged.took(took)
			for _, r := range renamed {
				e.staged.tell(r)
			}
			return len(took), nil
		}
		if errors.Is(e.classify(err), ErrUnavailable) || e.contended(err) {
			return 0, err
		}
		if bad := (*errRow)(nil); errors.As(err, &bad) {
			return 1, e.setAside(bad, run)
		}
	}
	return 0, err
}

func (e *postgresEngine) setAside(bad *errRow, run func(func(context.Context, *txn) error) error) error {
	var n int64
	err := run(func(ctx context.Context, t *txn) (err error) {
		n, err = t.changed(ctx, setJournalAside, cut(bad.err.Error(), maxError), bad.seq)
		return err
	})
	if err == nil && n > 0 { // or else somebody has dealt with it
		e.staged.tell(bad)
	}
	return err
}

func unfoldRows(ctx context.Context, t *txn, most int) ([]stagedRow, error) {
	rows, err := takeRows(ctx, t, most)
	if err == nil && len(rows) > 0 {
		err = t.exec(ctx, insertRows, rowArgs(t, rows)...)
	}
	return rows, err
}

// unfoldOne is unfoldRows for one row, in which something may be wrong.
func unfoldOne(ctx context.Context, t *txn) (rows []stagedRow, renamed []error, err error) {
	if rows, err = takeRows(ctx, t, 1); err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	if renamed, err = rename(ctx, t, rows[0].messages); err != nil {
		return nil, nil, err
	}
	if err := t.exec(ctx, insertRows, rowArgs(t, rows)...); err != nil {
		if invalid(err) {
			err = &errRow{rows[0].seq, err}
		}
		return nil, nil, err
	}
	return rows, renamed, nil
}

func takeRows(ctx context.Context, t *txn, most int) ([]stagedRow, error) {
	found, err := t.query(ctx, takeJournal, most, unfoldEntries, unfoldBytes)
	if err != nil {
		return nil, err
	}
	rows, err := collect(found, readJournalRow)
	slices.SortFunc(rows, func(a, b stagedRow) int { return cmp.Compare(a.seq, b.seq) })
	return rows, err
}

const selectTaken = `SELECT id FROM messages WHERE id = ANY (?::text[])`

// rename gives new ids to messages whose ids others have by now.
func rename(ctx context.Context, t *txn, messages []record.Message) (renamed []error, err error) {
	ids := make([]string, len(messages))
	for i := range messages {
		ids[i] = messages[i].ID
	}
	found, err := t.query(ctx, selectTaken, ids)
	if err != nil {
		return nil, err
	}
	err = eachTarget(found, func(id string) {
		m := &messages[slices.Index(ids, id)]
		m.ID = NewMessageID(t.now)
		renamed = append(renamed, fmt.Errorf("%w, so the one that the engine had given it to is %s now: %s", errTaken, m.ID, id))
	})
	return renamed, err
}

// invalid says that it is the values of a statement that the server refuses: its classes of data exceptions and of violated
// constraints.
func invalid(err error) bool {
	pe := (*pgconn.PgError)(nil)
	return errors.As(err, &pe) && slices.Contains([]string{"22", "23"}, pe.Code[:min(2, len(pe.Code))])
}

func readJournalRow(row scanner) (r stagedRow, err error) {
	var raw []byte
	var repeated string
	if err := row.Scan(&r.seq, &r.at, &raw, &repeated); err != nil {
		return r, err
	}
	if _, r.messages, err = record.Read(raw); err != nil {
		return r, &errRow{r.seq, err}
	}
	if repeated == "" {
		return r, nil
	}
	again := map[int]bool{}
	for text := range strings.SplitSeq(repeated, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return r, &errRow{r.seq, err}
		}
		again[n] = true
	}
	n := 0
	r.messages = slices.DeleteFunc(r.messages, func(record.Message) bool {
		n++
		return again[n]
	})
	return r, nil
}

// rowArgs are those of insertRows, and make the targets of the deliveries due.
func rowArgs(t *txn, rows []stagedRow) []any {
	n := 0
	for _, r := range rows {
		n += len(r.messages)
	}
	text := make([][]string, 5)
	for i := range text {
		text[i] = make([]string, 0, n)
	}
	headers, bodies, ats := make([][]byte, 0, n), make([][]byte, 0, n), make([]int64, 0, n)
	ids, targets := make([]string, 0, n), make([]string, 0, n)
	messages, dues, born := make([]int64, 0, n), make([]int64, 0, n), make([]int64, 0, n)
	for _, r := range rows {
		for i := range r.messages {
			m := &r.messages[i]
			for k, v := range [...]string{m.ID, m.Source, m.Type, m.DedupeKey, m.Tenant} {
				text[k] = append(text[k], v)
			}
			headers, bodies, ats = append(headers, notNil(m.Headers)), append(bodies, notNil(m.Body)), append(ats, r.at)
			for _, d := range m.Deliveries {
				t.due[d.Target] = struct{}{}
				ids, targets = append(ids, d.ID), append(targets, d.Target)
				messages, dues, born = append(messages, int64(len(ats))), append(dues, r.at+m.Delay), append(born, r.at)
			}
		}
	}
	return []any{
		int64(n), int64(len(ids)), text[0], text[1], text[2], text[3], text[4], headers, bodies, ats, ids, targets, messages, dues, born,
	}
}

const selectDamage = `SELECT seq, damage FROM journal WHERE damage <> '' ORDER BY seq LIMIT 1`

// missing says what it means that nothing with an id has rows.
func (e *postgresEngine) missing(ctx context.Context, q querier, what, id string) error {
	rows, err := q.query(ctx, selectDamage)
	if err != nil {
		return err
	}
	var seq int64
	var damage string
	switch err := one(rows, &seq, &damage); {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: %s %s", ErrNotFound, what, id)
	case err != nil:
		return err
	}
	return fmt.Errorf("%s %s: not found, but row %d of the journal was set aside: %w: %s", what, id, seq, record.ErrDamaged, damage)
}

const (
	selectJournalBounds = `SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM journal WHERE damage = '' AND format = 1`
	selectJournalTotal  = `SELECT coalesce(sum(messages), 0)::bigint, coalesce(min(at), 0) FROM journal WHERE damage = '' AND format = 1`
)

// journalBounds are the first and the last row of the journal that wait; zeros: none does.
func (e *postgresEngine) journalBounds(ctx context.Context) (first, last int64, err error) {
	err = e.writers.QueryRowContext(ctx, selectJournalBounds).Scan(&first, &last)
	return first, last, err
}

// journalTotal is how many messages wait in the journal, and when the first of them was appended.
func (e *postgresEngine) journalTotal(ctx context.Context) (messages, oldest int64, err error) {
	err = e.writers.QueryRowContext(ctx, selectJournalTotal).Scan(&messages, &oldest)
	return messages, oldest, err
}
