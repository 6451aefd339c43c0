package command

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/terminal"
)

// result is a delivery as --json prints it.
type result struct {
	ID             string          `json:"id"` // the webhook's, which the receiver sees
	URL            string          `json:"url"`
	Status         webhook.Status  `json:"status"`
	Attempts       []attemptResult `json:"attempts"`
	ResponseStatus int             `json:"response_status"`
	Response       string          `json:"response,omitempty"`
	DurationMS     float64         `json:"duration_ms"`
	Error          string          `json:"error,omitempty"`
}

// attemptResult is one attempt as --json prints it.
type attemptResult struct {
	Number     int       `json:"number"`
	StartedAt  time.Time `json:"started_at"`
	Status     int       `json:"status"`
	DurationMS float64   `json:"duration_ms"`
	Error      string    `json:"error,omitempty"`
}

func (f sendFlags) report(s Surroundings, d webhook.Delivery, took time.Duration) error {
	if f.json {
		return printJSON(s.Out, resultOf(d, took))
	}
	colour := terminal.Red
	if d.Status == webhook.StatusSuccess {
		colour = terminal.Green
	}
	_, err := fmt.Fprintf(s.Out, "id        %s\nstatus    %s\nattempts  %d\nresponse  %s\ntime      %s\n", d.MessageID,
		terminal.For(s.Out, s.Environ).Paint(colour, string(d.Status)), len(d.Attempts), answer(d.Last()), took.Round(time.Millisecond))
	return err
}

// answer is the last attempt's in a few words.
func answer(a webhook.Attempt) string {
	switch {
	case a.StatusCode == 0 && a.Err != nil:
		return "none: " + a.Err.Error()
	case a.StatusCode == 0:
		return "none"
	case a.StatusCode >= 300 && a.StatusCode < 400 && a.Err != nil: // whose text nobody reads
		return a.Err.Error()
	case len(a.Response) == 0:
		return fmt.Sprint(a.StatusCode)
	default:
		return fmt.Sprintf("%d %q", a.StatusCode, a.Response)
	}
}

func resultOf(d webhook.Delivery, took time.Duration) result {
	last := d.Last()
	r := result{
		ID: d.MessageID, URL: webhook.Redact(d.URL), Status: d.Status, ResponseStatus: last.StatusCode,
		Response: string(last.Response), DurationMS: milliseconds(took), Attempts: make([]attemptResult, len(d.Attempts)),
	}
	if last.Err != nil {
		r.Error = last.Err.Error()
	}
	for i, a := range d.Attempts {
		r.Attempts[i] = attemptResult{Number: i + 1, StartedAt: a.At, Status: a.StatusCode, DurationMS: milliseconds(a.Duration)}
		if a.Err != nil {
			r.Attempts[i].Error = a.Err.Error()
		}
	}
	return r
}

// printJSON prints a value on a line, as it is: the output is no web page.
func printJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
