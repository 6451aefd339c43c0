package relay

import (
	"context"
	"testing"
	"time"
)

func TestLane_Room(t *testing.T) {
	t.Parallel()
	remote := Remote(func(context.Context, Job) Outcome { return Delivered("") })
	effect := Effect(func(context.Context, Tx, Job) Outcome { return Delivered("") })
	opened := func(l *lane) {
		l.breaker = newBreaker(Breaker{Failures: 1, Open: time.Minute}.withDefaults())
		attempt(l.breaker, noon, VerdictRetry)
	}
	for name, tt := range map[string]struct {
		target Target
		runner Runner
		change func(*lane)
		after  time.Duration
		room   int
		places int // when nothing is known to be due
		wait   time.Duration
	}{
		"fresh":                      {Target{}, remote, nil, 0, 64, 64, 0},
		"effects":                    {Target{}, effect, nil, 0, effectPrefetch * 32, effectPrefetch * 32, 0},
		"half full":                  {Target{Concurrency: 4}, remote, func(l *lane) { l.held = 6 }, 0, 2, 2, 0},
		"nearly full":                {Target{Concurrency: 4}, remote, func(l *lane) { l.held = 7 }, 0, 0, 1, time.Second},
		"full":                       {Target{Concurrency: 4}, remote, func(l *lane) { l.held = 8 }, 0, 0, 0, time.Second},
		"open":                       {Target{}, remote, opened, 0, 0, 0, time.Second},
		"open for a little more":     {Target{}, remote, opened, time.Minute - 20*time.Millisecond, 0, 0, 20 * time.Millisecond},
		"time to find out":           {Target{}, remote, opened, time.Minute, 1, 0, 0},
		"while something is held":    {Target{}, remote, func(l *lane) { opened(l); l.held = 1 }, time.Minute, 0, 0, time.Second},
		"effects have no breaker":    {Target{}, effect, opened, 0, effectPrefetch * 32, effectPrefetch * 32, 0},
		"with a rate, no prefetch":   {Target{Concurrency: 8, Rate: MaxTargetRate}, remote, nil, 0, 8, 8, 0},
		"with a rate, by the burst":  {Target{Rate: 100}, remote, nil, 0, 10, 10, 0},
		"with a rate, all spent":     {Target{Rate: 4}, remote, func(l *lane) { l.bucket.start(noon) }, 0, 0, 0, time.Second / 4},
		"with a rate, one is ready":  {Target{Rate: 4}, remote, func(l *lane) { l.bucket.start(noon) }, time.Second / 4, 1, 1, 0},
		"with a rate, slow attempts": {Target{Rate: 4}, remote, func(l *lane) { l.held = 31 }, 0, 1, 1, 0},
		"quiet":                      {Target{}, remote, func(l *lane) { l.quietUntil.Store(noon.Add(time.Minute).UnixMicro()) }, 0, 0, 0, time.Second},
		"disabled in a moment":       {Target{}, remote, func(l *lane) { l.closed.Store(true) }, 0, 0, 0, time.Second},
		"retired":                    {Target{}, remote, func(l *lane) { l.retired = true }, 0, 0, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLane(tt.target, tt.runner, newSlots(time.Minute, nil), Breaker{}.withDefaults(), noon)
			if tt.change != nil {
				tt.change(l)
			}
			now := noon.Add(tt.after)
			if got := l.room(now); got != tt.room {
				t.Errorf("room for %d, want %d", got, tt.room)
			}
			if got := l.wait(now, time.Second); got.Round(time.Millisecond) != tt.wait {
				t.Errorf("wait %v, want %v", got, tt.wait)
			}
			if got := l.places(now); got != 0 {
				t.Errorf("%d places while something is due", got)
			}
			l.look = false
			if got := l.places(now); got != tt.places {
				t.Errorf("%d places, want %d", got, tt.places)
			}
		})
	}
}

// TestLane_EnabledAgain: what an attempt's outcome closed opens when the target is enabled, but not while that outcome
// is still to be recorded.
func TestLane_EnabledAgain(t *testing.T) {
	t.Parallel()
	remote := Remote(func(context.Context, Job) Outcome { return Delivered("") })
	l := newLane(Target{}, remote, newSlots(time.Minute, nil), Breaker{Failures: 1}.withDefaults(), noon)
	l.closed.Store(true)
	l.disabling.Store(1)
	if l.update(Target{}, remote, noon); l.room(noon) != 0 {
		t.Error("open before the outcome that disables it is recorded")
	}
	l.disabling.Store(0)
	attempt(l.breaker, noon, VerdictRetry)
	l.retired = true
	if l.update(Target{}, remote, noon); l.room(noon) == 0 {
		t.Error("closed after it was enabled")
	}
}

// TestLane_capacity: effects are held by the hundred, unless their messages are large.
func TestLane_capacity(t *testing.T) {
	t.Parallel()
	together := Effects(func(context.Context, Tx, []Job) []Outcome { return nil })
	one := Effect(func(context.Context, Tx, Job) Outcome { return Delivered("") })
	for name, tt := range map[string]struct {
		runner Runner
		size   int // bytes of a message
		want   int
		pace   int // in paceTime
	}{
		"remote":              {Remote(func(context.Context, Job) Outcome { return Delivered("") }), 1 << 20, prefetch * 10, 0},
		"effect, not known":   {one, 0, effectPrefetch * 10, 0},
		"effect, small":       {one, 600, effectPrefetch * 10, 0},
		"effect, a megabyte":  {one, 1 << 20, leastPrefetch * 10, 0},
		"together, small":     {together, 600, effectPrefetch * 10, 0},
		"together, some size": {together, effectBytes / 100, 100, 0},
		"effect, quick":       {one, 600, 300, 300},
		"effect, very quick":  {one, 600, maxEffects * 10, 1 << 20},
		"quick, a megabyte":   {one, 1 << 20, leastPrefetch * 10, 1 << 20},
		"effect, slow":        {one, 600, effectPrefetch * 10, 1},
	} {
		l := newLane(Target{Concurrency: 10}, tt.runner, newSlots(time.Minute, nil), Breaker{}.withDefaults(), noon)
		l.size, l.pace = tt.size, tt.pace
		if got := l.capacity(); got != tt.want {
			t.Errorf("%s: holds %d, want %d", name, got, tt.want)
		}
		if got := l.room(time.Now()); got != tt.want {
			t.Errorf("%s: room for %d, want %d", name, got, tt.want)
		}
	}
}

// TestLane_roomForMany: a target that is quick is given more when half of what does not run yet is gone, and one that is
// slow no later than that it always has something at hand.
func TestLane_roomForMany(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ pace, held, want int }{
		"slow, all are held":         {0, 20, 0},
		"slow, two thirds":           {0, 16, 0},
		"slow, what runs and half":   {0, 15, 5},
		"quick, all are held":        {1000, 80, 0},
		"quick, some are gone":       {1000, 46, 0},
		"quick, what runs and half":  {1000, 45, 35},
		"quick, fewer than that run": {1000, 1, 79},
	} {
		l := newLane(Target{Concurrency: 10}, Remote(func(context.Context, Job) Outcome { return Delivered("") }), newSlots(time.Minute, nil), Breaker{}.withDefaults(), noon)
		l.pace, l.held = tt.pace, tt.held
		if got := l.room(noon); got != tt.want {
			t.Errorf("%s: room for %d, want %d", name, got, tt.want)
		}
	}
}
