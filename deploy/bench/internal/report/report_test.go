package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/signet/deploy/bench/internal/report"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := report.Median(c.values); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := report.New(report.Machine{CPUs: 2, Load: []float64{1, 2, 3}}, map[string]report.Budget{
		"fast": {Bound: 0.5, AtLeast: true}, "slow": {Bound: 0.5, AtLeast: true}, "small": {Bound: 10}, "large": {Bound: 10},
	})
	for round := range 3 {
		r.Ratio("fast", 60+float64(round), 100, "a/s")
		r.Ratio("slow", 40, 100, "a/s")
		r.Value("small", 9, "MiB")
		r.Value("large", 11, "MiB")
		r.Value("free", 1, "ms")
		r.Value("many", 20_917, "deliveries")
	}
	var table, object strings.Builder
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{"fast": "≥ 0.5 met", "slow": "≥ 0.5 MISSED", "small": "≤ 10 met", "large": "≤ 10 MISSED", "free": "1 ms", "many": "20917 deliveries"} {
		if !strings.Contains(lineOf(table.String(), line), want) {
			t.Errorf("%s: %q, want %q", line, lineOf(table.String(), line), want)
		}
	}
	if !strings.HasPrefix(table.String(), "2 CPUs, load at the start 1.00 2.00 3.00: ") {
		t.Error(table.String())
	}
	if err := r.JSON(&object); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine report.Machine
		Figures []struct {
			Name   string
			Median float64
			Met    *bool
			Ours   []float64
		}
	}
	if err := json.Unmarshal([]byte(object.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Machine.CPUs != 2 || len(got.Machine.Load) != 3 {
		t.Errorf("%+v", got.Machine)
	}
	first, last := got.Figures[0], got.Figures[4]
	if first.Name != "fast" || first.Median != 0.61 || first.Met == nil || !*first.Met || len(first.Ours) != 3 || last.Met != nil {
		t.Errorf("%+v, %+v", first, last)
	}
}

func lineOf(table, name string) string {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, name+" ") {
			return line
		}
	}
	return ""
}
