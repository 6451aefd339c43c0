package signature_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// mutation spoils a request, or is false where it does not apply. It sends.
type mutation struct {
	name  string
	cause signature.Cause
	spoil func(t testing.TB, e *explained) bool
}

// TestExplain_Mutations: of each fault alone, the first finding names it; with a
// time out of tolerance beside it, the last names that too.
func TestExplain_Mutations(t *testing.T) {
	t.Parallel()
	var all []mutation
	for _, some := range [][]mutation{bodyMutations(), secretMutations(), headerMutations(), urlMutations(), timeMutations()} {
		all = append(all, some...)
	}
	for _, m := range all {
		applied := 0
		for _, scheme := range signature.Schemes() {
			if !describe(t, scheme).CanSign {
				continue
			}
			t.Run(m.name+"/"+scheme, func(t *testing.T) {
				e := newExplained(t, scheme)
				if !m.spoil(t, e) {
					t.Skip("does not apply")
				}
				applied++
				wantFirst(t, e, m.cause)
				if e.info.Tolerance > 0 && !strings.HasPrefix(m.name, "time") {
					wantAlsoOld(t, e, m.cause)
				}
			})
		}
		if applied == 0 && len(signature.Schemes()) > 20 { // few schemes need not have every fault
			t.Errorf("%s applies to no scheme", m.name)
		}
	}
}

func wantFirst(t *testing.T, e *explained, cause signature.Cause) {
	t.Helper()
	got := e.explain(t)
	if got.Err == nil || len(got.Findings) == 0 {
		t.Fatalf("valid, or nothing found: %+v", got)
	}
	if got.Findings[0].Cause != cause {
		t.Errorf("first cause %s, want %s: %+v", got.Findings[0].Cause, cause, got.Findings)
	}
	for _, f := range got.Findings {
		if !strings.HasSuffix(f.Detail, ".") || strings.ContainsAny(f.Detail, "\n") || strings.Contains(f.Detail, "%!") {
			t.Errorf("%q is no sentence", f.Detail)
		}
	}
}

// wantAlsoOld asks again a day later. A request that cannot be read has no time.
func wantAlsoOld(t *testing.T, e *explained, cause signature.Cause) {
	t.Helper()
	e.now = e.now.Add(24 * time.Hour)
	got := e.explain(t).Findings
	last := got[len(got)-1].Cause
	if got[0].Cause == cause && last == signature.CauseTooOld && len(got) > 1 {
		return
	}
	// Of GitLab's two proofs only one has a time, so an unproven one has none.
	if (!errors.Is(e.explain(t).Err, signature.ErrMismatch) || e.scheme == "gitlab") && got[0].Cause == cause {
		return
	}
	t.Errorf("a day later: %+v", got)
}

func bodyMutation(name string, cause signature.Cause, applies func(e *explained) bool, sent, received func(string) string) mutation {
	return mutation{name, cause, func(t testing.TB, e *explained) bool {
		if !applies(e) {
			return false
		}
		e.signed.Body = []byte(sent(string(e.signed.Body)))
		e.send(t)
		e.request.Body = []byte(received(string(e.signed.Body)))
		return !bytes.Equal(e.signed.Body, e.request.Body)
	}}
}

func TestExplain_Valid(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		if !describe(t, scheme).CanSign {
			continue
		}
		e := newExplained(t, scheme)
		e.send(t)
		got := e.explain(t)
		want, err := verifier(t, scheme, e.keys.verifying).Verify(e.request, e.now)
		if err != nil || got.Err != nil || got.Match != want || len(got.Findings) != 0 {
			t.Errorf("%s: %+v, want %+v, %v", scheme, got, want, err)
		}
	}
}

