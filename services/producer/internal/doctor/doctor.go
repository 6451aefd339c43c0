// Package doctor sends a receiver the requests that show whether it handles webhooks rightly: genuine ones, which it must
// take, and every kind that it must not, and says of each what came of it.
//
// It judges by answers alone, as a sender sees them. What may be asked of a receiver follows from its scheme: a
// request that the scheme's own rules take is never expected to be refused (a scheme without a time has nothing that
// expires), and such cases are reported as not applicable. It changes nothing at the receiver but for the events that
// it takes, which say of themselves that they mean nothing.
package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/sample"
)

// Bounds and defaults.
const (
	DefaultTimeout   = 10 * time.Second
	MaxTimeout       = 5 * time.Minute
	DefaultSlowLimit = 30 * time.Second
	MaxSlowLimit     = 10 * time.Minute
	DefaultOversize  = 32 << 20 // bytes: more than any provider sends, of which GitHub's 25 MB are the most
	MinOversize      = 4 << 10  // bytes
	MaxOversize      = 256 << 20
	MaxTolerance     = 24 * time.Hour
)

// Config is whom to examine, and how.
type Config struct {
	URL       string
	PublicURL string // what schemes sign that sign the URL; empty: URL
	Scheme    string // one that can sign
	Secret    string // to sign with
	OldSecret string // the receiver's other one during a rotation; empty: there is none
	Template  sample.Template
	Header    http.Header   // further headers
	Tolerance time.Duration // the receiver's, for signed times; 0: the scheme's
	Oversize  int           // bytes of a body that is too large
	Timeout   time.Duration // for each request
	SlowLimit time.Duration // by when a body that never ends must be cut off
	UserAgent string
	Insecure  bool     // take any certificate
	Only      []string // cases, by name; empty: all
	Skip      []string // of those
}

// Outcome is what came of a case.
type Outcome string

// The outcomes.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotApplicable Outcome = "not applicable" // to the scheme, or to what the doctor was given
	Unknown       Outcome = "unknown"        // the answers prove nothing
)

// Finding is what is known of one case. It holds no secret, no header and nothing of a body.
type Finding struct {
	Case    string
	Title   string
	Outcome Outcome
	Detail  string // one line: what was seen, and when it is wrong what that means
	Took    time.Duration
}

// Report is what is known of a receiver.
type Report struct {
	URL      string // redacted
	Scheme   string
	Began    time.Time
	Took     time.Duration
	Findings []Finding
}

// Count is how many findings have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, f := range r.Findings {
		if f.Outcome == o {
			n++
		}
	}
	return n
}

// Healthy reports whether every case that applies passed, and at least one did.
func (r Report) Healthy() bool {
	return r.Count(Failed) == 0 && r.Count(Unknown) == 0 && r.Count(Passed) > 0
}

// Cases are the names of all cases, in the order they are reported.
func Cases() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// examination is one receiver being looked at.
type examination struct {
	cfg       Config
	tolerance time.Duration
	signer    *signature.Signer
	reference *signature.Verifier // what a right receiver would say
	client    *http.Client
	doubt     string // why refusals prove nothing; empty: they do
	silent    bool   // it does not answer at all
}

// Run looks at a receiver and calls each, in order, with what it found, as it is found. The examination takes at most
// a timeout for each request and the slow limit. When ctx ends, what is left is unknown. The only errors are of cfg: a
// secret or a template that the scheme cannot sign with.
func Run(ctx context.Context, cfg Config, each func(Finding)) (Report, error) {
	e, err := newExamination(cfg)
	if err != nil {
		return Report{}, err
	}
	defer e.client.CloseIdleConnections()
	report := Report{URL: webhook.Redact(cfg.URL), Scheme: cfg.Scheme, Began: time.Now()}
	found := func(f Finding) {
		report.Findings = append(report.Findings, f)
		each(f)
	}
	slow := e.begin(ctx)
	first := e.examine(ctx, valid())
	for _, c := range checks() {
		switch {
		case !e.selected(c.name):
		case c.name == first.Case:
			found(first)
		case c.name == slowBody().name:
			found(<-slow)
		default:
			found(e.examine(ctx, c))
		}
	}
	report.Took = time.Since(report.Began)
	return report, nil
}

func newExamination(cfg Config) (*examination, error) {
	info, err := signature.Describe(cfg.Scheme)
	if err != nil {
		return nil, err
	}
	e := &examination{cfg: cfg, tolerance: cfg.Tolerance}
	if info.Tolerance == 0 {
		e.tolerance = 0
	} else if e.tolerance == 0 {
		e.tolerance = info.Tolerance
	}
	if e.signer, err = signature.NewSigner(cfg.Scheme, cfg.Secret); err != nil {
		return nil, err
	}
	if cfg.OldSecret != "" {
		if _, err := signature.NewSigner(cfg.Scheme, cfg.OldSecret); err != nil {
			return nil, fmt.Errorf("the old secret: %w", err)
		}
	}
	known := cfg.Secret
	if info.PublicKey {
		if known, err = signature.PublicKey(cfg.Scheme, known); err != nil {
			return nil, err
		}
	}
	if e.reference, err = signature.NewVerifier(cfg.Scheme, []string{known}, signature.WithTolerance(e.tolerance)); err != nil {
		return nil, err
	}
	e.client = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: cfg.Insecure},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	trial, err := e.compose(e.draft())
	if err == nil && !e.right(trial) {
		err = errors.New("a request in this scheme does not verify: is the template or the URL what the scheme signs?")
	}
	return e, err
}

func (e *examination) selected(name string) bool {
	return (len(e.cfg.Only) == 0 || slices.Contains(e.cfg.Only, name)) && !slices.Contains(e.cfg.Skip, name)
}

// begin starts the one case that takes long, beside the others: they also show that a slow sender keeps nobody
// waiting.
func (e *examination) begin(ctx context.Context) <-chan Finding {
	finding := make(chan Finding, 1)
	if !e.selected(slowBody().name) {
		return finding
	}
	quick := *e // what the others find out is not known to it
	go func() { finding <- quick.examine(ctx, slowBody()) }()
	return finding
}

func (e *examination) examine(ctx context.Context, c check) Finding {
	began := time.Now()
	var v verdict
	if e.silent {
		v = unknown("not tried, as " + e.doubt)
	} else {
		v = c.run(ctx, e)
	}
	if ctx.Err() != nil {
		v = unknown("interrupted")
	}
	if v.outcome == Failed {
		v.detail += ": " + cmp.Or(v.means, c.threat)
	}
	return Finding{Case: c.name, Title: c.title, Outcome: v.outcome, Detail: v.detail, Took: time.Since(began)}
}
