package doctor_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/doctor"
	"example.com/signet/services/producer/internal/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newConfig(t *testing.T, url, scheme string) doctor.Config {
	t.Helper()
	template, err := sample.Parse([]byte(sample.Default))
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Config{
		URL: url, Scheme: scheme, Secret: secret, OldSecret: oldSecret, Template: template, Oversize: 128 << 10,
		Timeout: time.Minute, SlowLimit: time.Minute, UserAgent: "test", // not reached, however busy the machine is
	}
}

// run examines, and checks what holds of every report.
func run(t *testing.T, cfg doctor.Config) doctor.Report {
	t.Helper()
	var told []doctor.Finding
	report, err := doctor.Run(t.Context(), cfg, func(f doctor.Finding) { told = append(told, f) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, report.Findings) {
		t.Errorf("told %v, reported %v", told, report.Findings)
	}
	var document bytes.Buffer
	if err := report.WriteJUnit(&document); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{document.String(), fmt.Sprintf("%+v", report)} {
		for _, s := range []string{cfg.Secret, cfg.OldSecret} {
			if s != "" && strings.Contains(text, s) {
				t.Errorf("a secret stands in %s", text)
			}
		}
	}
	for _, f := range report.Findings {
		if f.Detail == "" || strings.ContainsAny(f.Detail, "\r\n") {
			t.Errorf("%s says %q", f.Case, f.Detail)
		}
	}
	return report
}

func named(r doctor.Report, outcome doctor.Outcome) []string {
	var names []string
	for _, f := range r.Findings {
		if f.Outcome == outcome {
			names = append(names, f.Case)
		}
	}
	return names
}

// TestRun_faults: each fault is found by the cases that are about it, and by no others.
func TestRun_faults(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.scheme+" "+f.fault, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t, serve(t, f.scheme, f.fault), f.scheme)
			switch {
			case strings.HasPrefix(f.fault, "hangs"):
				cfg.Timeout = 500 * time.Millisecond
			case f.fault == "waits for ever":
				cfg.SlowLimit = 2 * time.Second
			}
			got := run(t, cfg)
			if failed := named(got, doctor.Failed); !slices.Equal(failed, f.cases) {
				t.Errorf("failed are %v, want %v:\n%+v", failed, f.cases, got.Findings)
			}
			if unclear := got.Count(doctor.Unknown) > 0; unclear != f.hopeless() || got.Healthy() != (len(f.cases) == 0) {
				t.Errorf("healthy %v, unknown %v", got.Healthy(), named(got, doctor.Unknown))
			}
			said := slices.ContainsFunc(got.Findings, func(found doctor.Finding) bool {
				return found.Outcome == doctor.Failed && strings.Contains(found.Detail, f.says)
			})
			if f.says != "" && !said {
				t.Errorf("nothing says %q:\n%+v", f.says, got.Findings)
			}
			if len(got.Findings) != len(doctor.Cases()) {
				t.Errorf("%d findings", len(got.Findings))
			}
		})
	}
}

// TestRun_notApplicable: what a scheme cannot prove is not asked for, and the reason is told.
func TestRun_notApplicable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scheme string
		want   []string
		reason string
	}{
		{"standard", []string{"spent-id", "rotation"}, "standard signs the id"},
		{"stripe", []string{"tampered-id", "rotation"}, "stripe does not sign an id in a header"},
		{"github", []string{"tampered-time", "tampered-id", "expired", "future", "rotation"}, "github signs no time, so nothing expires"},
		{"generic", []string{"tampered-time", "tampered-id", "expired", "future", "rotation"}, "no old secret was given"},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t, serve(t, c.scheme, ""), c.scheme)
			cfg.OldSecret, cfg.Skip = "", []string{"slow-body"}
			got := run(t, cfg)
			if names := named(got, doctor.NotApplicable); !slices.Equal(names, c.want) {
				t.Errorf("not applicable are %v, want %v", names, c.want)
			}
			if !slices.ContainsFunc(got.Findings, func(f doctor.Finding) bool { return f.Detail == c.reason || strings.HasPrefix(f.Detail, c.reason) }) {
				t.Errorf("nothing says %q: %+v", c.reason, got.Findings)
			}
		})
	}
}

