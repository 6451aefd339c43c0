package service_test

import (
	"math"
	"runtime/debug"
	"testing"

	"example.com/signet/pkg/service"
)

// TestTuneMemory: while it runs the heap may grow further, and afterwards everything is as it was; what an operator has
// set stands.
func TestTuneMemory(t *testing.T) { // not parallel: it changes the process
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	before := limit()
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	stop := service.TuneMemory()
	for limit() == before {
		if t.Context().Err() != nil {
			t.Fatal("no limit was set")
		}
	}
	stop()
	if limit() != before {
		t.Errorf("the limit stayed at %d", limit())
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	service.TuneMemory()()
	if got := limit(); got != before && got != math.MaxInt64 {
		t.Errorf("the operator's limit became %d", got)
	}
}
