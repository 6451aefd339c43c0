package report_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/signet/deploy/bench/internal/report"
)

func TestParseLoad(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]float64{
		"0.00 1.50 12.25 1/200 3456\n": {0, 1.5, 12.25}, "": nil, "1 2": nil, "a b c": nil,
	} {
		if got := report.ParseLoad(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, not %v", text, got, want)
		}
	}
}

func TestMachine_String(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]report.Machine{
		"2 CPUs": {CPUs: 2},
		"2 CPUs, load at the start 0.19 1.00 1.00": {CPUs: 2, Load: []float64{0.19, 1, 1}},
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := (report.Machine{CPUs: 2, Load: []float64{0.2, 0, 0}}).String(); !strings.Contains(got, "something else was running") {
		t.Error(got)
	}
}
