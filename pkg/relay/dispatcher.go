package relay

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// DispatcherConfig configures a [Dispatcher]. Only Resolver is required.
type DispatcherConfig struct {
	Resolver Resolver                     // asked again for every target when targets change, and at Wake
	Observe  func(Observation)            // called after an attempt's outcome is committed; from several goroutines, and must not block
	Log      func(what string, err error) // faults of the engine itself; a row of the journal that is damaged, once
	Poll     time.Duration                // the longest time between two looks for due work: 1 s
	Breaker  Breaker                      // of every target outside the database

	// Refresh, if there is one, is called before the dispatcher looks which targets there are: at the start, at each
	// poll, and when targets have been changed, here or by another process that told of it. It is for what the service
	// keeps in memory of its targets. It holds up the dispatcher, so it does little when nothing has changed.
	Refresh func(ctx context.Context) error

	// TargetChanged is told when a target's breaker opens or closes in this process, and when the engine has disabled a
	// target. It is called from several goroutines, the writer's among them: it must not block, nor call the store.
	TargetChanged func(TargetChange)

	// Announce, if there is one, answers messages that tell that the engine disables a target. They are appended in the
	// transaction that does: both happen or neither, and if neither, the attempt that led to it is made again. It is called
	// by the writer, perhaps again after a rollback, so it must not block, call the store or have an effect. What is
	// invalid of what it answers is told to Log, and the target is disabled without it.
	Announce func(TargetChange) []Draft
}

// Dispatcher claims due deliveries and has their runners perform them: the one path for first attempts and
// retries. Each target has its own limit, so one that hangs holds up no other.
type Dispatcher struct {
	store *Store
	cfg   DispatcherConfig
	lanes map[string]*lane // owned by the loop, as are the following

	active     map[string]*lane // those that may need attention: thousands of idle ones cost nothing
	unresolved map[string]bool  // enabled targets that had no runner here
	version    int64            // of the targets, when they were read

	breakers sync.Map // *breaker by target, for whoever asks
	mu       sync.Mutex
	ended    map[string]int // attempts that are over, by target
	finished chan struct{}  // there are some
	quit     chan struct{}
	loopDone chan struct{}
	running  sync.WaitGroup // attempts, and the recording of their outcomes
	crew     *crew          // runs attempts
	once     sync.Once
	started  atomic.Bool

	begins   context.Context // ends when Stop begins
	stop     context.CancelFunc
	attempts context.Context // ends when Stop has run out of patience
	abort    context.CancelFunc
}

// NewDispatcher makes a dispatcher; Start starts it. One store has at most one.
func NewDispatcher(s *Store, cfg DispatcherConfig) *Dispatcher {
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	if cfg.Log == nil {
		cfg.Log = func(string, error) {}
	}
	if cfg.TargetChanged == nil {
		cfg.TargetChanged = func(TargetChange) {}
	}
	cfg.Breaker = cfg.Breaker.withDefaults()
	d := &Dispatcher{
		store: s, cfg: cfg, lanes: map[string]*lane{}, active: map[string]*lane{}, unresolved: map[string]bool{},
		ended: map[string]int{}, finished: make(chan struct{}, 1), quit: make(chan struct{}), loopDone: make(chan struct{}),
	}
	d.crew = newCrew(d.quit)
	d.attempts, d.abort = context.WithCancel(context.Background())
	d.begins, d.stop = context.WithCancel(d.attempts)
	return d
}

// Start begins to claim and run, in goroutines of its own. Call it once.
func (d *Dispatcher) Start() {
	d.started.Store(true)
	go d.loop()
}

// Wake makes the dispatcher look for due work now.
func (d *Dispatcher) Wake() { d.store.wake.targetsChanged() }

// abortTime is how long interrupted attempts have to be recorded.
const abortTime = time.Second

// Stop claims no more, gives back what was not begun, and waits for what is running. When ctx ends first,
// attempts are interrupted and have a second to be recorded; the leases of those that ignore it are taken back
// at the next start. The store is closed after it.
func (d *Dispatcher) Stop(ctx context.Context) error {
	d.once.Do(func() { close(d.quit); d.stop() })
	if !d.started.Load() {
		return nil
	}
	<-d.loopDone
	idle := make(chan struct{})
	go func() { d.running.Wait(); close(idle) }()
	defer d.abort()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	d.abort()
	select {
	case <-idle:
	case <-time.After(abortTime): // a runner that ignores its context holds up nobody
	}
	return fmt.Errorf("relay: attempts were interrupted: %w", ctx.Err())
}

