package relay

import (
	"context"
	"testing"
	"time"
)

// TestLane_capacity: effects are held by the hundred, unless their messages are large.
func TestLane_capacity(t *testing.T) {
	t.Parallel()
	together := Effects(func(context.Context, Tx, []Job) []Outcome { return nil })
	one := Effect(func(context.Context, Tx, Job) Outcome { return Delivered("") })
	for name, tt := range map[string]struct {
		runner Runner
		size   int
		want   int
	}{
		"remote":              {Remote(func(context.Context, Job) Outcome { return Delivered("") }), 1 << 20, prefetch * 10},
		"effect, not known":   {one, 0, effectPrefetch * 10},
		"effect, small":       {one, 600, effectPrefetch * 10},
		"effect, a megabyte":  {one, 1 << 20, leastPrefetch * 10},
		"together, small":     {together, 600, effectPrefetch * 10},
		"together, some size": {together, effectBytes / 100, 100},
	} {
		l := newLane(Target{Concurrency: 10}, tt.runner)
		l.size = tt.size
		if got := l.capacity(); got != tt.want {
			t.Errorf("%s: holds %d, want %d", name, got, tt.want)
		}
		if got := l.room(time.Now()); got != tt.want {
			t.Errorf("%s: room for %d, want %d", name, got, tt.want)
		}
	}
}
