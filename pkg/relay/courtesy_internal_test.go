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
	const effects = 5 * time.Millisecond
	for name, tt := range map[string]struct {
		appends int
		commit  time.Duration // took so long
		after   time.Duration // since the appends, which came with the end of some effects
		off     bool
		waits   bool
	}{
		"a few appends":                {crowdSize - 1, 0, 0, false, false},
		"a crowd":                      {crowdSize, 0, 0, false, true},
		"a crowd, a little later":      {crowdSize, 0, crowdTime - 1, false, true},
		"a crowd that is gone":         {crowdSize, 0, crowdTime, false, false},
		"a crowd, slow commits":        {crowdSize, time.Second, 2 * crowdTime, false, true},
		"a crowd while the store ends": {crowdSize, 0, 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := courtesy{crowd: newCrowd(start), off: tt.off}
			c.processed(start.Add(-effects), start)
			c.appended(appends(tt.appends), start.Add(-tt.commit), start)
			if got := c.wait(start.Add(tt.after)) > 0; got != tt.waits {
				t.Errorf("effects wait: %v, want %v", got, tt.waits)
			}
		})
	}
	c := courtesy{crowd: newCrowd(start)}
	c.processed(start.Add(-effects), start)
	for now, end := start, start.Add((crowdShare-1)*effects); now.Before(end); now = now.Add(time.Millisecond) {
		c.appended(appends(crowdSize), now, now)
		if c.wait(now) <= 0 {
			t.Errorf("effects run %v after their part", now.Sub(start))
		}
	}
	now := start.Add((crowdShare - 1) * effects)
	if c.appended(appends(crowdSize), now, now); c.wait(now) > 0 {
		t.Error("effects do not get their part while the crowd stays")
	}
}

func TestCourtesy_GroupsOfEffectsAreShortInACrowd(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	many := make([]*op, crowdSize)
	for i := range many {
		many[i] = newAppendOp([]*prepared{{}})
	}
	for name, tt := range map[string]struct {
		each            time.Duration
		crowded, shared bool
		ago             time.Duration // somebody appended; 0: nobody did
		want            int
	}{
		"nobody waits":            {each: time.Microsecond, want: maxEffectGroup},
		"nobody waits, slow":      {each: time.Second, want: effectGroup},
		"other processes wait":    {each: time.Microsecond, shared: true, want: effectGroup},
		"somebody may come again": {each: time.Microsecond, ago: visitTime, want: effectGroup},
		"somebody has gone":       {each: time.Microsecond, ago: visitTime + 1, want: maxEffectGroup},
		"quick effects":           {each: time.Microsecond, crowded: true, ago: 1, want: effectGroup},
		"slow effects":            {each: crowdWait / 3, crowded: true, ago: 1, want: 3},
		"slower ones":             {each: time.Second, crowded: true, ago: 1, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := courtesy{crowd: newCrowd(start), shared: tt.shared}
			c.ran(10, 10*tt.each)
			if tt.ago > 0 {
				c.turned(1, start.Add(-tt.ago))
			}
			if tt.crowded {
				c.appended(many, start, start)
			}
			if got := c.group(start); got != tt.want {
				t.Errorf("a group of %d, want %d", got, tt.want)
			}
		})
	}
}
