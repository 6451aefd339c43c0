package relay

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// A table of keys in which neighbours have nothing to do with each other costs a page of the file for each row. So keys of
// messages that went through the journal are kept in memory for a while and put into the table many at once, in their
// order, which changes each page once. Nothing is lost with the memory: the messages have their keys too.
const (
	mergeAt    = 16 << 10 // keys that wait before they are merged, as long as others append
	mergeLimit = 48 << 10 // keys that may wait at most
	mergeSlice = 2048     // keys merged in one transaction
)

const (
	selectUnmerged = `SELECT source, dedupe_key, id, created_at, seq FROM messages
  WHERE seq > (SELECT merged FROM journal_keys) AND dedupe_key <> ''`
	// Beginning with the one in which that position is.
	selectFoldedUnmerged = foldedColumns + ` WHERE f.seq >= coalesce((SELECT seq FROM folded WHERE message <= ? ORDER BY message DESC LIMIT 1), 0) ORDER BY f.seq`
	selectMerged         = `SELECT merged FROM journal_keys`

	setMerged = `UPDATE journal_keys SET merged = ?`
	notMerged = `UPDATE journal_keys SET merged = min(merged, ?)`
)

// keyRow is a row that the table of keys is to get.
type keyRow struct {
	source, key, id string
	at              int64 // Unix µs
	seq             int64 // of its message
}

// unmerged are the keys that are not in their table yet.
type unmerged struct {
	byHash  map[uint64]*keyRow
	waiting []*keyRow // in the order of their messages
	merging []*keyRow // in their own order; what is left of those that are being merged
	upTo    int64     // the last message of the latter
}

func (u *unmerged) len() int { return len(u.waiting) + len(u.merging) }

// find is the row of a key that is not merged yet, or nil; hash may be that of another one.
func (u *unmerged) find(hash uint64, source, key string) *keyRow {
	if r := u.byHash[hash]; r != nil && r.source == source && r.key == key {
		return r
	}
	return nil
}

// keysDue says whether it is time to merge keys. process: nobody has to wait for it; idle: there is nothing else to do.
func (j *journal) keysDue(process, idle bool) bool {
	n := j.unmerged.len()
	return n > 0 && (n > mergeLimit || process && (n > mergeAt || len(j.unmerged.merging) > 0 || idle && j.empty()))
}

// next are the keys to merge in one transaction.
func (u *unmerged) next() []*keyRow {
	if len(u.merging) == 0 && len(u.waiting) > 0 {
		u.upTo = u.waiting[len(u.waiting)-1].seq
		u.merging, u.waiting = u.waiting, nil
		slices.SortFunc(u.merging, func(a, b *keyRow) int {
			return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.key, b.key))
		})
	}
	return u.merging[:min(mergeSlice, len(u.merging))]
}

// merged forgets the first n keys of next.
func (j *journal) merged(n int) {
	u := &j.unmerged
	for _, r := range u.merging[:n] {
		if h := j.hash(r.source, r.key); u.byHash[h] == r {
			delete(u.byHash, h)
		}
	}
	clear(u.merging[:n])
	if u.merging = u.merging[n:]; len(u.merging) == 0 {
		u.merging = nil
	}
}

// unkey takes in keys of messages whose rows are there.
func (j *journal) unkey(rows []*keyRow) {
	if len(rows) == 0 {
		return
	}
	if j.unmerged.byHash == nil {
		j.unmerged.byHash = map[uint64]*keyRow{}
	}
	for _, r := range rows {
		j.unmerged.byHash[j.hash(r.source, r.key)] = r
	}
	j.unmerged.waiting = append(j.unmerged.waiting, rows...)
}

// fresh takes note of a key that is new with this transaction.
func (t *txn) fresh(hash uint64, p *prepared) {
	if t.keys == nil {
		t.keys = map[uint64]*prepared{}
	}
	t.keys[hash] = p
	t.newKeys = append(t.newKeys, hash)
}

// stored has the filter know of keys that are stored now.
func (j *journal) stored(hashes []uint64) {
	if j.filter.stored(hashes) {
		return
	}
	for h := range j.keys {
		j.filter.own.add(h)
	}
	for h := range j.unmerged.byHash {
		j.filter.own.add(h)
	}
	j.filter.read()
}

// mergeKeys puts some keys into their table, and answers how many.
func (e *sqliteEngine) mergeKeys(ctx context.Context, t *txn) (int, error) {
	rows := e.journal.unmerged.next()
	if err := insertKeys(ctx, t, rows); err != nil {
		return 0, err
	}
	u := &e.journal.unmerged
	if len(rows) < len(u.merging) {
		return len(rows), nil
	}
	upTo := u.upTo
	if len(u.waiting) == 0 {
		upTo = math.MaxInt64
	}
	return len(rows), t.exec(ctx, setMerged, upTo)
}

func insertKeys(ctx context.Context, t *txn, rows []*keyRow) error {
	for _, r := range rows {
		if err := t.exec(ctx, insertKey, r.source, r.key, r.id, r.at); err != nil {
			return err
		}
	}
	return nil
}

// keyed puts the keys of messages up to seq into their table now.
func (e *sqliteEngine) keyed(ctx context.Context, t *txn, seq int64) error {
	for _, rows := range [][]*keyRow{e.journal.unmerged.merging, e.journal.unmerged.waiting} {
		for _, r := range rows {
			if r.seq > seq {
				continue
			}
			if err := insertKeys(ctx, t, []*keyRow{r}); err != nil { // a second time is no harm
				return err
			}
		}
	}
	return nil
}

// recoverKeys merges what the process before had in memory only.
func (e *sqliteEngine) recoverKeys(ctx context.Context, t *txn) error {
	found, err := t.query(ctx, selectUnmerged)
	if err != nil {
		return err
	}
	rows, err := collect(found, func(row scanner) (*keyRow, error) {
		r := &keyRow{}
		return r, row.Scan(&r.source, &r.key, &r.id, &r.at, &r.seq)
	})
	if err != nil {
		return err
	}
	var merged int64
	if err := t.scan(ctx, selectMerged, nil, &merged); err != nil || merged == math.MaxInt64 {
		return err
	}
	err = eachFolded(ctx, t, selectFoldedUnmerged, []any{merged}, func(f folded) bool {
		for i := range f.messages {
			if m := &f.messages[i]; m.DedupeKey != "" && f.outcomes[i] != nil {
				rows = append(rows, &keyRow{source: m.Source, key: m.DedupeKey, id: m.ID, at: f.at, seq: f.message + int64(i)})
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	if err := insertKeys(ctx, t, rows); err != nil { // a second time is no harm
		return err
	}
	return t.exec(ctx, setMerged, math.MaxInt64)
}
