package relay

import "time"

// Processing gives way to accepting: what was accepted can be processed later, and who sends is waiting now. While
// callers crowd in to append, the effects of deliveries get only a part of the writer's time, so that they go on
// but cost little; as soon as the crowd is gone they get all of it.
const (
	crowd      = 8                     // appends in one commit: its callers wait for each other
	crowdTime  = 20 * time.Millisecond // how long a crowd that was seen is taken to be there: a few commits
	crowdShare = 10                    // effects get one part in so many of the time
)

// courtesy decides when the effects of deliveries may run.
type courtesy struct {
	crowded time.Time // a crowd was seen
	resume  time.Time // effects have had their part until then
	off     bool
}

// appended takes note of a commit's group.
func (c *courtesy) appended(group []*op, now time.Time) {
	n := 0
	for _, o := range group {
		if o.drafts != nil {
			n++
		}
	}
	if n >= crowd {
		c.crowded = now
	}
}

// processed takes note of the time that effects have taken.
func (c *courtesy) processed(began, ended time.Time) {
	c.resume = ended.Add((crowdShare - 1) * ended.Sub(began))
}

// wait is for how much longer effects have to give way; 0 or less: they may run.
func (c *courtesy) wait(now time.Time) time.Duration {
	if c.off {
		return 0
	}
	return min(c.crowded.Add(crowdTime).Sub(now), c.resume.Sub(now))
}
