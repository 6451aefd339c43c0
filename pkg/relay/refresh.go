package relay

import (
	"context"
	"time"
)

// housekeep does what polling is for: it finds work that no wake-up told of, such as expired leases, what other
// processes have appended, and targets they have changed. Its cost goes by what there is to do, not by how many targets
// there are.
func (d *Dispatcher) housekeep() {
	if _, err := d.store.sweep(d.attempts); err != nil {
		d.cfg.Log("sweep expired leases", err)
	}
	for _, err := range d.store.engine.damaged() {
		d.cfg.Log("look after the journal", err)
	}
	d.refreshService()
	d.refreshChanged()
	if err := d.store.readFailing(d.attempts); err != nil {
		d.cfg.Log("read which targets fail", err)
	}
	waiting, err := readWaiting(d.attempts, d.store.engineReader)
	if err != nil {
		d.cfg.Log("read which targets have work", err)
	}
	for id := range waiting {
		d.lookAt(id)
	}
}

// lookAt has the next round look for due work of a target.
func (d *Dispatcher) lookAt(id string) {
	if l := d.lanes[id]; l != nil {
		l.look = true
		d.active[id] = l
	}
}

// refreshService has the service look at what it keeps of its targets.
func (d *Dispatcher) refreshService() {
	if d.cfg.Refresh == nil {
		return
	}
	if err := d.cfg.Refresh(d.attempts); err != nil {
		d.cfg.Log("refresh what the service knows of its targets", err)
	}
}

// refreshChanged refreshes when another process has changed targets, or somebody runs one now that nobody ran.
func (d *Dispatcher) refreshChanged() {
	version, err := readTargetsVersion(d.attempts, d.store.engineReader)
	if err != nil {
		d.cfg.Log("read the version of the targets", err)
		return
	}
	changed := version != d.version
	for id := range d.unresolved {
		_, ok := d.cfg.Resolver.Resolve(id)
		changed = changed || ok
	}
	if changed {
		d.refresh()
	}
}

// refresh brings the lanes in line with the targets that are enabled and have a runner here. Places are offered anew.
func (d *Dispatcher) refresh() {
	// Read first: a change that comes in between is read twice rather than not at all.
	version, err := readTargetsVersion(d.attempts, d.store.engineReader)
	if err != nil {
		d.cfg.Log("read the version of the targets", err)
		return
	}
	targets, err := readTargets(d.attempts, d.store.engineReader)
	if err != nil {
		d.cfg.Log("read targets", err)
		d.version = -1 // the next poll tries again
		return
	}
	d.version = version
	d.store.wake.offers.close()
	now, enabled := d.store.cfg.Now(), map[string]bool{}
	clear(d.unresolved)
	for _, t := range targets {
		if !t.Enabled {
			continue
		}
		runner, ok := d.cfg.Resolver.Resolve(t.ID)
		if !ok {
			d.unresolved[t.ID] = true
			continue
		}
		enabled[t.ID] = true
		d.admitTarget(t, runner, now)
	}
	for id, l := range d.lanes {
		if !enabled[id] {
			l.retired = true
			if l.held == 0 {
				d.drop(id)
			}
		}
	}
}

func (d *Dispatcher) admitTarget(t Target, runner Runner, now time.Time) {
	l := d.lanes[t.ID]
	if l == nil {
		l = newLane(t, runner, newSlots(d.store.cfg.Lease/2, d.notBegun), d.cfg.Breaker, now)
		d.lanes[t.ID] = l
		if runner.effect == nil {
			d.breakers.Store(t.ID, l.breaker)
		}
	} else {
		if l.retired { // there may be what came while it was disabled
			l.look = true
		}
		l.update(t, runner, now)
		d.fill(l)
	}
	d.active[t.ID] = l
}

func (d *Dispatcher) drop(id string) {
	delete(d.lanes, id)
	delete(d.active, id)
	d.breakers.Delete(id)
}

// Breaker says what this process's breaker of a target does. False: the target is disabled, not run here, or inside the
// database.
func (d *Dispatcher) Breaker(targetID string) (BreakerStatus, bool) {
	b, ok := d.breakers.Load(targetID)
	if !ok {
		return BreakerStatus{}, false
	}
	return b.(*breaker).status(), true
}

const selectTargetsVersion = `SELECT version FROM targets_version`

func readTargetsVersion(ctx context.Context, from reader) (version int64, err error) {
	err = from.row(ctx, selectTargetsVersion).Scan(&version)
	return version, err
}

// selectWaiting hops from target to target in the index of what is due or will be, deliveries_due, so that it costs as
// much as there are targets with something in it.
const selectWaiting = `WITH RECURSIVE waiting (id) AS (
    SELECT min(target_id) FROM deliveries WHERE state = 'pending' AND behind = 0
    UNION ALL
    SELECT (SELECT min(d.target_id) FROM deliveries d WHERE d.state = 'pending' AND d.behind = 0 AND d.target_id > waiting.id)
    FROM waiting WHERE waiting.id IS NOT NULL
  )
  SELECT id FROM waiting WHERE id IS NOT NULL`

// readWaiting finds the targets that have pending deliveries, due or not.
func readWaiting(ctx context.Context, from reader) (map[string]bool, error) {
	rows, err := from.query(ctx, selectWaiting)
	if err != nil {
		return nil, err
	}
	waiting := map[string]bool{}
	return waiting, eachTarget(rows, func(id string) { waiting[id] = true })
}
