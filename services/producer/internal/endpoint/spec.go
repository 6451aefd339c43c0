package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// Bounds of a Spec.
const (
	MaxURL      = 2048 // bytes
	MaxName     = 256  // bytes
	MaxSecret   = 1024 // bytes
	MaxPatterns = 100
)

// DefaultScheme signs for endpoints that name no scheme.
const DefaultScheme = "standard"

// Spec is what somebody asks an endpoint to be.
type Spec struct {
	Name        string   // for people, and the identity of a declared endpoint; may be empty otherwise
	URL         string   // http or https, without user info and fragment
	Events      []string // patterns; empty: all
	Scheme      string   // empty: DefaultScheme
	Secret      string   // empty: a new one is made
	Tenant      string   // only this tenant's events match; empty: those of none
	Concurrency int      // attempts at once; 0: relay.DefaultConcurrency
	RateLimit   float64  // attempts a second; 0: no limit
}

// InvalidError is one thing wrong with a spec.
type InvalidError struct {
	Field   string // as the API names it
	Problem string // follows the field's name
}

// Error names the field.
func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// HostJudge says whether a URL's host may be sent to as far as that can be told before resolving it.
type HostJudge interface {
	CheckHost(host string, port uint16) error
}

// complete fills in what may be left out.
func (s Spec) complete() Spec {
	if s.Scheme == "" {
		s.Scheme = DefaultScheme
	}
	if len(s.Events) == 0 {
		s.Events = []string{"*"}
	}
	return s
}

// Check finds everything that is wrong with a spec. No problem quotes a secret or a URL.
func (s Spec) Check(hosts HostJudge) []*InvalidError {
	s = s.complete()
	var wrong []*InvalidError
	report := func(field, problem string) {
		if problem != "" {
			wrong = append(wrong, &InvalidError{field, problem})
		}
	}
	report("url", urlProblem(s.URL, hosts))
	report("events", patternsProblem(s.Events))
	report("scheme", s.schemeProblem())
	report("secret", s.secretProblem())
	report("tenant", textProblem(s.Tenant, relay.MaxKey))
	report("name", textProblem(s.Name, MaxName))
	if s.Concurrency < 0 || s.Concurrency > relay.MaxConcurrency {
		report("concurrency", fmt.Sprintf("must be from 0 to %d", relay.MaxConcurrency))
	}
	if s.RateLimit != 0 && !(s.RateLimit >= relay.MinTargetRate && s.RateLimit <= relay.MaxTargetRate) {
		report("rate_limit", fmt.Sprintf("must be 0 or from %v to %d a second", relay.MinTargetRate, int(relay.MaxTargetRate)))
	}
	return wrong
}

// target is what the engine keeps of the endpoint.
func (s Spec) target(id string) relay.Target {
	return relay.Target{ID: id, Concurrency: s.Concurrency, Rate: s.RateLimit}
}

func urlProblem(raw string, hosts HostJudge) string {
	if raw == "" || len(raw) > MaxURL {
		return fmt.Sprintf("must be an http or https URL of at most %d bytes", MaxURL)
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Opaque != "" {
		return "must be an http or https URL with a host"
	}
	if u.User != nil {
		return "must not hold user info; the signature is what authenticates"
	}
	if u.Fragment != "" || strings.Contains(raw, "#") {
		return "must not have a fragment"
	}
	port, ok := portOf(u)
	if !ok {
		return "must have a port from 1 to 65535, or none"
	}
	if err := hosts.CheckHost(u.Hostname(), port); err != nil {
		return "cannot be sent to: " + err.Error()
	}
	return ""
}

func portOf(u *url.URL) (uint16, bool) {
	switch text := u.Port(); {
	case text != "":
		port, err := strconv.ParseUint(text, 10, 16)
		return uint16(port), err == nil && port > 0
	case strings.HasSuffix(u.Host, ":"):
		return 0, false
	case u.Scheme == "https":
		return 443, true
	default:
		return 80, true
	}
}

func patternsProblem(patterns []string) string {
	if len(patterns) > MaxPatterns {
		return fmt.Sprintf("must be at most %d patterns", MaxPatterns)
	}
	for _, pattern := range patterns {
		if !webhook.ValidPattern(pattern) {
			return fmt.Sprintf("must be event types such as order.completed, beginnings such as order.*, or *; not %q", pattern)
		}
	}
	return ""
}

// schemeProblem tries the scheme on an event: some sign only what their provider sends, such as a form or a body
// with a certain field.
func (s Spec) schemeProblem() string {
	if _, err := signature.Describe(s.Scheme); err != nil {
		return "must be known: " + err.Error()
	}
	secret, err := signature.NewSecret(s.Scheme)
	if err != nil {
		return "cannot sign events: " + err.Error()
	}
	signer, err := signature.NewSigner(s.Scheme, secret)
	if err != nil {
		return "cannot sign events: " + err.Error()
	}
	event := signature.Outgoing{
		ID: "msg_1", Time: time.Unix(1_800_000_000, 0), Method: http.MethodPost, URL: "https://example.com/",
		ContentType: "application/json", Body: []byte(`{"id":"msg_1","type":"a","timestamp":"2027-01-15T08:00:00Z","data":{}}`),
	}
	if u, err := url.Parse(s.URL); err == nil && u.Host != "" { // some schemes sign it
		event.URL = s.URL
	}
	if err := signer.Sign(event, http.Header{}); err != nil {
		return "cannot sign events: " + err.Error()
	}
	return ""
}

func (s Spec) secretProblem() string {
	if s.Secret == "" || s.schemeProblem() != "" {
		return ""
	}
	if len(s.Secret) > MaxSecret {
		return fmt.Sprintf("must be at most %d bytes", MaxSecret)
	}
	if _, err := signature.NewSigner(s.Scheme, s.Secret); err != nil {
		return "does not fit the scheme: " + err.Error()
	}
	return ""
}

func textProblem(text string, limit int) string {
	if len(text) > limit || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Sprintf("must be at most %d bytes of text without control characters", limit)
	}
	return ""
}
