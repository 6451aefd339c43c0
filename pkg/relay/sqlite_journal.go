package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/signet/pkg/relay/internal/record"
)

const (
	insertJournal = `INSERT INTO journal (seq, records) VALUES (?, ?)`
	selectJournal = `SELECT records FROM journal WHERE seq = ?`
	updateJournal = `UPDATE journal SET records = ? WHERE seq = ?`
	deleteJournal = `DELETE FROM journal WHERE seq = ?`
	lastJournal   = `SELECT coalesce(max(seq), 0) FROM journal`
	// What is folded comes before all that is not.
	listJournal = `SELECT j.seq, length(j.records), c.born IS NOT NULL FROM journal j LEFT JOIN journal_claims c USING (seq)
  WHERE j.seq > coalesce((SELECT max(seq) FROM folded), 0) ORDER BY j.seq`

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
		for n < len(fresh) && n < journalCount && (n == 0 || size+fresh[n].size() <= journalRow) {
			size += fresh[n].size()
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
	g := &group{seq: e.journal.last + 1 + int64(len(t.journaled)), at: t.now.UnixMicro(), messages: len(drafts), counts: map[total]int64{}}
	mayOffer := e.journal.allOffered() && len(t.journaled) == 0 // else it would overtake what waits
	g.record = record.Begin(slices.Grow(e.scratch[:0], size), g.at, len(drafts))
	var deliveries []record.Delivery
	if t.keys == nil {
		t.keys = map[uint64]*prepared{}
	}
	for i, p := range drafts {
		p.place = place{group: g, entry: i}
		p.accepted()
		if e.journal.ids {
			t.keys[e.journal.hash("", p.ID)] = p
		}
		deliveries = deliveries[:0]
		for k, target := range p.Targets {
			leased := mayOffer && t.offered(p, target)
			if leased {
				g.waiting++
			}
			g.counted(target, leased)
			deliveries = append(deliveries, record.Delivery{ID: p.deliveries[k], Target: target, Born: leased})
		}
		m := p.recorded()
		m.Deliveries = deliveries
		g.record = m.Append(g.record)
	}
	g.size = len(g.record)
	t.journaled = append(t.journaled, g)
	if err := t.exec(ctx, insertJournal, g.seq, e.packer.Pack(g.record)); err != nil {
		return err
	}
	e.retain(g)
	if g.waiting == 0 {
		return nil
	}
	g.offered, g.bornAt = true, time.Now()
	if err := e.decode(ctx, t, g); err != nil {
		return err
	}
	e.give(t, g)
	return nil
}

// retain keeps the record of a new group in memory if it is wanted soon or there is room.
func (e *sqliteEngine) retain(g *group) {
	if e.scratch = g.record[:0]; cap(e.scratch) > 2*journalRow {
		e.scratch = nil
	}
	if g.waiting > 0 || e.journal.kept+g.size <= journalMemory {
		g.record = slices.Clone(g.record)
	} else {
		g.record = nil
	}
}

// recorded is a draft as the journal has it, but for its deliveries.
func (p *prepared) recorded() record.Message {
	return record.Message{
		ID: p.ID, Source: p.Source, Type: p.Type, DedupeKey: p.DedupeKey, OrderingKey: p.OrderingKey, Tenant: p.Tenant,
		Headers: p.Headers, Body: p.Body, Delay: p.delay.Microseconds(),
	}
}

// size is about how many bytes a draft takes in the journal.
func (p *prepared) size() int {
	m := p.recorded()
	n := m.Size()
	for k, target := range p.Targets {
		n += len(target) + len(p.deliveries[k]) + 8
	}
	return n
}

// give hands the deliveries of a group that are born leased to the dispatcher, when the transaction is committed.
func (e *sqliteEngine) give(t *txn, g *group) {
	at := time.UnixMicro(g.at).UTC()
	for i := range g.entries {
		n := &g.entries[i]
		if !slices.ContainsFunc(n.members, func(m member) bool { return m.born }) {
			continue
		}
		m := Message{
			ID: n.ID, Source: n.Source, Type: n.Type, DedupeKey: n.DedupeKey, OrderingKey: n.OrderingKey, Tenant: n.Tenant,
			Headers: slices.Clone(n.Headers), Body: slices.Clone(n.Body), CreatedAt: at, // a runner may do with them what it likes
		}
		for k := range n.members {
			if !n.members[k].born {
				continue
			}
			d := Delivery{
				ID: n.Deliveries[k].ID, MessageID: m.ID, TargetID: n.Deliveries[k].Target, Source: m.Source, Type: m.Type,
				State: Delivering, Attempts: 1, CreatedAt: at, UpdatedAt: t.now,
			}
			if !t.offers.local(d.TargetID) {
				g.remote = true
			}
			c := claimed{token: 1, delivery: d, until: t.now.Add(e.lease), place: place{g, i, k}}
			t.born = append(t.born, &task{claimed: c, job: Job{Message: m, Delivery: d}})
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
	if known, err := e.knownKey(ctx, t, p); known || err != nil {
		return known, err
	}
	if !p.given {
		return false, nil
	}
	return false, e.free(ctx, t, p)
}

// knownKey goes by the draft's dedupe key.
func (e *sqliteEngine) knownKey(ctx context.Context, t *txn, p *prepared) (bool, error) {
	if p.DedupeKey == "" {
		return false, nil
	}
	h := e.journal.hash(p.Source, p.DedupeKey)
	if first := t.keys[h]; first != nil {
		if first.Source != p.Source || first.DedupeKey != p.DedupeKey {
			return false, errCollision
		}
		p.receipt = Receipt{ID: strings.Clone(first.ID), Duplicate: true}
		return true, nil
	}
	known := false
	if !e.journal.filter.fresh(h) {
		var err error
		if known, err = e.storedKey(ctx, t, p, h); err != nil {
			return false, err
		}
	}
	if !known {
		t.fresh(h, p)
	}
	return known, nil
}

// storedKey looks for the draft's dedupe key, of that hash, where keys can be: in the journal, with rows but not merged yet,
// in the table.
func (e *sqliteEngine) storedKey(ctx context.Context, t *txn, p *prepared, h uint64) (bool, error) {
	if at, ok := e.journal.find(h); ok {
		return e.knownInJournal(ctx, t, p, at)
	}
	if first := e.journal.unmerged.find(h, p.Source, p.DedupeKey); first != nil {
		return true, duplicateOf(ctx, t, p, first.id)
	}
	err := t.find(ctx, findKey, []any{p.Source, p.DedupeKey}, &p.receipt.ID)
	if errors.Is(err, sql.ErrNoRows) {
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
	return true, duplicateOf(ctx, t, p, strings.Clone(first.ID))
}

// free makes sure that no other message has the id that a draft came with.
func (e *sqliteEngine) free(ctx context.Context, t *txn, p *prepared) error {
	if err := e.indexIDs(ctx, t); err != nil {
		return err
	}
	h := e.journal.hash("", p.ID)
	_, inJournal := e.journal.find(h)
	if t.keys[h] != nil || inJournal {
		return errTaken
	}
	if err := e.journal.mayHave(p.ID); err != nil {
		return err
	}
	if err := e.unused(ctx, t, p.ID); err != nil {
		return err
	}
	t.keys[h] = p
	return nil
}

// unused makes sure that no message that has rows or is folded has an id.
func (e *sqliteEngine) unused(ctx context.Context, t *txn, id string) error {
	taken, err := e.inRows(ctx, t, id)
	if err == nil && !taken {
		taken, err = e.inFolded(ctx, t, id)
	}
	if err == nil && taken {
		err = errTaken
	}
	return err
}

// indexIDs begins to keep the ids of what is in the journal.
func (e *sqliteEngine) indexIDs(ctx context.Context, t *txn) error {
	if e.journal.ids {
		return nil
	}
	for _, g := range e.journal.groups {
		entries, err := e.entries(ctx, t, g)
		if err != nil && g.damage == nil {
			return err
		}
		for i := range entries {
			e.journal.keys[e.journal.hash("", entries[i].ID)] = place{group: g, entry: i}.spot()
		}
	}
	for _, g := range e.journal.damaged {
		g.unindexed = true
	}
	e.journal.ids = true
	return nil
}

// inRows says whether a message that has rows has an id.
func (e *sqliteEngine) inRows(ctx context.Context, t *txn, id string) (bool, error) {
	if key, prefixed := strings.CutPrefix(id, messagePrefix); prefixed && id > e.lastRow && key > e.lastFolded {
		return false, nil // as most: newer than all that has rows, or had been folded and has rows again
	}
	var one int64
	err := t.find(ctx, findMessage, []any{id}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// inFolded says whether a message that is folded has an id.
func (e *sqliteEngine) inFolded(ctx context.Context, t *txn, id string) (bool, error) {
	if key, _, ours := foldableID(id); !ours || key > e.lastFolded { // most are newer than all that is folded
		return false, nil
	}
	_, _, found, err := findFolded(ctx, t, id)
	return found, err
}

// decode makes the entries of a group available, to stay until they have their rows.
func (e *sqliteEngine) decode(ctx context.Context, t *txn, g *group) (err error) {
	if g.entries != nil {
		return nil
	}
	g.entries, err = e.entries(ctx, t, g)
	return err
}

// readable is decode, and says whether it could be done. One that is damaged is no error.
func (e *sqliteEngine) readable(ctx context.Context, t *txn, g *group) (bool, error) {
	err := e.decode(ctx, t, g)
	if g.damage != nil {
		return false, nil
	}
	return err == nil, err
}

// entries reads those of a group.
func (e *sqliteEngine) entries(ctx context.Context, t *txn, g *group) ([]entry, error) {
	if g.entries != nil || g.damage != nil {
		return g.entries, g.damage
	}
	raw, err := g.record, error(nil)
	if raw == nil {
		err = t.scan(ctx, selectJournal, []any{g.seq}, &raw)
	}
	var at int64
	var messages []record.Message
	if err == nil {
		at, messages, err = record.Read(raw)
	}
	if err != nil {
		return nil, e.journal.damagedAs(g, err)
	}
	g.at, g.messages = at, len(messages)
	entries := make([]entry, len(messages))
	for i := range messages {
		entries[i] = entry{Message: &messages[i], members: make([]member, len(messages[i].Deliveries))}
		for k, d := range messages[i].Deliveries {
			entries[i].members[k].born = d.Born
		}
	}
	return entries, nil
}
