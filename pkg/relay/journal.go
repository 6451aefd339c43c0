package relay

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/signet/pkg/relay/internal/record"
)

// The journal lets a crowd of callers append at the cost of writing one row for all of them. It is unfolded a little later,
// many messages in one commit and often together with the outcomes of their first attempts: a message all of whose
// deliveries are delivered by then is folded (see folded.go), and any other gets rows of its own. Where this file and those
// about the journal speak of a message's rows, they mean either.
//
// What is in the journal is accepted: it is on disk, its dedupe keys count, and whoever reads what is in there waits until it
// has been unfolded, or reads it there (see journal_read.go) if that takes too long or cannot be. This is SQLite's; PostgreSQL's
// is in postgres_journal.go. Only the writer's goroutine uses it, but for what says otherwise.
const (
	journalCrowd    = 8                // appends in one commit from which on they go through the journal
	journalMessages = 1 << 18          // may wait in the journal: beyond that its rows are made first
	journalBytes    = 1 << 28          // the same in bytes
	journalAge      = 10 * time.Second // the same in time: nothing waits for longer, if its rows can be made in that time
	journalRow      = 1 << 20          // bytes of one row, unless a single message is larger
	journalCount    = 512              // messages of one row
	journalMemory   = 4 << 20          // bytes of rows that are kept in memory too
	unfoldSlice     = 1024             // messages whose rows are made in one commit
	unfoldPatience  = 50 * time.Millisecond
	unfoldRetry     = 200 * time.Millisecond // after a failure
)

// group is one row of the journal.
type group struct {
	seq      int64
	at       int64  // when it was appended: Unix µs
	record   []byte // nil: in the table only
	entries  []entry
	messages int
	size     int

	counts map[total]int64 // what its rows will add to the totals, as of now

	offered bool      // its deliveries have had their chance to be born leased
	waiting int       // born, and neither held nor recorded
	remote  bool      // some of those are attempts outside of the database
	bornAt  time.Time // when they were
	done    bool      // its rows are there

	damage    error // its row cannot be read: see journal_damage.go
	unindexed bool  // and its messages' ids are not known
}

// place is where a message or a delivery is in the journal.
type place struct {
	group           *group
	entry, delivery int
}

func (p place) member() *member { return &p.group.entries[p.entry].members[p.delivery] }

// journal is what the rows of the journal's table hold, and what has become of them since.
type journal struct {
	groups   []*group        // in their order; the first is the next to get its rows
	keys     map[uint64]spot // of what has no rows yet
	ids      bool            // its messages' ids are among them: only where callers bring their own
	filter   *keyFilter
	seed     maphash.Seed
	messages int
	bytes    int
	kept     int             // bytes of the records in memory
	last     int64           // the newest row's seq
	lease    time.Duration   // of what is claimed
	retryAt  time.Time       // after a failure
	counts   map[total]int64 // of all groups
	unmerged unmerged
	pressed  bool // see press
	stalled  bool // there was nothing to do for it; something has to change first

	damaged []*group // not to be read; none of them is among the groups after the transaction that found out
	aside   int      // how many of those are not

	nudge chan struct{} // something has changed that the writer does not know of

	appended atomic.Int64 // last; any goroutine may read it
	unfolded atomic.Int64 // the rows of everything up to here are there
	mu       sync.Mutex
	readers  []reading
	untold   []error      // damage, for report
	torn     atomic.Bool  // there is something damaged; any goroutine may read it
	view     sync.RWMutex // held while a commit moves something between the journal and the rows
}

// reading waits for rows.
type reading struct {
	seq   int64
	ready chan error
}

// entry is a message in the journal, and member one of its deliveries. Their bytes are those of their group's record.
type entry struct {
	*record.Message
	members []member
	seq     int64 // of its row, once there is one
}

type member struct {
	born bool  // leased: its first attempt was given away
	seq  int64 // of its row, once there is one
	// held is the outcome of that attempt, which waits to be recorded together with the row.
	held *op
}

