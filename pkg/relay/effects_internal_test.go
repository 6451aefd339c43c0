package relay

import (
	"errors"
	"testing"
	"time"
)

// TestWriter_inTime: of a group, only effects of deliveries whose lease has run out are left out, and told so.
func TestWriter_inTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &writer{cfg: Config{Now: func() time.Time { return now }}}
	told := map[*op]error{}
	effect := func(delivery bool, lease time.Time) *op {
		o := &op{delivery: delivery, lease: lease}
		o.after = func(err error) { told[o] = err }
		return o
	}
	held, over, byHand := effect(true, now.Add(time.Nanosecond)), effect(true, now), effect(false, time.Time{})
	got := w.inTime([]*op{over, held, over, byHand})
	if len(got) != 2 || got[0] != held || got[1] != byHand {
		t.Errorf("%d are left: %v", len(got), got)
	}
	if len(told) != 1 || !errors.Is(told[over], errLate) {
		t.Errorf("told: %v", told)
	}
}
