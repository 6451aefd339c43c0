package relay

import "time"

// crewIdle is for how long a goroutine without work is kept.
const crewIdle = time.Second

// crew runs functions in goroutines that are kept for a while: a new one for each attempt would grow its stack anew each
// time. It grows as much as it has to.
type crew struct {
	work chan func()
	quit <-chan struct{} // closed: nothing is kept any more
}

func newCrew(quit <-chan struct{}) *crew { return &crew{work: make(chan func()), quit: quit} }

// do begins f, and never waits.
func (c *crew) do(f func()) {
	select {
	case c.work <- f:
	default:
		go c.member(f)
	}
}

func (c *crew) member(f func()) {
	idle := time.NewTimer(crewIdle)
	defer idle.Stop()
	for {
		f()
		idle.Reset(crewIdle)
		select {
		case f = <-c.work:
		case <-idle.C:
			return
		case <-c.quit:
			return
		}
	}
}