// spot is where a message is in the journal, in one word: its group's seq, and which of the group's it is.
type spot uint64

const spotBits = 24 // for the latter

func (p place) spot() spot { return spot(p.group.seq)<<spotBits | spot(p.entry) }

// find is the place of a message whose key or id has a hash.
func (j *journal) find(hash uint64) (place, bool) {
	s, ok := j.keys[hash]
	if !ok {
		return place{}, false
	}
	seq, entry := int64(s>>spotBits), int(s&(1<<spotBits-1))
	i, ok := slices.BinarySearchFunc(j.groups, seq, func(g *group, seq int64) int { return cmp.Compare(g.seq, seq) })
	if ok {
		return place{group: j.groups[i], entry: entry}, true
	}
	g, ok := j.lost(seq)
	return place{group: g, entry: entry}, ok
}

func newJournal(lease time.Duration) *journal {
	return &journal{lease: lease, counts: map[total]int64{}, keys: map[uint64]spot{}, filter: newKeyFilter(), seed: maphash.MakeSeed(), nudge: make(chan struct{}, 1)}
}

func (j *journal) empty() bool { return len(j.groups) == 0 }

// allOffered says whether nothing in the journal waits for a chance to be born leased.
func (j *journal) allOffered() bool { return j.empty() || j.groups[len(j.groups)-1].offered }

// waiting lists the groups that wait for a chance to be born leased, the next one first.
func (j *journal) waiting() []*group {
	i := 0
	for i < len(j.groups) && j.groups[i].offered {
		i++
	}
	return j.groups[i:]
}

// patience is for how long the rows of a group wait for the outcomes of its first attempts. Effects are the writer's own
// work, and come; only what was lost on the way runs into the end of its lease.
func (j *journal) patience(g *group) time.Duration {
	if g.remote {
		return unfoldPatience
	}
	return j.lease
}

// press says whether so much is in the journal that its rows must not wait any longer; then until a quarter is through.
func (j *journal) press(now time.Time) {
	part := 4
	if j.pressed {
		part = 3
	}
	old := !j.empty() && now.Sub(time.UnixMicro(j.groups[0].at)) > journalAge/4*time.Duration(part)
	j.pressed = old || j.messages > journalMessages/4*part || j.bytes > journalBytes/4*part
}

// hash names a dedupe key, or with an empty source a message's id.
func (j *journal) hash(source, key string) uint64 {
	var h maphash.Hash
	h.SetSeed(j.seed)
	_, _ = h.WriteString(source)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(key)
	return h.Sum64()
}

// add takes in what a transaction has appended.
func (j *journal) add(groups []*group, keys map[uint64]*prepared) {
	for _, g := range groups {
		j.groups = append(j.groups, g)
		j.count(g)
		j.messages += g.messages
		j.bytes += g.size
		j.last = g.seq
		switch {
		case g.record == nil: // in the table only
		case j.kept+g.size > journalMemory && g.waiting == 0:
			g.record, g.entries = nil, nil
		default:
			j.kept += g.size
		}
	}
	for h, p := range keys {
		if p.place.group != nil {
			j.keys[h] = p.place.spot()
		}
	}
	j.appended.Store(j.last)
	j.stalled = false
}

// count adds what is known of a group's deliveries to the journal's totals.
func (j *journal) count(g *group) {
	for k, n := range g.counts {
		j.counts[k] += n
	}
	j.counts[messagesTotal] += int64(g.messages)
}

func (j *journal) uncount(g *group) {
	for k, n := range g.counts {
		if j.counts[k] -= n; j.counts[k] == 0 {
			delete(j.counts, k)
		}
	}
	j.counts[messagesTotal] -= int64(g.messages)
}

// claimed takes note that deliveries of a group were claimed.
func (j *journal) claimed(g *group) {
	j.uncount(g)
	g.recount()
	j.count(g)
	g.offered, g.bornAt = true, time.Now()
}

