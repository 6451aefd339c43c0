package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	insertJournal = `INSERT INTO journal (seq, records) VALUES (?, ?)`
	selectJournal = `SELECT records FROM journal WHERE seq = ?`
	deleteJournal = `DELETE FROM journal WHERE seq = ?`
	listJournal   = `SELECT j.seq, length(j.records), c.born IS NOT NULL FROM journal j LEFT JOIN journal_claims c USING (seq) ORDER BY j.seq`

	insertJournalClaim = `INSERT INTO journal_claims (seq, born) VALUES (?, ?)`
	selectJournalClaim = `SELECT born FROM journal_claims WHERE seq = ?`
	deleteJournalClaim = `DELETE FROM journal_claims WHERE seq = ?`

	findKey     = `SELECT message_id FROM dedupe_keys WHERE source = ? AND key = ?`
	findMessage = `SELECT 1 FROM messages WHERE id = ?`
)

// appendJournal stores drafts as rows of the journal.
func (e *sqliteEngine) appendJournal(ctx context.Context, t *txn, drafts []*prepared) error {
	fresh := make([]*prepared, 0, len(drafts))
	for _, p := range drafts {
		known, err := e.known(ctx, t, p)
		if err != nil {
			return err
		}
		if !known {
			fresh = append(fresh, p)
		}
	}
	for len(fresh) > 0 {
		n, size := 0, 0
		for n < len(fresh) && (n == 0 || size+recordSize(fresh[n]) <= journalRow) {
			size += recordSize(fresh[n])
			n++
		}
		if err := e.appendGroup(ctx, t, fresh[:n], size); err != nil {
			return err
		}
		fresh = fresh[n:]
	}
	return nil
}

// appendGroup stores drafts as one row of the journal. Those that are due at once and find a place with the dispatcher
// are born leased.
func (e *sqliteEngine) appendGroup(ctx context.Context, t *txn, drafts []*prepared, size int) error {
	g := &group{seq: e.journal.last + 1 + int64(len(t.journaled)), at: t.now.UnixMicro(), messages: len(drafts)}
	var born []bool
	mayOffer := e.journal.allOffered() // else it would overtake what waits
	for i, p := range drafts {
		p.place = place{group: g, entry: i}
		p.accepted()
		for _, target := range p.Targets {
			leased := mayOffer && t.offered(p, target)
			if born = append(born, leased); leased {
				g.waiting++
			}
		}
	}
	g.record = appendRecord(make([]byte, 0, size), g.at, drafts, born)
	g.size = len(g.record)
	t.journaled = append(t.journaled, g)
	if g.waiting > 0 {
		g.offered, g.bornAt = true, time.Now()
		if err := e.decode(ctx, t, g); err != nil {
			return err
		}
		e.give(t, g)
	}
	return t.exec(ctx, insertJournal, g.seq, g.record)
}

// give hands the deliveries of a group that are born leased to the dispatcher, when the transaction is committed.
func (e *sqliteEngine) give(t *txn, g *group) {
	at := time.UnixMicro(g.at).UTC()
	for i := range g.entries {
		n := &g.entries[i]
		m := Message{
			ID: n.ID, Source: n.Source, Type: n.Type, DedupeKey: n.DedupeKey, OrderingKey: n.OrderingKey, Tenant: n.Tenant,
			Headers: n.Headers, Body: n.Body, CreatedAt: at,
		}
		for k := range n.members {
			if !n.members[k].born {
				continue
			}
			d := Delivery{
				ID: n.members[k].id, MessageID: m.ID, TargetID: n.Targets[k], Source: m.Source, Type: m.Type,
				State: Delivering, Attempts: 1, CreatedAt: at, UpdatedAt: t.now,
			}
			if !t.offers.local(d.TargetID) {
				g.remote = true
			}
			c := claimed{token: 1, delivery: d, until: t.now.Add(e.lease), place: place{g, i, k}}
			t.born = append(t.born, birth{claim: c, job: Job{Message: m, Delivery: d}})
		}
	}
}

// errTaken is an id that another message has.
var errTaken = fmt.Errorf("%w id: another message has it", ErrInvalid)

