package relay

import (
	"sync"
	"time"
)

// steadyClock follows a clock that people and time servers may set: when that is set forward, it goes along; when it
// is set back, it goes on from where it was. What is due at a time would otherwise wait for as long as the clock was set
// back by. A process that starts anew begins with what the clock says then.
func steadyClock(now func() time.Time) func() time.Time {
	var mu sync.Mutex
	said := now() // by the clock
	told := said  // by us
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		says := now()
		told = told.Add(max(says.Sub(said), 0)) // time.Now's own times tell what has passed, however the clock was set
		if ahead := says.Round(0).Sub(told.Round(0)); ahead > 0 {
			told = says
		}
		said = says
		return told
	}
}