func TestExplain_Arguments(t *testing.T) {
	t.Parallel()
	request := sampleRequest(t, "github", plainSecret)
	for name, test := range map[string]struct {
		scheme  string
		secrets []string
		opts    []signature.Option
		want    error
	}{
		"unknown scheme":        {"carrier-pigeon", []string{plainSecret}, nil, signature.ErrUnknownScheme},
		"no secret":             {"github", nil, nil, signature.ErrEmptySecret},
		"no secret, detected":   {"", nil, nil, signature.ErrEmptySecret},
		"negative tolerance":    {"github", []string{plainSecret}, []signature.Option{signature.WithTolerance(-1)}, signature.ErrInvalidTolerance},
		"valid, to be detected": {"", []string{plainSecret}, nil, nil},
	} {
		got, err := signature.Explain(request, test.scheme, test.secrets, testTime, test.opts...)
		wantError(t, err, test.want)
		if (got.Match.Scheme == "github") != (test.want == nil) || got.Err != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExplain_Tolerance(t *testing.T) {
	t.Parallel()
	e := newExplained(t, "standard")
	e.send(t)
	got, err := signature.Explain(e.request, "standard", e.secrets, e.now.Add(61*time.Second), signature.WithTolerance(time.Minute))
	wantError(t, err, nil)
	wantError(t, got.Err, signature.ErrTooOld)
	const want = "The signature is right, but its time, 2023-11-14T22:13:20Z, is 1m1s before now, 1s beyond the tolerance of 1m0s."
	if len(got.Findings) != 1 || got.Findings[0].Detail != want {
		t.Errorf("%+v", got.Findings)
	}
}

// TestExplain_FarOff: a time.Duration ends at 292 years.
func TestExplain_FarOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		now, signed time.Time
		says        string
	}{
		"after":  {testTime, time.Unix(221845392000, 0), "9000-01-01T00:00:00Z, is more than 292 years after now, far beyond the tolerance of 5m0s: the two clocks differ."},
		"before": {time.Unix(221845392000, 0), testTime, "2023-11-14T22:13:20Z, is more than 292 years before now, far beyond the tolerance of 5m0s."},
		"less":   {testTime.Add(1 << 62), testTime, "2023-11-14T22:13:20Z, is 1281023h53m38.427s before now, 1281023h48m38.427s beyond the tolerance of 5m0s."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newExplained(t, "standard")
			e.send(t)
			seconds := strconv.FormatInt(test.signed.Unix(), 10)
			mac := v1Of(plainSecret, testID+"."+seconds+"."+explainBody)
			e.request = with(with(e.request, "Webhook-Timestamp", seconds), "Webhook-Signature", mac)
			e.secrets, e.now = []string{plainSecret}, test.now
			got := e.explain(t).Findings
			if len(got) != 1 || got[0].Detail != "The signature is right, but its time, "+test.says {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestExplain_Detected: what an empty scheme name adds.
func TestExplain_Detected(t *testing.T) {
	t.Parallel()
	k := newKeys(t, "standard")
	standard, github := sampleRequest(t, "standard", k.signing), sampleRequest(t, "github", k.signing)
	both := with(standard, "X-Hub-Signature-256", firstValue(github.Header, "X-Hub-Signature-256"))
	spoilt := standard
	spoilt.Body = append(bytes.Clone(standard.Body), '\n')
	for name, test := range map[string]struct {
		request signature.Request
		secrets []string
		cause   signature.Cause
		says    string
		err     error
	}{
		"two schemes":    {both, []string{k.verifying}, signature.CauseSeveralSchemes, "github and standard", signature.ErrAmbiguous},
		"newline":        {spoilt, []string{k.verifying}, signature.CauseBodyTrailingNewline, "newline", signature.ErrMismatch},
		"nothing":        {signature.Request{Header: http.Header{}, Body: testBody}, []string{k.verifying}, signature.CauseNoSignature, "any scheme", signature.ErrMissing},
		"no headers":     {signature.Request{}, []string{k.verifying}, signature.CauseNoSignature, "any scheme", signature.ErrMissing},
		"blank secret":   {github, []string{" "}, signature.CauseSecretUnusable, "the secret", signature.ErrEmptySecret},
		"one is blank":   {github, []string{"", k.verifying}, signature.CauseSecretUnusable, "secret 1 of 2", signature.ErrEmptySecret},
		"not for anyone": {standard, []string{"whpk_AAAA"}, signature.CauseSecretOtherFormat, "whpk_", signature.ErrInvalidSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := signature.Explain(test.request, "", test.secrets, testTime)
			wantError(t, err, nil)
			wantError(t, got.Err, test.err)
			if len(got.Findings) == 0 || got.Findings[0].Cause != test.cause || !strings.Contains(got.Findings[0].Detail, test.says) {
				t.Errorf("findings %+v, want %s and %q", got.Findings, test.cause, test.says)
			}
		})
	}
}

// TestExplain_OtherScheme: the request is one of another scheme.
func TestExplain_OtherScheme(t *testing.T) {
	t.Parallel()
	k := newKeys(t, "standard")
	request := sampleRequest(t, "standard", k.signing)
	for name, test := range map[string]struct {
		secret, says string
		err          error
	}{
		"same secret":  {k.verifying, "not of github: it verifies as such with the secret", signature.ErrMissing},
		"other secret": {k.stranger, "standard (Webhook-Signature)", signature.ErrMissing},
	} {
		got, err := signature.Explain(request, "github", []string{test.secret}, testTime)
		wantError(t, err, nil)
		wantError(t, got.Err, test.err)
		if len(got.Findings) == 0 || got.Findings[0].Cause != signature.CauseOtherScheme || !strings.Contains(got.Findings[0].Detail, test.says) {
			t.Errorf("%s: %+v", name, got.Findings)
		}
	}
}

// TestExplain_SeveralSecrets: a finding names the secret it is about.
func TestExplain_SeveralSecrets(t *testing.T) {
	t.Parallel()
	e := newExplained(t, "github")
	e.send(t)
	e.secrets = []string{e.keys.stranger, e.keys.verifying + " "}
	if got := e.explain(t).Findings; len(got) != 1 || !strings.Contains(got[0].Detail, "secret 2 of 2") {
		t.Errorf("%+v", got)
	}
	e = newExplained(t, "standard")
	e.send(t)
	e.secrets = []string{"whsec_not base64", e.keys.verifying}
	got := e.explain(t)
	wantError(t, got.Err, signature.ErrInvalidSecret)
	if len(got.Findings) != 1 || got.Findings[0].Cause != signature.CauseSecretUnusable || !strings.Contains(got.Findings[0].Detail, "secret 1 of 2, though the request verifies with another one") {
		t.Errorf("%+v", got.Findings)
	}
}

// TestExplain_LargeBody: only cheap things are tried, and the finding says so.
func TestExplain_LargeBody(t *testing.T) {
	t.Parallel()
	large := `{"a": "` + strings.Repeat("x", 1<<20) + `"}`
	e := newExplained(t, "github")
	e.signed.Body = []byte(large)
	e.send(t)
	e.request.Body = []byte(strings.ReplaceAll(large, ": ", ":"))
	wantFirst(t, e, signature.CauseSecretWrong)
	if got := e.explain(t).Findings[0].Detail; !strings.Contains(got, "larger than 1024 KiB") {
		t.Error(got)
	}
	e.request.Body = []byte(large + "\n")
	wantFirst(t, e, signature.CauseBodyTrailingNewline)
}

// TestExplain_Bounded: a body made to grow does not.
func TestExplain_Bounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 9000) + strings.Repeat("1,", 400_000) + "1" + strings.Repeat("]", 9000)
	e := newExplained(t, "github")
	e.send(t)
	e.request.Body = []byte(deep)
	wantFirst(t, e, signature.CauseSecretWrong)
}

// counting counts how often a request's headers are asked for.
type counting struct {
	signature.Header

	reads *int
}

func (c counting) Values(name string) []string {
	if name == "X-Hub-Signature-256" {
		*c.reads++
	}
	return c.Header.Values(name)
}

func TestExplain_SomeDozensOfVerifications(t *testing.T) {
	t.Parallel()
	reads := 0
	e := newExplained(t, "github")
	e.send(t)
	e.secrets = []string{e.keys.stranger}
	e.request.Header = counting{e.request.Header, &reads}
	wantFirst(t, e, signature.CauseSecretWrong)
	if reads < 30 || reads > 120 {
		t.Errorf("the signature was read %d times", reads)
	}
}

func ExampleExplain() {
	header := http.Header{}
	header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	request := signature.Request{Header: header, Body: []byte("Hello, World!\n")}
	why, err := signature.Explain(request, "github", []string{"It's a Secret to Everybody"}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(why.Err)
	for _, finding := range why.Findings {
		fmt.Println(finding.Cause, "-", finding.Detail)
	}
	// Output:
	// github: signature mismatch
	// body_trailing_newline - A newline was added to the end of the body after it was signed.
}