func (d *Dispatcher) loop() {
	defer close(d.loopDone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var swept time.Time
	for {
		if now := d.store.cfg.Now(); now.Sub(swept) >= d.cfg.Poll || now.Before(swept) {
			swept = now
			d.housekeep()
		}
		timer.Reset(d.round())
		select {
		case <-d.quit:
			d.leave()
			return
		case <-timer.C:
		case <-d.store.wake.signal:
		case <-d.finished:
			d.freed()
		}
	}
}

// round claims what is due for lanes with room, starts it, and says when to look again.
func (d *Dispatcher) round() time.Duration {
	targets, changed := d.store.wake.take()
	if changed {
		d.refreshService()
		d.refresh()
	}
	for id := range targets {
		d.lookAt(id)
	}
	d.receive()
	now := d.store.cfg.Now()
	var wants []want
	for id, l := range d.active {
		if n := l.room(now); n > 0 {
			wants = append(wants, want{target: id, limit: n})
		}
	}
	if len(wants) > 0 {
		d.claim(wants)
	}
	wait, places, locals := d.cfg.Poll, map[string]int{}, map[string]int{}
	now = d.store.cfg.Now()
	for id, l := range d.active {
		wait = min(wait, l.wait(now, d.cfg.Poll))
		places[id] = l.places(now)
		// With a rate there is never room for many: those are claimed as rows.
		if locals[id] = 0; l.runner.effect != nil && l.bucket.limiter == nil && !l.retired && !l.closed.Load() {
			locals[id] = l.capacity()
		}
		if l.idle(now) { // its places stay
			delete(d.active, id)
		}
	}
	d.store.wake.offers.set(places, locals)
	return max(wait, 0)
}

// receive starts what was born leased.
func (d *Dispatcher) receive() {
	for _, b := range d.store.wake.offers.collect() {
		d.store.cfg.reach(afterClaim)
		l := d.lanes[b.job.Delivery.TargetID]
		if l == nil || l.retired {
			d.running.Go(func() { d.giveBack(0, b) })
			continue
		}
		l.held++
		d.active[b.job.Delivery.TargetID] = l
		d.startPaced(l, b)
	}
}

// leave takes no more of what is born leased, and gives back what has come and what was not begun.
func (d *Dispatcher) leave() {
	var waiting []*task
	for _, l := range d.lanes {
		waiting = append(waiting, l.slots.leave()...)
	}
	d.running.Go(func() { d.notBegun(waiting) })
	offers := d.store.wake.offers
	offers.close()
	if offers.busy() { // the transaction under way is over when one after it is
		_ = d.store.appends.do(context.Background(), newOp(func(context.Context, *txn) error { return nil }))
	}
	if claims := offers.collect(); len(claims) > 0 {
		d.giveBack(0, claims...)
	}
}

func (d *Dispatcher) claim(wants []want) {
	all, err := d.store.claim(context.Background(), wants)
	if err != nil {
		d.cfg.Log("claim due deliveries", err)
		for _, w := range wants {
			l := d.lanes[w.target]
			l.look, l.nextAt = false, time.Time{} // until the next poll
		}
		return
	}
	var claims []*task
	for _, w := range wants {
		g := all[w.target]
		d.lanes[w.target].took(g, w.limit)
		claims = append(claims, g.claims...)
	}
	if len(claims) == 0 {
		return
	}
	d.store.cfg.reach(afterClaim)
	if err := d.store.load(context.Background(), claims); err != nil {
		d.cfg.Log("read claimed messages", err)
		d.unclaim(claims)
		return
	}
	for _, k := range claims {
		m, c := &k.job.Message, &k.claimed.delivery
		c.MessageID, c.Source, c.Type = m.ID, m.Source, m.Type
		k.job.Delivery = *c
		d.startPaced(d.lanes[c.TargetID], k)
	}
}

// unclaim gives back what could not be read, for a later poll.
func (d *Dispatcher) unclaim(claims []*task) {
	later := d.store.cfg.Now().Add(d.cfg.Poll)
	for _, k := range claims {
		l := d.lanes[k.claimed.delivery.TargetID]
		l.held--
		l.look, l.nextAt = false, later
	}
	d.giveBack(d.cfg.Poll, claims...)
}

// freed takes note of attempts that are over.
func (d *Dispatcher) freed() {
	d.mu.Lock()
	ended := d.ended
	d.ended = map[string]int{}
	d.mu.Unlock()
	for target, n := range ended {
		l := d.lanes[target]
		if l == nil {
			continue
		}
		l.held -= n
		d.active[target] = l
		l.ended(n, time.Now())
		if l.retired && l.held == 0 {
			d.drop(target)
		}
	}
}
