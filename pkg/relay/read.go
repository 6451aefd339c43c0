package relay

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	selectMessage = `SELECT m.seq, m.id, m.source, m.type, m.dedupe_key, m.ordering_key, m.tenant, m.created_at`
	// "paused" is what pending is called while the target is disabled.
	selectDelivery = `SELECT d.seq, d.id, m.id, d.target_id, m.source, m.type,
    CASE WHEN d.state = 'pending' AND t.enabled = 0 THEN 'paused' ELSE d.state END,
    d.attempts, d.next_at, d.last_status, d.last_error, d.replay_of, d.created_at, d.updated_at, d.message_seq
  FROM deliveries d JOIN messages m ON m.seq = d.message_seq LEFT JOIN targets t ON t.id = d.target_id`
	selectAttempts = `SELECT number, started_at, duration, status, error, detail FROM attempts WHERE delivery_seq = ? ORDER BY number`
)

type messageRow struct {
	Message
	seq   int64
	whole bool // its deliveries are there
}

type deliveryRow struct {
	Delivery
	seq, messageSeq int64
}

func scanDelivery(row scanner) (d deliveryRow, err error) {
	var next, created, updated int64
	err = row.Scan(&d.seq, &d.ID, &d.MessageID, &d.TargetID, &d.Source, &d.Type, &d.State, &d.Attempts, &next,
		&d.LastStatus, &d.LastError, &d.ReplayOf, &created, &updated, &d.messageSeq)
	if d.State == Pending || d.State == Paused {
		d.NextAt = time.UnixMicro(next).UTC()
	}
	d.CreatedAt, d.UpdatedAt = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return d, err
}

// Message reads one message with its headers, its body and its deliveries. ErrNotFound: there is none of that id. Where
// rows cannot be made within 5 s on SQLite, as when the disk is full, it shows what the journal says: see doc.go; where others
// look through that for another 5 s, ErrUnavailable. Once a row of the journal has turned out to be damaged, the error about an
// id that is nowhere else names that row instead.
func (s *Store) Message(ctx context.Context, id string) (m Message, err error) {
	err = s.byID(ctx, "message", id, func(r reader, journal bool) (ok bool, err error) {
		if m, ok, err = messageByID(ctx, r, id); err == nil && !ok {
			m, ok, err = s.engine.folds().message(ctx, r, id)
		}
		if err == nil && !ok && journal {
			m, ok, err = journaledMessage(ctx, r, id)
		}
		return ok, err
	})
	return m, err
}

func messageByID(ctx context.Context, r reader, id string) (Message, bool, error) {
	var m messageRow
	var created int64
	err := r.row(ctx, selectMessage+`, m.headers, m.body FROM messages m WHERE m.id = ?`, id).
		Scan(&m.seq, &m.ID, &m.Source, &m.Type, &m.DedupeKey, &m.OrderingKey, &m.Tenant, &created, &m.Headers, &m.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return Message{}, false, nil
	}
	if err != nil {
		return Message{}, false, err
	}
	m.CreatedAt = time.UnixMicro(created).UTC()
	all, err := withDeliveries(ctx, r, []messageRow{m})
	if err != nil {
		return Message{}, false, err
	}
	return all[0], true, nil
}

// Delivery reads one delivery and its attempts, the first one first. ErrNotFound: there is none of that id. Where rows
// cannot be made within 5 s on SQLite it shows what the journal says, as [Store.Message] does; an attempt whose outcome is not recorded
// yet is under way there.
func (s *Store) Delivery(ctx context.Context, id string) (d Delivery, attempts []Attempt, err error) {
	err = s.byID(ctx, "delivery", id, func(r reader, journal bool) (ok bool, err error) {
		if d, attempts, ok, err = deliveryByID(ctx, r, id); err == nil && !ok {
			d, attempts, ok, err = s.engine.folds().delivery(ctx, r, id)
		}
		if err == nil && !ok && journal {
			d, ok, err = journaledDelivery(ctx, r, id)
		}
		return ok, err
	})
	return d, attempts, err
}

