package relay

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How much one commit may carry, and how much may wait for one.
const (
	maxGroup       = 512 // engine operations in one commit, and as many outcomes that nobody waits for
	lingerGroup    = 20  // operations that wait: with fewer, a crowd is lingered for,
	lingerTimes    = 3   // so many times,
	lingerTime     = 300 * time.Microsecond
	pressedGroup   = 512  // messages in one commit while what waits in the journal must not grow: half of unfoldSlice
	maxEffectGroup = 1024 // effects in one commit, where nobody else waits for it,
	effectGroup    = 256  // or else
	queueLength    = 4096 // operations waiting

	// Outcomes that nobody waits for are committed together with whatever comes next, or when so many have come, or so long
	// after the first of them.
	outcomeGroup = 128
	outcomeTime  = 3 * time.Millisecond
)

// writer commits one transaction after another. Operations queue for it and share its transactions: everything
// that waits when a commit is over goes into the next one, so the fsync is paid once for all of it.
//
// Engine operations (appends, claims, outcomes) never share a transaction with effects, which run foreign
// code: a statement of theirs that is interrupted rolls the whole transaction back. Effects share one among
// themselves; when anything in it goes wrong, it is rolled back and each runs alone.
type writer struct {
	engine engine
	cfg    Config
	wake   *wakeups
	shard  int64         // of the totals
	limit  time.Duration // of one transaction; 0: none
	// groupTime is after how long a group of effects takes no more of them: where other processes may wait for the
	// rows it has changed, a part of what an effect may take.
	groupTime time.Duration

	ops        chan *op
	results    results  // outcomes that nobody waits for
	effects    chan *op // whose callers wait
	processing chan *op // effects of deliveries: these give way to appends
	alone      []*op    // effects whose shared transaction failed; each runs in one of its own
	courtesy   courtesy
	journal    *journal    // nil: the engine has none
	staged     *staged     // nil, or this writer makes the rows of what is in it
	cheap      func() bool // nil, or says whether a crowd's appends go through the journal now
	crowd      atomic.Bool // many append at once
	runner     effectRunner
	peeked     *op // of processing, taken out of its queue too early

	timers   sync.Pool    // of callers' patience
	entering atomic.Int64 // callers between looking at quit and having queued

	quit    chan struct{} // closed: stop
	stopped chan struct{} // closed: stopped
	once    sync.Once
	started bool
}

func newWriter(e engine, cfg Config, wake *wakeups, shard int64, limit time.Duration) *writer {
	groupTime := cfg.EffectTimeout
	if limit > 0 {
		groupTime /= 4
	}
	j := e.log()
	if j != nil {
		wake.offers.moved = j.placesMoved
	}
	return &writer{
		groupTime: groupTime, journal: j, courtesy: courtesy{crowd: wake.crowd, always: cfg.journaled, shared: j == nil},
		engine: e, cfg: cfg, wake: wake, shard: shard, limit: limit,
		ops: make(chan *op, queueLength), results: newResults(), effects: make(chan *op, queueLength), processing: make(chan *op, queueLength),
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
}

func (w *writer) start() {
	w.started = true
	go w.loop()
}

// stop lets what is queued finish.
func (w *writer) stop() {
	w.once.Do(func() {
		close(w.quit)
		if w.started {
			<-w.stopped
		} else {
			close(w.stopped)
		}
	})
}

// do queues an operation and waits for its commit. When it cannot even begin within Config.AppendWait the
// answer is ErrUnavailable; when ctx ends first, its error. In both cases nothing was done.
func (w *writer) do(ctx context.Context, o *op) error {
	patience := w.timer(w.cfg.AppendWait)
	defer w.timers.Put(patience)
	defer patience.Stop()
	if err := w.enqueue(ctx, o, patience.C); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.withdraw() {
			return ctx.Err()
		}
	case <-patience.C:
		if o.withdraw() {
			return fmt.Errorf("%w: the writer is behind", ErrUnavailable)
		}
	case <-w.stopped:
		if o.withdraw() {
			return errStopped
		}
	}
	return <-o.done
}

