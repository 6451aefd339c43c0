package relay

import (
	"testing"
	"time"
)

func TestSteadyClock(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wall := start
	clock := steadyClock(func() time.Time { return wall })
	for _, step := range []struct {
		what       string
		says, want time.Duration // from the start
	}{
		{"time passes", time.Second, time.Second},
		{"it is set forward", time.Hour, time.Hour},
		{"it is set back", time.Minute, time.Hour},
		{"time passes after that", time.Minute + time.Second, time.Hour + time.Second},
		{"it is set back before the start", -time.Hour, time.Hour + time.Second},
		{"time passes after that", -time.Hour + time.Second, time.Hour + 2*time.Second},
	} {
		wall = start.Add(step.says)
		if got := clock().Sub(start); got != step.want {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
}
