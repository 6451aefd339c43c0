package relay

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"
)

// How much one transaction may remove. Its size follows how long the last one took, so that appends that wait behind it
// wait for little on a slow disk as well.
const (
	minRemoval  = 32                   // deliveries, or messages where they have none
	maxRemoval  = 512                  //
	removalTime = 4 * time.Millisecond // what the statements of one should take
	lookAhead   = 512                  // messages looked at together
)

// removedPrefix makes of a state the name of the total that counts what was removed in it: totals are never taken back.
const removedPrefix = "removed "

var removedTotal = total{"", removedPrefix + messagesTotal.state}

// candidate is a message as far as retention cares for it.
type candidate struct {
	seq        int64
	deliveries int
	unfinished int   // of them
	failed     int   // of them
	born       int64 // the first delivery's created_at, which is the message's; 0: it has none
	touched    int64 // the last change of a delivery; 0: there is none
}

// over says whether a policy lets the message go.
func (c candidate) over(p RetentionPolicy, now time.Time) bool {
	keep := p.Delivered
	if c.failed > 0 {
		keep = p.Failed
	}
	return c.unfinished == 0 && keep > 0 && c.touched < now.Add(-keep).UnixMicro()
}

const (
	// aboutMessages reads no message: what stands behind a large body is expensive. deliveries_message serves it.
	aboutDeliveries = `count(d.seq), coalesce(sum(CASE WHEN d.state IN ('pending', 'delivering') THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN d.state = 'failed' THEN 1 ELSE 0 END), 0), coalesce(min(d.created_at), 0), coalesce(max(d.updated_at), 0)`
	lookOn = `WITH ahead AS MATERIALIZED (SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT ?)
  SELECT s.seq, ` + aboutDeliveries + ` FROM ahead s LEFT JOIN deliveries d ON d.message_seq = s.seq GROUP BY s.seq ORDER BY s.seq`
	selectBorn = `SELECT created_at FROM messages WHERE seq = ?`
)

func scanCandidate(row scanner) (c candidate, err error) {
	err = row.Scan(&c.seq, &c.deliveries, &c.unfinished, &c.failed, &c.born, &c.touched)
	return c, err
}

// look reads on in the log, and answers what may be removed. More is false when the rest of the log is too young.
func (r *Retention) look(ctx context.Context, now time.Time) (found []candidate, more bool, err error) {
	rows, err := r.store.callers.query(ctx, lookOn, r.position, lookAhead)
	if err != nil {
		return nil, false, err
	}
	seen, err := collect(rows, scanCandidate)
	if err != nil {
		return nil, false, err
	}
	young := now.Add(-r.cfg.Policy.youngest()).UnixMicro()
	for _, c := range seen {
		if c.deliveries == 0 {
			err := r.store.callers.row(ctx, selectBorn, c.seq).Scan(&c.born)
			if errors.Is(err, sql.ErrNoRows) { // another process was faster
				continue
			}
			if err != nil {
				return nil, false, err
			}
			c.touched = c.born
		}
		if c.born >= young && c.born <= now.UnixMicro() { // one from the future, of a clock that was wrong, is passed over
			return found, false, nil
		}
		if r.position = c.seq; c.over(r.cfg.Policy, now) {
			found = append(found, c)
		}
	}
	return found, len(seen) == lookAhead, nil
}

// removeFound removes what was found, in transactions of about r.rows deliveries, with a rest after each.
func (r *Retention) removeFound(ctx context.Context, found []candidate, note func(Removed)) error {
	for len(found) > 0 {
		n := r.fitting(found)
		var removed Removed
		var partly bool
		err := r.step(ctx, func(ctx context.Context, t *txn, rows int) (err error) {
			removed, partly, err = t.removeMessages(ctx, found[:n], rows, r.cfg.Policy)
			return err
		}, func() { note(removed) })
		if err != nil {
			return err
		}
		if !partly {
			found = found[n:]
		}
	}
	return nil
}

// fitting is how many of the messages fit into one transaction; at least one, however many deliveries it has.
func (r *Retention) fitting(found []candidate) int {
	rows := 0
	for i, c := range found {
		if rows += max(1, c.deliveries); i > 0 && rows > r.rows {
			return i
		}
	}
	return len(found)
}