func TestRun_selection(t *testing.T) {
	t.Parallel()
	url := serve(t, "standard", "")
	for name, c := range map[string]struct{ only, skip, want []string }{
		"only":      {[]string{"wrong-secret", "expired"}, nil, []string{"wrong-secret", "expired"}},
		"both":      {[]string{"wrong-secret", "expired"}, []string{"expired"}, []string{"wrong-secret"}},
		"only slow": {[]string{"slow-body"}, nil, []string{"slow-body"}},
		"skip":      {nil, append([]string{"valid"}, doctor.Cases()[2:]...), []string{"raw-bytes"}},
	} {
		cfg := newConfig(t, url, "standard")
		cfg.Only, cfg.Skip = c.only, c.skip
		if got := named(run(t, cfg), doctor.Passed); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	cfg := newConfig(t, serve(t, "standard", "refuses everything"), "standard")
	cfg.Only = []string{"wrong-secret"}
	if got := run(t, cfg); got.Healthy() || got.Findings[0].Outcome != doctor.Unknown || !strings.Contains(got.Findings[0].Detail, "a valid request was refused (401)") {
		t.Errorf("a refusal by who refuses everything: %+v", got)
	}
}

// TestRun_nobody: without a receiver there is one failure, at once, and nothing else is tried.
func TestRun_nobody(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t, "http://127.0.0.1:1", "standard")
	got := run(t, cfg)
	if !slices.Equal(named(got, doctor.Failed), []string{"valid"}) || got.Count(doctor.Unknown) != len(doctor.Cases())-1 || got.Took > 2*time.Second {
		t.Errorf("%+v", got)
	}
}

func TestRun_interrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if count.Add(1) > 3 {
			interrupt()
		}
	}))
	t.Cleanup(server.Close)
	cfg := newConfig(t, server.URL, "standard")
	cfg.SlowLimit = time.Minute
	began := time.Now()
	got, err := doctor.Run(ctx, cfg, func(doctor.Finding) {})
	if err != nil || got.Healthy() || got.Count(doctor.Unknown) < 5 || got.Findings[8].Detail != "interrupted" || time.Since(began) > 50*time.Second {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestRun_configuration(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:1"
	noTime, err := sample.Parse([]byte(`{"id":"{{id}}"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*doctor.Config)
		want   error
	}{
		"scheme":     {func(c *doctor.Config) { c.Scheme = "morse" }, signature.ErrUnknownScheme},
		"unsignable": {func(c *doctor.Config) { c.Scheme = "mailgun" }, signature.ErrUnsignable},
		"secret":     {func(c *doctor.Config) { c.Secret = "whsec_!" }, signature.ErrInvalidSecret},
		"old secret": {func(c *doctor.Config) { c.OldSecret = "whsec_!" }, signature.ErrInvalidSecret},
		"template":   {func(c *doctor.Config) { c.Scheme, c.Template = "linear", noTime }, signature.ErrUnsignable},
	} {
		cfg := newConfig(t, url, "standard")
		c.change(&cfg)
		if _, err := doctor.Run(t.Context(), cfg, func(doctor.Finding) { t.Errorf("%s: examined", name) }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReport_WriteJUnit parses what is written as its readers do.
func TestReport_WriteJUnit(t *testing.T) {
	t.Parallel()
	report := doctor.Report{URL: "http://x/?a=xxxxx", Scheme: "standard", Began: time.Unix(1769857200, 0), Took: 1500 * time.Millisecond, Findings: []doctor.Finding{
		{Case: "valid", Title: "t", Outcome: doctor.Passed, Detail: "accepted (200)", Took: time.Second},
		{Case: "expired", Title: "t", Outcome: doctor.Failed, Detail: `a "<b>" & c`},
		{Case: "future", Title: "t", Outcome: doctor.NotApplicable, Detail: "no time"},
		{Case: "rotation", Title: "t", Outcome: doctor.Unknown, Detail: "not tried"},
	}}
	var out bytes.Buffer
	if err := report.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	type detail struct {
		Message string `xml:"message,attr"`
	}
	type counts struct {
		Tests    int     `xml:"tests,attr"`
		Failures int     `xml:"failures,attr"`
		Errors   int     `xml:"errors,attr"`
		Skipped  int     `xml:"skipped,attr"`
		Time     float64 `xml:"time,attr"`
	}
	var got struct {
		XMLName xml.Name `xml:"testsuites"`
		counts
		Suite struct {
			counts
			Timestamp string `xml:"timestamp,attr"`
			Cases     []struct {
				Class                   string  `xml:"classname,attr"`
				Name                    string  `xml:"name,attr"`
				Time                    float64 `xml:"time,attr"`
				Failure, Error, Skipped *detail
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	decoder := xml.NewDecoder(&out)
	decoder.DefaultSpace = ""
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Suite.Timestamp != "2026-01-31T11:00:00" || len(got.Suite.Cases) != 4 || got.Suite.Cases[0].Time != 1 || got.Suite.Cases[0].Class != "doctor.standard" {
		t.Errorf("%+v", got)
	}
}