// recount goes by the group's entries.
func (g *group) recount() {
	g.counts = map[total]int64{}
	for i := range g.entries {
		e := &g.entries[i]
		for k := range e.members {
			g.counted(e.Deliveries[k].Target, e.members[k].born)
		}
	}
}

func (g *group) counted(target string, born bool) {
	state := Pending
	if born {
		state = Delivering
	}
	g.counts[total{target, state}]++
}

// remove forgets groups whose rows a transaction has made.
func (j *journal) remove(groups []*group) {
	if len(groups) > 0 {
		j.stalled = false
	}
	for _, g := range groups {
		g.done = true
		j.uncount(g)
		j.messages -= g.messages
		j.bytes -= g.size
		if g.record != nil {
			j.kept -= g.size
		}
		for i := range g.entries {
			e := &g.entries[i]
			if j.ids {
				delete(j.keys, j.hash("", e.ID))
			}
			if e.DedupeKey != "" {
				delete(j.keys, j.hash(e.Source, e.DedupeKey))
			}
		}
		g.record = nil
	}
	n := 0
	for n < len(j.groups) && j.groups[n].done {
		j.groups[n] = nil
		n++
	}
	j.groups = j.groups[n:]
	j.moved()
}

// moved takes note that the first of the groups is another one.
func (j *journal) moved() {
	if len(j.groups) == 0 {
		j.groups = nil
		j.unfolded.Store(j.last)
	} else {
		j.unfolded.Store(j.groups[0].seq - 1)
	}
	j.tell(nil)
}

// hold keeps the outcome of an attempt whose delivery has no row yet. False: it has one.
func (j *journal) hold(o *op) bool {
	p := o.outcome.claimed.place
	if p.group == nil || p.group.done {
		return false
	}
	p.member().held = o
	p.group.waiting--
	j.stalled = false
	return true
}

// wait is for how long the first group has nothing to do; negative: until something is told.
func (j *journal) wait(now time.Time) time.Duration {
	if j.empty() {
		return -1
	}
	if j.retryAt.After(now) {
		return j.retryAt.Sub(now)
	}
	g := j.groups[0]
	switch {
	case j.awaited() || j.pressed && !j.stalled:
		return 0
	case g.waiting > 0:
		return max(0, g.bornAt.Add(j.patience(g)).Sub(now))
	case j.stalled:
		return -1
	}
	return 0
}

// outcomes says whether what is to be recorded first are outcomes of attempts outside of the database: nobody gives way
// with those.
func (j *journal) outcomes() bool { return !j.empty() && j.groups[0].remote }

// awaited says whether somebody waits for rows. Any goroutine may ask.
func (j *journal) awaited() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.readers) > 0
}

// await waits until everything that is in the journal now has its rows. Any goroutine may call it.
func (j *journal) await(ctx context.Context, closed <-chan struct{}) error {
	seq := j.appended.Load()
	if j.unfolded.Load() >= seq {
		return nil
	}
	r := reading{seq: seq, ready: make(chan error, 1)}
	j.mu.Lock()
	j.readers = append(j.readers, r)
	j.mu.Unlock()
	if j.unfolded.Load() >= seq {
		j.tell(nil)
	}
	j.wake()
	return r.wait(ctx, closed)
}

func (r reading) wait(ctx context.Context, closed <-chan struct{}) error {
	select {
	case err := <-r.ready:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-closed:
		return errStopped
	}
}

// tell answers those who wait for rows that are there; with an error, all of them.
func (j *journal) tell(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := j.readers[:0]
	for _, r := range j.readers {
		if err == nil && r.seq > j.unfolded.Load() {
			rest = append(rest, r)
			continue
		}
		r.ready <- err
	}
	clear(j.readers[len(rest):])
	j.readers = rest
}

// placesMoved tells of places with the dispatcher. Any goroutine may call it.
func (j *journal) placesMoved() {
	if j.unfolded.Load() < j.appended.Load() {
		j.wake()
	}
}

// wake makes the writer look at the journal. Any goroutine may call it.
func (j *journal) wake() {
	select {
	case j.nudge <- struct{}{}:
	default:
	}
}
