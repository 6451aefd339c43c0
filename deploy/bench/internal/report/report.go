// Package report collects what the benchmarks measured, round by round, and prints it: medians with their spread.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report collects figures. It is not safe for concurrent use.
type Report struct {
	machine Machine
	names   []string
	figures map[string]*Figure
	budgets map[string]Budget
}

// Budget is the bound a figure is held to.
type Budget struct {
	Bound   float64
	AtLeast bool // otherwise at most
}

// String is the budget for people.
func (b Budget) String() string {
	if b.AtLeast {
		return fmt.Sprintf("≥ %g", b.Bound)
	}
	return fmt.Sprintf("≤ %g", b.Bound)
}

// met reports whether a figure keeps the budget.
func (b Budget) met(value float64) bool {
	if b.AtLeast {
		return value >= b.Bound
	}
	return value <= b.Bound
}

// Figure is one thing measured, in each round.
type Figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
	// Of a ratio: what was measured of ours and of the bare thing beside it.
	Ours []float64 `json:"ours,omitempty"`
	Bare []float64 `json:"bare,omitempty"`
}

// New makes an empty report. Budgets are by the figures' names.
func New(machine Machine, budgets map[string]Budget) *Report {
	return &Report{machine: machine, figures: map[string]*Figure{}, budgets: budgets}
}

// Value adds one round's measurement.
func (r *Report) Value(name string, value float64, unit string) *Figure {
	f := r.figures[name]
	if f == nil {
		f = &Figure{Name: name, Unit: unit}
		r.figures[name] = f
		r.names = append(r.names, name)
	}
	f.Values = append(f.Values, value)
	return f
}

// Ratio adds one round's measurement of two things beside each other.
func (r *Report) Ratio(name string, ours, bare float64, unit string) {
	f := r.Value(name, ours/bare, unit)
	f.Ours, f.Bare = append(f.Ours, ours), append(f.Bare, bare)
}

// Median is the middle of some values; the mean of the two in the middle when their number is even.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Table prints a line for the machine and one for each figure.
func (r *Report) Table(out io.Writer) error {
	if _, err := fmt.Fprintln(out, r.machine); err != nil {
		return err
	}
	var lines strings.Builder
	lines.WriteString("\tmedian\tlowest – highest\tours\tbare\tbudget\t\n")
	for _, name := range r.names {
		f := r.figures[name]
		unit, columns := " "+f.Unit, "\t"
		if f.Ours != nil {
			unit, columns = " ×", fmt.Sprintf("%.0f\t%.0f %s", Median(f.Ours), Median(f.Bare), f.Unit)
		}
		fmt.Fprintf(&lines, "%s\t%s%s\t%s – %s\t%s\t%s\t\n", name, digits(Median(f.Values)), unit,
			digits(slices.Min(f.Values)), digits(slices.Max(f.Values)), columns, r.verdict(f))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(w, lines.String())
	return errors.Join(err, w.Flush())
}

// digits writes a value with three digits, or more rather than an exponent.
func digits(value float64) string {
	if value >= 1000 {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.3g", value)
}

func (r *Report) verdict(f *Figure) string {
	budget, ok := r.budgets[f.Name]
	switch {
	case !ok:
		return ""
	case budget.met(Median(f.Values)):
		return budget.String() + " met"
	}
	return budget.String() + " MISSED"
}

// JSON prints everything, one object.
func (r *Report) JSON(out io.Writer) error {
	figures := make([]any, 0, len(r.names))
	for _, name := range r.names {
		f := r.figures[name]
		line := struct {
			*Figure

			Median float64 `json:"median"`
			Budget string  `json:"budget,omitempty"`
			Met    *bool   `json:"met,omitempty"`
		}{Figure: f, Median: Median(f.Values)}
		if budget, ok := r.budgets[name]; ok {
			met := budget.met(line.Median)
			line.Budget, line.Met = budget.String(), &met
		}
		figures = append(figures, line)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"machine": r.machine, "figures": figures})
}