// timer is one that has been used before, where there is one.
func (w *writer) timer(d time.Duration) *time.Timer {
	if t, ok := w.timers.Get().(*time.Timer); ok {
		t.Reset(d)
		return t
	}
	return time.NewTimer(d)
}

var errStopped = fmt.Errorf("%w: the store is closed", ErrUnavailable)

// enqueue puts an operation into its queue; it waits for a place until patience is over (nil: as long as it takes).
func (w *writer) enqueue(ctx context.Context, o *op, patience <-chan time.Time) error {
	queue := w.ops
	switch {
	case o.patient():
		queue = w.results.queue
	case o.delivery:
		queue = w.processing
	case o.effect != nil:
		queue = w.effects
	}
	w.entering.Add(1) // before looking at quit: the last drain waits for whoever may still queue something
	defer w.entering.Add(-1)
	select {
	case <-w.quit:
		return errStopped
	default:
	}
	select {
	case queue <- o:
		if queue == w.results.queue {
			w.results.came()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-patience:
		return fmt.Errorf("%w: the queue is full", ErrUnavailable)
	case <-w.quit:
		return errStopped
	}
}

// loop gives engine operations and effects turns, so that neither starves: appends come first, and what
// effects get between two of their commits is one group.
func (w *writer) loop() {
	defer close(w.stopped)
	defer w.runner.stop()
	for {
		first, ok := w.next()
		if !ok {
			w.drain()
			return
		}
		w.turn(first)
	}
}

// next waits for something to do; false: stop. A nil operation means that there is something besides the queues,
// or that processing has given way for long enough.
func (w *writer) next() (*op, bool) {
	for {
		now := time.Now()
		processing, pause := w.processing, time.Duration(-1) // for ever
		w.courtesy.queued(len(w.ops)+len(w.effects), now)
		if wait := w.courtesy.wait(now); wait > 0 {
			processing, pause = nil, wait
		}
		if w.nextAlone(processing != nil) >= 0 || processing != nil && w.peeked != nil {
			return nil, true
		}
		var nudge <-chan struct{}
		if w.journal != nil {
			nudge = w.journal.nudge
			wait := w.journalWait(now, processing != nil)
			if wait == 0 && (processing != nil || w.journal.awaited() || w.journal.pressed || w.journal.outcomes()) {
				return w.ready()
			}
			if wait > 0 && pause < 0 {
				pause = wait
			}
		}
		if w.staged != nil {
			wait := w.staged.wait(now, w.courtesy.wait(now))
			if wait == 0 {
				return w.ready()
			}
			if nudge = w.staged.nudge; pause < 0 || wait < pause {
				pause = wait
			}
		}
		if wait := w.results.wait(now); wait == 0 {
			return w.ready()
		} else if wait > 0 && (pause < 0 || wait < pause) {
			pause = wait
		}
		if o, ok, again := w.await(processing, nudge, pause); !again {
			return o, ok
		}
	}
}

// ready is for when there is something to do besides the queues: it goes together with what is in them.
func (w *writer) ready() (*op, bool) {
	select {
	case o := <-w.ops:
		return o, true
	case <-w.quit:
		return nil, false
	default:
		return nil, true
	}
}

// await waits for an operation, for the journal, or for a while; negative: as long as it takes. again: until when may be
// another question now.
func (w *writer) await(processing <-chan *op, nudge <-chan struct{}, pause time.Duration) (o *op, ok, again bool) {
	var resume <-chan time.Time
	if pause >= 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		resume = timer.C
	}
	select {
	case o := <-w.ops:
		return o, true, false
	case o := <-w.effects:
		return o, true, false
	case o := <-processing:
		return o, true, false
	case <-nudge:
		if w.journal != nil {
			w.journal.stalled = false
		}
		return nil, true, false
	case <-w.results.nudge:
		return nil, true, true
	case <-resume:
		return nil, true, false
	case <-w.quit:
		return nil, false, false
	}
}

