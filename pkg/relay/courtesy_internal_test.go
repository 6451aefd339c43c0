package relay

import (
	"testing"
	"time"
)

func TestCourtesy_EffectsGiveWayToACrowdOnly(t *testing.T) {
	t.Parallel()
	appends := func(n int) (group []*op) {
		for range n {
			group = append(group, newAppendOp([]*prepared{{}}))
		}
		return append(group, newOp(nil), newOp(nil)) // what is no append does not count
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const effects = 3 * time.Millisecond
	for name, tt := range map[string]struct {
		appends int
		after   time.Duration // since the appends, which came with the end of some effects
		off     bool
		waits   bool
	}{
		"a few appends":                {crowd - 1, 0, false, false},
		"a crowd":                      {crowd, 0, false, true},
		"a crowd, a little later":      {crowd, crowdTime - 1, false, true},
		"a crowd that is gone":         {crowd, crowdTime, false, false},
		"a crowd while the store ends": {crowd, 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := courtesy{off: tt.off}
			c.processed(start.Add(-effects), start)
			c.appended(appends(tt.appends), start)
			if got := c.wait(start.Add(tt.after)) > 0; got != tt.waits {
				t.Errorf("effects wait: %v, want %v", got, tt.waits)
			}
		})
	}
	c := courtesy{}
	c.processed(start.Add(-effects), start)
	for now, end := start, start.Add((crowdShare-1)*effects); now.Before(end); now = now.Add(time.Millisecond) {
		c.appended(appends(crowd), now)
		if c.wait(now) <= 0 {
			t.Errorf("effects run %v after their part", now.Sub(start))
		}
	}
	now := start.Add((crowdShare - 1) * effects)
	if c.appended(appends(crowd), now); c.wait(now) > 0 {
		t.Error("effects do not get their part while the crowd stays")
	}
}
