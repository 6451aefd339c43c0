package command

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/signet/pkg/webhook"
	loading "example.com/signet/services/producer/internal/load"
	"example.com/signet/services/producer/internal/terminal"
)

// loadReport tells of a load; it has no secret.
type loadReport struct {
	loading.Result

	scheme string // empty: unsigned
}

// quantiles are those reported, by the name they have in JSON and text.
func quantiles() []struct {
	name string
	at   float64
} {
	return []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}}
}

// target is the URL as it may be shown.
func (r loadReport) target() string { return webhook.Redact(r.Plan.URL) }

func (r loadReport) text(to io.Writer, palette terminal.Palette) error {
	var latency, statuses, faults []string
	for _, q := range quantiles() {
		if r.Latencies.TotalCount() > 0 {
			latency = append(latency, q.name+" "+short(r.Quantile(q.at)))
		}
	}
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		statuses = append(statuses, palette.Paint(colourOf(status), fmt.Sprintf("%d: %d", status, r.Statuses[status])))
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Errors)) {
		faults = append(faults, palette.Paint(terminal.Red, fmt.Sprintf("%s: %d", reason, r.Errors[reason])))
	}
	if unsent := r.Due - r.Sent; unsent > 0 {
		faults = append(faults, palette.Paint(terminal.Red, fmt.Sprintf("not sent: %d", unsent)))
	}
	lines := [][2]string{
		{"target", r.target() + " (" + cmp.Or(r.scheme, "unsigned") + ")"},
		{"asked", fmt.Sprintf("%s a second for %s on %d connections: %d requests became due", number(r.Plan.Rate), r.Plan.Duration, r.Plan.Connections, r.Due)},
		{"answered", fmt.Sprintf("%d in %s, %.1f a second", r.Answered, r.Took.Round(time.Millisecond), r.Rate())},
		{"statuses", cmp.Or(strings.Join(statuses, ", "), "none")},
		{"errors", cmp.Or(strings.Join(faults, ", "), "none")},
		{"latency", cmp.Or(strings.Join(latency, ", "), "none")},
		{"", "from when each request was due until its answer was read"},
		{"waited", fmt.Sprintf("%d of them for a free connection, at most %s", r.Waited, short(r.LongestWait))},
	}
	if r.Interrupted {
		lines = append(lines, [2]string{"", palette.Paint(terminal.Yellow, "interrupted before its end")})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(to, "%-9s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

func colourOf(status int) terminal.Colour {
	if status >= 200 && status < 300 {
		return terminal.Green
	}
	return terminal.Red
}

// short rounds to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (r loadReport) json(to io.Writer) error {
	latency := map[string]float64{}
	if r.Latencies.TotalCount() > 0 {
		latency["mean"] = r.Latencies.Mean() / 1000
		for _, q := range quantiles() {
			latency[q.name] = milliseconds(r.Quantile(q.at))
		}
	}
	statuses := map[string]int64{}
	for status, count := range r.Statuses {
		statuses[strconv.Itoa(status)] = count
	}
	return printJSON(to, struct {
		URL         string             `json:"url"`
		Scheme      string             `json:"scheme,omitempty"`
		Rate        float64            `json:"rate"`
		DurationMS  float64            `json:"duration_ms"`
		Connections int                `json:"connections"`
		Due         int64              `json:"due"`
		Sent        int64              `json:"sent"`
		Answered    int64              `json:"answered"`
		Succeeded   int64              `json:"succeeded"`
		Achieved    float64            `json:"achieved_rate"`
		TookMS      float64            `json:"took_ms"`
		Statuses    map[string]int64   `json:"statuses"`
		Errors      map[string]int64   `json:"errors"`
		Latency     map[string]float64 `json:"latency_ms"`
		Waited      int64              `json:"waited"`
		LongestMS   float64            `json:"longest_wait_ms"`
		Interrupted bool               `json:"interrupted"`
	}{
		r.target(), r.scheme, r.Plan.Rate, milliseconds(r.Plan.Duration), r.Plan.Connections, r.Due, r.Sent, r.Answered, r.Succeeded(),
		r.Rate(), milliseconds(r.Took), statuses, r.Errors, latency, r.Waited, milliseconds(r.LongestWait), r.Interrupted,
	})
}
