package relay

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// Of the deliveries to one target with one ordering key only the first that is not finished, the head, may be claimed.
// The others would be passed over by every claim, tens of thousands of them behind one head that failed. So a claim that
// comes upon them takes them out of what is due (behind = 1), each once; and when a head is finished, the next one of its
// key is put back. Both lock the head, which is what makes them see each other: no head stays behind.

// orderWindow is how many deliveries that cannot be claimed one claim passes over or takes out of what is due.
const orderWindow = 1024

const (
	// deliveries_due and deliveries_ordered serve this. It is followed by the heads of the keys of some deliveries d.
	selectWithHead = `SELECT d.seq, coalesce((
      SELECT e.seq FROM deliveries e
      WHERE e.target_id = d.target_id AND e.ordering_key = d.ordering_key AND e.ordering_key <> ''
        AND e.state IN ('pending', 'delivering', 'failed')
      ORDER BY e.seq LIMIT 1), 0) FROM `
	selectDueWithHead = selectWithHead + `(
      SELECT seq, target_id, ordering_key FROM deliveries
      WHERE target_id = ? AND state = 'pending' AND behind = 0 AND next_at <= ?
      ORDER BY next_at, seq LIMIT (? + 0) /*skip locked*/) d
    WHERE d.ordering_key <> ''`
	// The next of its key after each of some deliveries; 0: there is none.
	selectNext = `SELECT d.seq, coalesce((
      SELECT e.seq FROM deliveries e
      WHERE e.target_id = d.target_id AND e.ordering_key = d.ordering_key AND e.ordering_key <> '' AND e.seq > d.seq
        AND e.state IN ('pending', 'delivering', 'failed')
      ORDER BY e.seq LIMIT 1), 0)
    FROM deliveries d WHERE d.seq IN (SELECT value FROM json_each(?))`

	lockIfFree = `SELECT seq FROM deliveries WHERE seq IN (SELECT value FROM json_each(?))
    AND state IN ('pending', 'delivering', 'failed') /*skip locked*/`
	lockHeads = `SELECT seq FROM deliveries WHERE seq IN (SELECT value FROM json_each(?))
    AND state IN ('pending', 'delivering', 'failed') ORDER BY seq /*lock*/`

	setBehind  = `UPDATE deliveries SET behind = 1 WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending'`
	bringAhead = `UPDATE deliveries SET behind = 0 WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'pending' AND behind = 1`
)

// setBehind takes due deliveries that wait behind a head out of what is due, and says how many. A head that somebody is
// changing is left out, with those behind it; nothing is waited for.
func (t *txn) setBehind(ctx context.Context, target string) (int, error) {
	heads, err := t.withHead(ctx, selectDueWithHead, target, t.now.UnixMicro(), orderWindow)
	if err != nil || len(heads) == 0 {
		return 0, err
	}
	locked, err := t.lockSeqs(ctx, lockIfFree, heads)
	if err != nil {
		return 0, err
	}
	var behind []int64
	for seq, head := range heads {
		if head < seq && locked[head] {
			behind = append(behind, seq)
		}
	}
	return len(behind), t.eachOf(ctx, setBehind, behind)
}

// maxHeads bounds how often the next head of a key is looked for when it is finished meanwhile.
const maxHeads = 100

var errHeads = errors.New("the heads of an ordering key change all the time")

// nextHeads puts what comes next in the ordering keys of some deliveries, which are finished or about to be removed, back
// to what is due: it may be the head now, and when it is not, a claim finds that out again. For what another process is
// changing it waits, and looks for the next when that is finished too.
func (t *txn) nextHeads(ctx context.Context, finished []int64) error {
	for range maxHeads {
		if len(finished) == 0 {
			return nil
		}
		list, err := json.Marshal(finished)
		if err != nil {
			return err
		}
		heads, err := t.withHead(ctx, selectNext, string(list))
		if err != nil {
			return err
		}
		for seq, head := range heads {
			if head == 0 {
				delete(heads, seq)
			}
		}
		locked, err := t.lockSeqs(ctx, lockHeads, heads)
		if err != nil {
			return err
		}
		var next []int64
		finished = finished[:0]
		for seq, head := range heads {
			if next = append(next, head); !locked[head] { // it was finished before it could be locked
				finished = append(finished, seq)
			}
		}
		if err := t.eachOf(ctx, bringAhead, next); err != nil {
			return err
		}
	}
	return errHeads
}

// withHead reads the heads of the keys of some deliveries; 0: there is none.
func (t *txn) withHead(ctx context.Context, query string, args ...any) (map[int64]int64, error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pairs(rows)
}

func pairs(rows *sql.Rows) (map[int64]int64, error) {
	all := map[int64]int64{}
	_, err := collect(rows, func(row scanner) (struct{}, error) {
		var key, value int64
		err := row.Scan(&key, &value)
		all[key] = value
		return struct{}{}, err
	})
	return all, err
}

// lockSeqs locks heads and answers those that it got.
func (t *txn) lockSeqs(ctx context.Context, query string, heads map[int64]int64) (map[int64]bool, error) {
	if len(heads) == 0 {
		return nil, nil
	}
	distinct := map[int64]bool{}
	list := make([]int64, 0, len(heads))
	for _, head := range heads {
		if !distinct[head] {
			distinct[head] = true
			list = append(list, head)
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	rows, err := t.query(ctx, query, string(text))
	if err != nil {
		return nil, err
	}
	return seqs(rows)
}

// eachOf changes the deliveries of a list.
func (t *txn) eachOf(ctx context.Context, query string, list []int64) error {
	if len(list) == 0 {
		return nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return t.exec(ctx, query, string(text))
}
