package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Print writes the verdict for people: one line, then the findings as a numbered list, then notes.
func (v Verdict) Print(w io.Writer) error {
	var text strings.Builder
	if v.Valid {
		fmt.Fprintln(&text, "valid: "+v.proof())
	} else {
		fmt.Fprintln(&text, "invalid: "+strings.ReplaceAll(v.Error, "\n", "; "))
	}
	for n, f := range v.Findings {
		fmt.Fprintf(&text, "  %d. %s [%s]\n", n+1, f.Detail, f.Cause)
	}
	for _, note := range v.Notes {
		fmt.Fprintln(&text, "note: "+note)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// PrintJSON writes the verdict for programs.
func (v Verdict) PrintJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func (v Verdict) proof() string {
	if v.Unsigned {
		return "the source takes unsigned requests, so nothing was proven"
	}
	parts := []string{"scheme " + v.Scheme, fmt.Sprintf("secret %d of %d", v.Secret, v.Secrets)}
	if v.ID != "" {
		signed := ""
		if !v.IDSigned {
			signed = " (not signed)"
		}
		parts = append(parts, "id "+v.ID+signed)
	}
	if v.Type != "" {
		parts = append(parts, "type "+v.Type)
	}
	if !v.SignedAt.IsZero() {
		parts = append(parts, fmt.Sprintf("signed at %s (%s)", v.SignedAt.UTC().Format(time.RFC3339), ago(v.At.Sub(v.SignedAt))))
	}
	return strings.Join(parts, ", ")
}

// ago words an age to the second.
func ago(age time.Duration) string {
	span := age.Abs().Round(time.Second)
	text := span.String()
	if span < 2*time.Minute {
		text = fmt.Sprintf("%d s", int(span.Seconds()))
	}
	if age < 0 {
		return "in " + text
	}
	return text + " ago"
}