// turn commits one group of engine operations and then one of effects.
func (w *writer) turn(first *op) {
	var engine, effects []*op
	if first != nil && first.take() {
		if first.effect != nil {
			effects = append(effects, first)
		} else {
			engine = append(engine, first)
		}
	}
	if w.courtesy.crowded(time.Now()) {
		w.letIn()
	}
	limit := math.MaxInt
	if w.journal != nil {
		w.journal.press(w.cfg.Now())
		if w.courtesy.pressed = w.journal.pressed; w.courtesy.pressed {
			limit = pressedGroup
		}
	}
	engine = gatherMessages(engine, w.ops, limit)
	began := time.Now()
	w.results.fetch(began)
	w.results.waiting = w.hold(w.results.waiting) // these cost no commit of their own
	if len(engine) > 0 || w.courtesy.off || w.results.wait(began) == 0 {
		engine = append(engine, w.results.take()...) // whatever else there is: a crowd must not shut them out
	}
	w.crowd.Store(w.courtesy.journaling(engine, began))
	w.runEngine(w.hold(engine))
	committed := time.Now()
	w.courtesy.appended(engine, began, committed)
	process := w.courtesy.wait(committed) <= 0
	i := w.nextAlone(process)
	if i >= 0 {
		o := w.alone[i]
		w.alone = slices.Delete(w.alone, i, i+1)
		w.runEffects([]*op{o})
	}
	effects = gather(effects, w.effects, effectGroup)
	if i < 0 && process {
		effects = w.gatherProcessing(effects, w.courtesy.group(committed))
	}
	if w.journal == nil && len(effects) > 0 && effects[0].delivery { // here age alone says that too much waits
		// The database's clock said when that was. Where this process's is far from it, effects do not give way.
		w.courtesy.pressed = w.cfg.Now().Sub(effects[0].accepted).Abs() > journalAge
	}
	w.courtesy.turned(appends(engine)+appends(effects), committed)
	w.crowd.Store(w.crowd.Load() || len(effects) >= journalCrowd)
	w.runEffects(effects)
	w.unfold(process)
	w.merge(process)
	w.unstage()
	if process {
		w.courtesy.processed(committed, time.Now())
	}
}

// letIn waits until everybody who is about to queue something has done so: the callers of a crowd come back one by one
// after a commit, and together need one commit instead of a small and a large one.
func (w *writer) letIn() {
	if w.journal != nil || w.cheap != nil && w.cheap() { // a commit costs little there, and meanwhile the callers have the processor
		enough := min(lingerGroup, w.courtesy.callers/2)
		for n := 0; n < lingerTimes && len(w.ops)+len(w.effects) < enough; n++ {
			time.Sleep(lingerTime)
		}
		return
	}
	for before := -1; before < len(w.ops) && len(w.ops) < maxGroup; {
		before = len(w.ops)
		runtime.Gosched()
	}
}

// nextAlone finds the first effect that is to run alone and may do so now; -1: there is none.
func (w *writer) nextAlone(process bool) int {
	return slices.IndexFunc(w.alone, func(o *op) bool { return process || !o.delivery })
}

// drainTime is how long effects may still run when the store closes.
const drainTime = time.Second

// drain finishes what is queued when the store closes. Effects that could not run in time are told so.
func (w *writer) drain() {
	began := time.Now()
	w.courtesy.off = true
	for w.entering.Load() > 0 || len(w.ops) > 0 || w.results.len() > 0 || len(w.effects) > 0 || len(w.processing) > 0 || len(w.alone) > 0 || w.peeked != nil {
		if time.Since(began) > drainTime {
			reportAll(gather(gather(w.alone, w.effects, queueLength), w.processing, queueLength), errStopped)
			w.alone = nil
		}
		w.turn(nil)
		runtime.Gosched()
	}
	w.leaveJournal()
}