// step is one transaction of up to r.rows, which sets the size of the next one, and the rest after it: nine times what
// its statements took, which appends had to wait for, and as long again as it had to wait for them and for the disk.
func (r *Retention) step(ctx context.Context, run func(ctx context.Context, t *txn, rows int) error, committed func()) error {
	var took time.Duration
	began, rows := time.Now(), r.rows
	err := r.store.write(ctx, func(ctx context.Context, t *txn) error {
		began := time.Now()
		err := run(ctx, t, rows)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	committed()
	switch {
	case took > removalTime:
		r.rows = max(r.rows/2, minRemoval)
	case took < removalTime/2:
		r.rows = min(2*r.rows, maxRemoval)
	}
	return pause(ctx, (restShare-1)*took+time.Since(began)-took)
}

const (
	// The newest message, and the newest delivery's message, stay: SQLite would give out their positions again.
	lockMessages = `SELECT seq FROM messages WHERE seq IN (SELECT value FROM json_each(?)) AND seq < (SELECT max(seq) FROM messages)
  AND seq <> coalesce((SELECT message_seq FROM deliveries ORDER BY seq DESC LIMIT 1), 0) ORDER BY seq /*skip locked*/`
	// lockBesideFolded is the same where some of the log is folded.
	lockBesideFolded = `WITH folds(message, delivery) AS (SELECT message + messages - 1, delivery + deliveries - 1 FROM folded ORDER BY seq DESC LIMIT 1)
  SELECT seq FROM messages WHERE seq IN (SELECT value FROM json_each(?))
  AND (seq < (SELECT max(seq) FROM messages) OR seq < (SELECT message FROM folds))
  AND (seq <> coalesce((SELECT message_seq FROM deliveries ORDER BY seq DESC LIMIT 1), 0)
    OR (SELECT max(seq) FROM deliveries) < (SELECT delivery FROM folds)) ORDER BY seq`
	// deliveries_message serves these two.
	lockDeliveries = `SELECT seq, message_seq, target_id, state, ordering_key FROM deliveries
  WHERE message_seq IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ? /*skip locked*/`
	lookAgain = `SELECT d.message_seq, ` + aboutDeliveries + ` FROM deliveries d
  WHERE d.message_seq IN (SELECT value FROM json_each(?)) GROUP BY d.message_seq`
	keepKeys = `INSERT INTO kept_keys (message_seq, source, key, created_at)
  SELECT m.seq, k.source, k.key, k.created_at FROM messages m
  JOIN dedupe_keys k ON k.source = m.source AND k.key = m.dedupe_key AND k.message_id = m.id
  WHERE m.dedupe_key <> '' AND m.seq IN (SELECT value FROM json_each(?))`
	deleteAttempts   = `DELETE FROM attempts WHERE delivery_seq IN (SELECT value FROM json_each(?))`
	deleteDeliveries = `DELETE FROM deliveries WHERE seq IN (SELECT value FROM json_each(?))`
	deleteMessages   = `DELETE FROM messages WHERE seq IN (SELECT value FROM json_each(?))`
)

// finished is a delivery that is locked to be removed.
type finished struct {
	seq, message int64
	target       string
	state        State
	orderingKey  string
}

// removeMessages removes those of the messages that a policy still lets go, with up to limit deliveries. Whoever adds a
// delivery to an old message holds the lock of one of its deliveries; so once all of them are locked here, what they
// look like is final.
func (t *txn) removeMessages(ctx context.Context, found []candidate, limit int, p RetentionPolicy) (removed Removed, partly bool, err error) {
	seqs := make([]int64, len(found))
	for i, c := range found {
		seqs[i] = c.seq
	}
	lock := lockMessages
	if t.engine.folds() != nil {
		lock = lockBesideFolded
	}
	seqs, err = t.seqs(ctx, lock, list(seqs))
	if err != nil || len(seqs) == 0 {
		return removed, false, err
	}
	rows, err := t.query(ctx, lockDeliveries, list(seqs), limit)
	if err != nil {
		return removed, false, err
	}
	locked, err := collect(rows, func(row scanner) (f finished, err error) {
		err = row.Scan(&f.seq, &f.message, &f.target, &f.state, &f.orderingKey)
		return f, err
	})
	if err != nil {
		return removed, false, err
	}
	if rows, err = t.query(ctx, lookAgain, list(seqs)); err != nil {
		return removed, false, err
	}
	now, err := collect(rows, scanCandidate)
	if err != nil {
		return removed, false, err
	}
	about := map[int64]candidate{}
	for _, c := range now {
		about[c.seq] = c
	}
	over := slices.DeleteFunc(seqs, func(seq int64) bool { c, has := about[seq]; return has && !c.over(p, t.now) })
	messages, deliveries, partly := choose(over, about, locked, len(locked) == limit)
	removed, err = t.drop(ctx, messages, deliveries)
	return removed, partly, err
}

// choose picks what goes of messages that may. One goes together with all of its deliveries; when these were too many to
// be locked at once (cut), those that are locked go before it. One of which somebody else holds a delivery stays.
func choose(over []int64, about map[int64]candidate, locked []finished, cut bool) (messages []int64, deliveries []finished, partly bool) {
	held := map[int64]int{}
	for _, f := range locked {
		held[f.message]++
	}
	going := map[int64]bool{}
	for _, seq := range over {
		switch n := held[seq]; {
		case n == about[seq].deliveries:
			messages = append(messages, seq)
			going[seq] = true
		case cut && n > 0:
			going[seq], partly = true, true
		}
	}
	for _, f := range locked {
		if going[f.message] {
			deliveries = append(deliveries, f)
		}
	}
	return messages, deliveries, partly
}

// drop deletes rows that are locked.
func (t *txn) drop(ctx context.Context, messages []int64, deliveries []finished) (removed Removed, err error) {
	if len(deliveries) > 0 {
		removed.Deliveries = map[State]int64{}
		var blocking []int64
		seqs := make([]int64, len(deliveries))
		for i, f := range deliveries {
			seqs[i] = f.seq
			removed.Deliveries[f.state]++
			t.deltas[total{f.target, removedPrefix + f.state}]++
			if f.state == Failed && f.orderingKey != "" { // it blocked its key
				t.due[f.target] = struct{}{}
				blocking = append(blocking, f.seq)
			}
		}
		if err := t.nextHeads(ctx, blocking); err != nil {
			return Removed{}, err
		}
		for _, query := range []string{deleteAttempts, deleteDeliveries} {
			if err := t.exec(ctx, query, list(seqs)); err != nil {
				return Removed{}, err
			}
		}
	}
	if len(messages) == 0 {
		return removed, nil
	}
	if err := t.engine.keyed(ctx, t, slices.Max(messages)); err != nil {
		return Removed{}, err
	}
	for _, query := range []string{keepKeys, deleteMessages} {
		if err := t.exec(ctx, query, list(messages)); err != nil {
			return Removed{}, err
		}
	}
	removed.Messages = int64(len(messages))
	t.deltas[removedTotal] += removed.Messages
	return removed, nil
}

// removeFolded removes what is folded, a row of the journal at a time.
func (r *Retention) removeFolded(ctx context.Context, note func(Removed)) error {
	folds, keep := r.store.engine.folds(), r.cfg.Policy.Delivered
	for more := folds != nil && keep > 0; more; {
		var removed Removed
		err := r.step(ctx, func(ctx context.Context, t *txn, _ int) (err error) {
			removed, err = folds.removeOldest(ctx, t, t.now.Add(-keep))
			return err
		}, func() { note(removed) })
		if err != nil {
			return err
		}
		more = !removed.nothing()
	}
	return nil
}

const (
	// kept_keys_age serves this.
	lockExpired = `SELECT message_seq FROM kept_keys WHERE created_at < ? ORDER BY created_at LIMIT ? /*skip locked*/`
	expireKeys  = `DELETE FROM dedupe_keys WHERE (source, key) IN (
    SELECT source, key FROM kept_keys WHERE message_seq IN (SELECT value FROM json_each(?)))`
	forgetKept = `DELETE FROM kept_keys WHERE message_seq IN (SELECT value FROM json_each(?))`
)

// expireKeys removes the dedupe keys of messages that are gone, once their window is over.
func (r *Retention) expireKeys(ctx context.Context, note func(Removed)) error {
	window := r.cfg.Policy.window()
	if window == 0 {
		return nil
	}
	for more := true; more; {
		n := 0
		err := r.step(ctx, func(ctx context.Context, t *txn, rows int) error {
			expired, err := t.seqs(ctx, lockExpired, t.now.Add(-window).UnixMicro(), rows)
			if n, more = len(expired), len(expired) == rows; err != nil || n == 0 {
				return err
			}
			return errors.Join(t.exec(ctx, expireKeys, list(expired)), t.exec(ctx, forgetKept, list(expired)))
		}, func() { note(Removed{Keys: int64(n)}) })
		if err != nil {
			return err
		}
	}
	return nil
}

// seqs reads a column of positions, in the order of the query.
func (t *txn) seqs(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (seq int64, err error) {
		err = row.Scan(&seq)
		return seq, err
	})
}

// list writes numbers as a statement takes them.
func list(seqs []int64) string {
	b := []byte{'['}
	for i, seq := range seqs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, seq, 10)
	}
	return string(append(b, ']'))
}
