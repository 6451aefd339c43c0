package relay

import (
	"sync/atomic"
	"time"
)

// Processing gives way to accepting: what was accepted can be processed later, and who sends is waiting now. While
// callers crowd in to append, the effects of deliveries get only a part of the writer's time, so that they go on
// but cost little; as soon as the crowd is gone they get all of it.
const (
	crowdSize  = 8                      // appends in one commit: its callers wait for each other
	crowdTime  = 20 * time.Millisecond  // how long a crowd that was seen is taken to be there
	crowdTurns = 4                      // or so many times what its commit took, where that is longer
	crowdFirst = 16                     // effects that run together while nothing is known of how long they take
	crowdQuick = 200 * time.Microsecond // an effect that takes no longer costs little more than its rows
	crowdShare = 20                     // effects get one part in so many of the time
	crowdWait  = 20 * time.Millisecond  // what a group of effects may run for, going by the group before
	visitTime  = 100 * time.Millisecond // how long whoever has appended may come again, and is not to wait for a large group
)

// crowd is what is known of those who append. The writers of a store share it: where each has a connection of its own, they
// have the same processors all the same.
type crowd struct {
	since time.Time    // a clock that is never set
	until atomic.Int64 // how long after that a crowd is taken to be there, in ns
}

func newCrowd(now time.Time) *crowd { return &crowd{since: now} }

func (c *crowd) expect(until time.Time) {
	if n := until.Sub(c.since).Nanoseconds(); n > c.until.Load() {
		c.until.Store(n)
	}
}

// left is for how much longer.
func (c *crowd) left(now time.Time) time.Duration {
	return time.Duration(c.until.Load()) - now.Sub(c.since)
}

// courtesy decides when the effects of deliveries may run.
type courtesy struct {
	*crowd

	resume  time.Time     // effects have had their part until then
	each    time.Duration // how long one of the last group ran
	off     bool
	pressed bool      // what waits must not grow any more
	came    time.Time // when somebody appended last
	shared  bool      // others may wait for what effects have changed
	callers int       // how many appended in one turn of the writer, about what the last ones had
	always  bool      // everything goes through the journal, for tests
}

// appended takes note of a commit's group.
func (c *courtesy) appended(group []*op, began, ended time.Time) {
	if appends(group) >= crowdSize {
		c.expect(ended.Add(max(crowdTime, crowdTurns*ended.Sub(began))))
	}
}

// queued takes note of how many wait while something else was done for long.
func (c *courtesy) queued(n int, now time.Time) {
	if n >= crowdSize {
		c.expect(now.Add(crowdTime))
	}
}

// journaling says whether a group of operations is to go through the journal.
func (c *courtesy) journaling(group []*op, now time.Time) bool {
	return c.always || c.crowded(now) || appends(group) >= journalCrowd
}

// turned takes note of how many have appended in one turn.
func (c *courtesy) turned(n int, now time.Time) {
	if n > 0 {
		c.came = now
	}
	c.callers = max(n, c.callers-c.callers/8-1)
}

// appends is how many of the operations somebody waits for who appends.
func appends(group []*op) (n int) {
	for _, o := range group {
		if o.drafts != nil || o.effect != nil && !o.delivery {
			n++
		}
	}
	return n
}

// ran takes note of how long n effects ran.
func (c *courtesy) ran(n int, took time.Duration) { c.each = took / time.Duration(n) }

// processed takes note of the time that effects have taken, their commit included.
func (c *courtesy) processed(began, ended time.Time) {
	c.resume = ended.Add((crowdShare - 1) * ended.Sub(began))
}

// quick says whether effects are so short that applying them is not much more than making their rows.
func (c *courtesy) quick() bool { return c.each < crowdQuick }

// group is how many effects may run together.
func (c *courtesy) group(now time.Time) int {
	switch {
	case c.each == 0:
		return crowdFirst
	case !c.shared && now.Sub(c.came) > visitTime && c.each*maxEffectGroup <= crowdWait:
		return maxEffectGroup
	case c.off || !c.crowded(now) || c.each*effectGroup <= crowdWait:
		return effectGroup
	}
	return max(1, int(crowdWait/c.each))
}

// crowded says whether a crowd is there.
func (c *courtesy) crowded(now time.Time) bool { return c.left(now) > 0 }

// wait is for how much longer effects have to give way; 0 or less: they may run.
func (c *courtesy) wait(now time.Time) time.Duration {
	if c.off || c.pressed && c.quick() {
		return 0
	}
	return min(c.left(now), c.resume.Sub(now))
}