// known answers a draft that is a duplicate: of a message in this transaction, in the journal, or with rows.
func (e *sqliteEngine) known(ctx context.Context, t *txn, p *prepared) (bool, error) {
	if p.keyed {
		return false, nil
	}
	if t.keys == nil {
		t.keys = map[uint64]*prepared{}
	}
	if p.given {
		if err := e.free(ctx, t, p); err != nil {
			return false, err
		}
	}
	if p.DedupeKey == "" {
		return false, nil
	}
	h := e.journal.hash(p.Source, p.DedupeKey)
	if first := t.keys[h]; first != nil {
		if first.Source != p.Source || first.DedupeKey != p.DedupeKey {
			return false, errCollision
		}
		p.receipt = Receipt{ID: first.ID, Duplicate: true}
		return true, nil
	}
	if at, ok := e.journal.find(h); ok && !slices.Contains(t.unfolded, at.group) {
		return e.knownInJournal(ctx, t, p, at)
	}
	err := t.find(ctx, findKey, []any{p.Source, p.DedupeKey}, &p.receipt.ID)
	if errors.Is(err, sql.ErrNoRows) {
		t.keys[h] = p
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, duplicate(ctx, t, p)
}

// errCollision: two keys look the same to the journal. The rows tell them apart.
var errCollision = errors.New("relay: keys collide")

func (e *sqliteEngine) knownInJournal(ctx context.Context, t *txn, p *prepared, at place) (bool, error) {
	entries, err := e.entries(ctx, t, at.group)
	if err != nil {
		return false, err
	}
	first := &entries[at.entry]
	if first.Source != p.Source || first.DedupeKey != p.DedupeKey {
		return false, errCollision
	}
	if !p.Redeliver || !at.group.offered {
		p.receipt = Receipt{ID: strings.Clone(first.ID), Duplicate: true}
		return true, nil
	}
	if err := e.unfoldTo(ctx, t, at.group); err != nil { // it may have failed
		return false, err
	}
	return true, duplicate(ctx, t, p)
}

// free makes sure that no other message has the id that a draft came with.
func (e *sqliteEngine) free(ctx context.Context, t *txn, p *prepared) error {
	h := e.journal.hash("", p.ID)
	_, inJournal := e.journal.find(h)
	if t.keys[h] != nil || inJournal {
		return errTaken
	}
	var one int64
	switch err := t.find(ctx, findMessage, []any{p.ID}, &one); {
	case err == nil:
		return errTaken
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	t.keys[h] = p
	return nil
}

// decode makes the entries of a group available, to stay until they have their rows.
func (e *sqliteEngine) decode(ctx context.Context, t *txn, g *group) (err error) {
	if g.entries != nil {
		return nil
	}
	g.entries, err = e.entries(ctx, t, g)
	return err
}

// entries reads those of a group.
func (e *sqliteEngine) entries(ctx context.Context, t *txn, g *group) ([]entry, error) {
	if g.entries != nil {
		return g.entries, nil
	}
	record := g.record
	if record == nil {
		if err := t.scan(ctx, selectJournal, []any{g.seq}, &record); err != nil {
			return nil, fmt.Errorf("read row %d of the journal: %w", g.seq, err)
		}
	}
	at, entries, err := readRecord(record)
	if err != nil {
		return nil, fmt.Errorf("read row %d of the journal: %w", g.seq, err)
	}
	g.at, g.messages = at, len(entries)
	return entries, nil
}

// unfoldTo makes the rows of a group, and of all before it.
func (e *sqliteEngine) unfoldTo(ctx context.Context, t *txn, last *group) error {
	for _, g := range e.journal.groups {
		if g.seq > last.seq {
			break
		}
		if err := e.unfold(ctx, t, g); err != nil {
			return fmt.Errorf("unfold the journal: %w", err)
		}
	}
	return nil
}

func (e *sqliteEngine) unfoldAll(ctx context.Context, t *txn) error {
	if e.journal.empty() {
		return nil
	}
	return e.unfoldTo(ctx, t, e.journal.groups[len(e.journal.groups)-1])
}

// unfold makes the rows of a group, with the outcomes that are known by now.
func (e *sqliteEngine) unfold(ctx context.Context, t *txn, g *group) error {
	if slices.Contains(t.unfolded, g) {
		return nil
	}
	if err := e.decode(ctx, t, g); err != nil {
		return err
	}
	byKey := make([]*entry, 0, len(g.entries))
	for i := range g.entries {
		n := &g.entries[i]
		if err := e.unfoldEntry(ctx, t, g, n); err != nil {
			return err
		}
		if n.DedupeKey != "" {
			byKey = append(byKey, n)
		}
	}
	// In their order, neighbours change the same pages.
	slices.SortFunc(byKey, func(a, b *entry) int { return strings.Compare(a.DedupeKey, b.DedupeKey) })
	for _, n := range byKey {
		if err := t.exec(ctx, insertKey, n.Source, n.DedupeKey, n.ID, g.at); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, deleteJournal, g.seq); err != nil {
		return err
	}
	if err := t.exec(ctx, deleteJournalClaim, g.seq); err != nil {
		return err
	}
	t.unfolded = append(t.unfolded, g)
	return nil
}

func (e *sqliteEngine) unfoldEntry(ctx context.Context, t *txn, g *group, n *entry) error {
	res, err := t.execResult(ctx, insertMessage, n.ID, n.Source, n.Type, n.DedupeKey, n.OrderingKey, n.Tenant,
		notNil(n.Headers), notNil(n.Body), g.at)
	if err != nil {
		return err
	}
	if n.seq, err = res.LastInsertId(); err != nil {
		return err
	}
	t.deltas[messagesTotal]++
	for k := range n.members {
		if err := e.unfoldMember(ctx, t, g, n, k); err != nil {
			return err
		}
	}
	return nil
}

// insertSettled makes the row of a delivery whose first attempt is over.
const insertSettled = `INSERT INTO deliveries (id, message_seq, target_id, state, attempts, budget_from, next_at,
  lease_until, lease_token, ordering_key, last_status, last_error, replay_of, created_at, updated_at)
  VALUES (?, ?, ?, ?, 1, 0, ?, 0, 1, ?, ?, ?, '', ?, ?)`

func (e *sqliteEngine) unfoldMember(ctx context.Context, t *txn, g *group, n *entry, k int) (err error) {
	m, target, due := &n.members[k], n.Targets[k], g.at+n.delay.Microseconds()
	r := t.outcomeOf(m)
	var res sql.Result
	switch {
	case r != nil:
		r.state, r.nextAt = t.verdict(r)
		res, err = t.execResult(ctx, insertSettled, m.id, n.seq, target, string(r.state), r.next(), n.OrderingKey,
			r.outcome.StatusCode, r.reason(), g.at, t.now.UnixMicro())
	case m.born:
		t.moved(target, "", Delivering, 1)
		res, err = t.execResult(ctx, insertLeased, m.id, n.seq, target, due, t.now.Add(e.lease).UnixMicro(), g.at, t.now.UnixMicro())
	default:
		t.moved(target, "", Pending, 1)
		res, err = t.execResult(ctx, insertDelivery, m.id, n.seq, target, due, n.OrderingKey, g.at, g.at)
	}
	if err != nil {
		return err
	}
	if m.seq, err = res.LastInsertId(); err != nil || r == nil {
		return err
	}
	r.claimed.seq = m.seq
	if err := insertAttemptOf(ctx, t, r); err != nil {
		return err
	}
	return t.conclude(ctx, "", r)
}

// claimGroup gives deliveries of a group that waits in the journal to the dispatcher. That counts their attempts, so it is
// written down.
func (e *sqliteEngine) claimGroup(ctx context.Context, t *txn, g *group) error {
	if err := e.decode(ctx, t, g); err != nil {
		return err
	}
	var born []byte
	for i := range g.entries {
		n := &g.entries[i]
		for k := range n.members {
			leased := n.delay == 0 && n.OrderingKey == "" && t.offers.take(n.Targets[k])
			if leased {
				g.waiting++
			}
			n.members[k].born = leased
			born = append(born, byte(number(leased)))
		}
	}
	t.offering = append(t.offering, g)
	if g.waiting == 0 {
		return nil
	}
	e.give(t, g)
	return t.exec(ctx, insertJournalClaim, g.seq, born)
}

// advance goes on with what waits in the journal, in its order: it gives deliveries to the dispatcher, and makes the rows
// of what is through. With all, it makes rows whatever they might wait for. It says whether there was anything to do.
func (e *sqliteEngine) advance(ctx context.Context, t *txn, all bool) (progress bool, err error) {
	made, blocked := 0, false
	for _, g := range e.journal.groups {
		if made >= unfoldSlice {
			break
		}
		if !g.offered && !all {
			if err := e.decode(ctx, t, g); err != nil {
				return progress, err
			}
			switch e.chance(t, g) {
			case chanceLater:
				return progress, nil
			case chanceNow:
				if err := e.claimGroup(ctx, t, g); err != nil {
					return progress, err
				}
				progress = true
			case chanceNever:
			}
		}
		if blocked = blocked || !all && g.waiting > 0 && !(g.remote && time.Since(g.bornAt) >= unfoldPatience); blocked {
			if g.waiting == 0 {
				break
			}
			continue
		}
		if err := e.unfold(ctx, t, g); err != nil {
			return progress, fmt.Errorf("unfold the journal: %w", err)
		}
		made += g.messages
		progress = true
	}
	return progress, nil
}

// ahead claims the next groups of the journal for which there is room, in a transaction that is committed for another reason.
func (e *sqliteEngine) ahead(ctx context.Context, t *txn) error {
	for _, g := range e.journal.waiting() {
		if slices.Contains(t.unfolded, g) || slices.Contains(t.offering, g) {
			continue
		}
		if err := e.decode(ctx, t, g); err != nil {
			return err
		}
		if e.chance(t, g) != chanceNow {
			return nil
		}
		if err := e.claimGroup(ctx, t, g); err != nil {
			return err
		}
	}
	return nil
}

// chance is what a group's deliveries to targets inside the database may hope for.
type chance int

const (
	chanceNever chance = iota // nobody is there to take them
	chanceNow
	chanceLater // when those that run have made room
)

// chance asks whether the dispatcher has room for a group.
func (e *sqliteEngine) chance(t *txn, g *group) chance {
	counts := map[string]int{}
	for i := range g.entries {
		n := &g.entries[i]
		if n.delay > 0 || n.OrderingKey != "" {
			continue
		}
		for _, target := range n.Targets {
			counts[target]++
		}
	}
	return t.offers.chance(counts)
}

// recoverJournal takes in what the process before left in the journal. What it had claimed gets its rows at once, leased,
// so that the leases can be taken back.
func (e *sqliteEngine) recoverJournal(ctx context.Context, t *txn) error {
	rows, err := t.query(ctx, listJournal)
	if err != nil {
		return err
	}
	type stored struct {
		seq     int64
		size    int
		claimed bool
	}
	found, err := collect(rows, func(row scanner) (s stored, err error) {
		return s, row.Scan(&s.seq, &s.size, &s.claimed)
	})
	if err != nil {
		return err
	}
	var last *group
	for _, s := range found {
		g := &group{seq: s.seq, size: s.size}
		born, err := e.recoverGroup(ctx, t, g, s.claimed)
		if err != nil {
			return err
		}
		if e.journal.add([]*group{g}, nil); born {
			last = g
		}
	}
	if last == nil {
		return nil
	}
	return e.unfoldTo(ctx, t, last)
}

// recoverGroup reads a group, and says whether any of its deliveries was claimed.
func (e *sqliteEngine) recoverGroup(ctx context.Context, t *txn, g *group, claimed bool) (born bool, err error) {
	if err := e.decode(ctx, t, g); err != nil {
		return false, err
	}
	var flags []byte
	if claimed {
		if err := t.scan(ctx, selectJournalClaim, []any{g.seq}, &flags); err != nil {
			return false, err
		}
	}
	n := 0
	for i := range g.entries {
		entry := &g.entries[i]
		e.journal.keys[e.journal.hash("", entry.ID)] = place{group: g, entry: i}.spot()
		if entry.DedupeKey != "" {
			e.journal.keys[e.journal.hash(entry.Source, entry.DedupeKey)] = place{group: g, entry: i}.spot()
		}
		for k := range entry.members {
			m := &entry.members[k]
			if m.born = m.born || n < len(flags) && flags[n] == 1; m.born {
				born = true
			}
			n++
		}
	}
	if !born {
		g.entries = nil
	}
	return born, nil
}

// locate finds the row of a delivery that was claimed in the journal.
func (e *sqliteEngine) locate(ctx context.Context, t *txn, c *claimed) error {
	g := c.place.group
	if g == nil {
		return nil
	}
	if !g.done && !slices.Contains(t.unfolded, g) {
		if err := e.unfoldTo(ctx, t, g); err != nil {
			return err
		}
	}
	c.seq = c.place.member().seq
	return nil
}