func deliveryByID(ctx context.Context, r reader, id string) (Delivery, []Attempt, bool, error) {
	d, err := scanDelivery(r.row(ctx, selectDelivery+` WHERE d.id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Delivery{}, nil, false, nil
	}
	if err != nil {
		return Delivery{}, nil, false, err
	}
	rows, err := r.query(ctx, selectAttempts, d.seq)
	if err != nil {
		return Delivery{}, nil, false, err
	}
	attempts, err := collect(rows, func(row scanner) (a Attempt, err error) {
		var started, took int64
		err = row.Scan(&a.Number, &started, &took, &a.StatusCode, &a.Error, &a.Detail)
		a.StartedAt, a.Duration = time.UnixMicro(started).UTC(), time.Duration(took)*time.Microsecond
		return a, err
	})
	return d.Delivery, attempts, err == nil, err
}

// Messages lists messages, newest first, with their deliveries but without headers and bodies. What was appended while its
// rows cannot be made is listed once they can. ErrInvalid: the filter's state, the limit or the cursor is none.
func (s *Store) Messages(ctx context.Context, f MessageFilter, p Page) (items []Message, next string, err error) {
	c := conditions{column: "m.seq"}
	c.equal("m.source", f.Source)
	c.equal("m.type", f.Type)
	c.between("m.created_at", f.Since, f.Until)
	if f.State != "" {
		state, args, err := stateCondition(f.State)
		if err != nil {
			return nil, "", err
		}
		c.add(`EXISTS (SELECT 1 FROM deliveries d LEFT JOIN targets t ON t.id = d.target_id WHERE d.message_seq = m.seq AND `+state+`)`, args...)
	}
	query, err := c.page(selectMessage+` FROM messages m`, p)
	if err != nil {
		return nil, "", err
	}
	if err := s.mostlySettled(ctx); err != nil {
		return nil, "", err
	}
	err = s.snapshot(ctx, func(r reader) (err error) {
		items, next, err = s.messagePage(ctx, r, f, c, query)
		return err
	})
	return items, next, err
}

func (s *Store) messagePage(ctx context.Context, r reader, f MessageFilter, c conditions, query string) (items []Message, next string, err error) {
	folded, err := s.engine.folds().messages(ctx, r, f, c)
	if err != nil {
		return nil, "", err
	}
	s.cfg.reach(amidReading)
	rows, err := r.query(ctx, query, c.args...)
	if err != nil {
		return nil, "", err
	}
	found, err := collect(rows, func(row scanner) (m messageRow, err error) {
		var created int64
		err = row.Scan(&m.seq, &m.ID, &m.Source, &m.Type, &m.DedupeKey, &m.OrderingKey, &m.Tenant, &created)
		m.CreatedAt = time.UnixMicro(created).UTC()
		return m, err
	})
	if err != nil {
		return nil, "", err
	}
	seq := func(m messageRow) int64 { return m.seq }
	found, next = cutPage(merged(found, folded, seq), c.limit, seq)
	items, err = withDeliveries(ctx, r, found)
	return items, next, err
}

// withDeliveries reads the deliveries of some messages, oldest first.
func withDeliveries(ctx context.Context, r reader, found []messageRow) ([]Message, error) {
	items, seqs, at := make([]Message, len(found)), make([]int64, 0, len(found)), map[int64]int{}
	for i, m := range found {
		if items[i] = m.Message; !m.whole {
			seqs, at[m.seq] = append(seqs, m.seq), i
		}
	}
	if len(seqs) == 0 {
		return items, nil
	}
	list, err := json.Marshal(seqs)
	if err != nil {
		return nil, err
	}
	// deliveries_message serves this.
	rows, err := r.query(ctx, selectDelivery+` WHERE d.message_seq IN (SELECT value FROM json_each(?)) ORDER BY d.seq`, string(list))
	if err != nil {
		return nil, err
	}
	deliveries, err := collect(rows, scanDelivery)
	for _, d := range deliveries {
		i := at[d.messageSeq]
		items[i].Deliveries = append(items[i].Deliveries, d.Delivery)
	}
	return items, err
}

// Deliveries lists deliveries, newest first; what was appended while its rows cannot be made, once they can. ErrInvalid: the
// filter's state, the limit or the cursor is none.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter, p Page) (items []Delivery, next string, err error) {
	c := conditions{column: "d.seq"}
	var states []State
	if f.State != "" {
		states = append(states, f.State)
	}
	if err := c.deliveries(f, states...); err != nil {
		return nil, "", err
	}
	query, err := c.page(selectDelivery, p)
	if err != nil {
		return nil, "", err
	}
	if err := s.mostlySettled(ctx); err != nil {
		return nil, "", err
	}
	err = s.snapshot(ctx, func(r reader) (err error) {
		items, next, err = s.deliveryPage(ctx, r, f, c, query)
		return err
	})
	return items, next, err
}

func (s *Store) deliveryPage(ctx context.Context, r reader, f DeliveryFilter, c conditions, query string) (items []Delivery, next string, err error) {
	folded, err := s.engine.folds().deliveries(ctx, r, f, c)
	if err != nil {
		return nil, "", err
	}
	s.cfg.reach(amidReading)
	rows, err := r.query(ctx, query, c.args...)
	if err != nil {
		return nil, "", err
	}
	found, err := collect(rows, scanDelivery)
	if err != nil {
		return nil, "", err
	}
	seq := func(d deliveryRow) int64 { return d.seq }
	found, next = cutPage(merged(found, folded, seq), c.limit, seq)
	for _, d := range found {
		items = append(items, d.Delivery)
	}
	return items, next, nil
}

// conditions builds the WHERE clause of a list that goes by a sequence, newest first.
type conditions struct {
	column string
	where  []string
	args   []any
	limit  int
	before int64 // the position a page ends before
}

func (c *conditions) add(condition string, args ...any) {
	c.where, c.args = append(c.where, condition), append(c.args, args...)
}

func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

func (c *conditions) between(column string, since, until time.Time) {
	if !since.IsZero() {
		c.add(column+" >= ?", since.UnixMicro())
	}
	if !until.IsZero() {
		c.add(column+" < ?", until.UnixMicro())
	}
}

// deliveries selects what a filter does, in one of some states; none of them: in any.
func (c *conditions) deliveries(f DeliveryFilter, states ...State) error {
	c.equal("m.id", f.MessageID)
	c.equal("d.target_id", f.TargetID)
	c.equal("m.type", f.Type)
	c.between("d.created_at", f.Since, f.Until)
	var in []string
	var args []any
	for _, state := range states {
		condition, more, err := stateCondition(state)
		if err != nil {
			return err
		}
		in, args = append(in, "("+condition+")"), append(args, more...)
	}
	if len(in) > 0 {
		c.add("("+strings.Join(in, " OR ")+")", args...)
	}
	return nil
}

func stateCondition(state State) (string, []any, error) {
	switch state {
	case Paused:
		return `d.state = 'pending' AND t.enabled = 0`, nil, nil
	case Pending:
		return `d.state = 'pending' AND coalesce(t.enabled, 1) = 1`, nil, nil
	case Delivering, Done, Failed, Cancelled:
		return `d.state = ?`, []any{string(state)}, nil
	}
	return "", nil, fmt.Errorf("%w state: %q", ErrInvalid, state)
}

// cursorPrefix tells a cursor from a word.
const cursorPrefix = "_"

// page completes the query for one page; it asks for one row more, which tells whether there is a next page.
func (c *conditions) page(query string, p Page) (string, error) {
	if c.limit = p.Limit; c.limit == 0 {
		c.limit = DefaultPage
	}
	if c.limit < 1 || c.limit > MaxPage {
		return "", fmt.Errorf("%w limit: %d, want 1 to %d", ErrInvalid, p.Limit, MaxPage)
	}
	c.before = math.MaxInt64
	if p.Cursor != "" {
		digits, ours := strings.CutPrefix(p.Cursor, cursorPrefix)
		seq, err := strconv.ParseInt(digits, 36, 64)
		if !ours || err != nil || seq < 0 {
			return "", fmt.Errorf("%w cursor: not one that a page answered", ErrInvalid)
		}
		c.before = seq
		c.add(c.column+" < ?", seq)
	}
	if len(c.where) > 0 {
		query += " WHERE " + strings.Join(c.where, " AND ")
	}
	c.args = append(c.args, c.limit+1)
	return query + " ORDER BY " + c.column + " DESC LIMIT ?", nil
}

func cutPage[T any](rows []T, limit int, seq func(T) int64) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], cursorPrefix + strconv.FormatInt(seq(rows[limit-1]), 36)
}
