package webhook_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestSender_signsTheBytesItSends(t *testing.T) {
	t.Parallel()
	now := time.Now()
	// Linear's time and Twilio's digest are there for those who want them.
	body := fmt.Appendf(nil, "{ \"amount\": 1.10,\t\"name\":\"\\u00e9 <b>\", \"webhookTimestamp\": %d }\n", now.UnixMilli())
	path := fmt.Sprintf("/hook?x=1&bodySHA256=%x", sha256.Sum256(body))
	for _, scheme := range signature.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			to := newSink(t, status(http.StatusNoContent))
			signer, verifier := pair(t, scheme)
			header := http.Header{
				"webhook-id":          {"msg_forged"},
				"x-hub-signature-256": {"sha256=00"},
				"X-Signature-256":     {"sha256=00"},
				"X-Own":               {"a", "b"},
			}
			for name := range header {
				if scheme != "github" && name == "x-hub-signature-256" || scheme != "generic" && name == "X-Signature-256" {
					delete(header, name)
				}
			}
			attempt := webhook.NewSender(newHTTPClient(t), "").Attempt(t.Context(), webhook.Request{
				URL: to.URL + path, Header: header, ID: "msg_1", Time: now, Body: body, Signer: signer,
			})
			if attempt.Class() != webhook.Delivered || attempt.Err != nil || attempt.StatusCode != 204 {
				t.Fatalf("attempt: %+v", attempt)
			}
			got := to.requests()[0]
			if !bytes.Equal(got.Body, body) {
				t.Errorf("sent %q, not %q", got.Body, body)
			}
			match, err := verifier.Verify(signature.Request{Method: "POST", URL: to.URL + path, Header: got.Header, Body: got.Body}, now)
			if err != nil {
				t.Fatalf("verify: %v", err)
			}
			if match.ID != "" && match.ID != "msg_1" {
				t.Errorf("id %q", match.ID)
			}
			if own := got.Header.Values("X-Own"); len(own) != 2 {
				t.Errorf("own header: %q", own)
			}
		})
	}
}

// pair signs and verifies with a new secret of the scheme's.
func pair(t *testing.T, scheme string) (*signature.Signer, *signature.Verifier) {
	t.Helper()
	info, err := signature.Describe(scheme)
	if err != nil {
		t.Fatal(err)
	}
	if !info.CanSign {
		t.Skip("only its provider signs")
	}
	secret, err := signature.NewSecret(scheme)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	if info.PublicKey {
		if secret, err = signature.PublicKey(scheme, secret); err != nil {
			t.Fatal(err)
		}
	}
	verifier, err := signature.NewVerifier(scheme, []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func TestSender_unsignedCarriesAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	attempt := webhook.NewSender(newHTTPClient(t), "tester/1").Attempt(t.Context(), webhook.Request{
		URL: to.URL, ID: "msg_1", Body: []byte("a=b"), Header: http.Header{"content-type": {"text/plain"}},
	})
	if attempt.Err != nil {
		t.Fatal(attempt.Err)
	}
	h := to.requests()[0].Header
	for name, want := range map[string]string{"Idempotency-Key": "msg_1", "Content-Type": "text/plain", "User-Agent": "tester/1", "Webhook-Id": ""} {
		if got := strings.Join(h.Values(name), "|"); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
}

func TestSender_classes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		want   webhook.Class
	}{
		{200, webhook.Delivered},
		{201, webhook.Delivered},
		{299, webhook.Delivered},
		{301, webhook.Permanent},
		{304, webhook.Permanent},
		{400, webhook.Permanent},
		{401, webhook.Permanent},
		{404, webhook.Permanent},
		{408, webhook.Retry},
		{410, webhook.Gone},
		{422, webhook.Permanent},
		{425, webhook.Retry},
		{429, webhook.Retry},
		{500, webhook.Retry},
		{501, webhook.Retry},
		{503, webhook.Retry},
		{599, webhook.Retry},
	}
	sender := webhook.NewSender(newHTTPClient(t), "")
	for _, tt := range tests {
		to := newSink(t, status(tt.status))
		attempt := sender.Attempt(t.Context(), webhook.Request{URL: to.URL, Body: []byte("{}")})
		if got := attempt.Class(); got != tt.want {
			t.Errorf("%d is %s, not %s", tt.status, got, tt.want)
		}
		if (attempt.Err == nil) != (tt.want == webhook.Delivered) {
			t.Errorf("%d: error %v", tt.status, attempt.Err)
		}
	}
}

func TestSender_doesNotFollowRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := newSink(t, status(http.StatusOK))
	to := newSink(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", elsewhere.URL+"/?token=hunter2")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	client := newHTTPClient(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	attempt := webhook.NewSender(client, "").Attempt(t.Context(), webhook.Request{URL: to.URL, Body: []byte("{}")})
	if attempt.Class() != webhook.Permanent || attempt.StatusCode != 307 {
		t.Errorf("attempt: %+v", attempt)
	}
	if n := len(elsewhere.requests()); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
	if strings.Contains(attempt.Err.Error(), "hunter2") {
		t.Errorf("the error shows the location's token: %v", attempt.Err)
	}
}

func TestSender_boundsWhatItReads(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(_ int, w http.ResponseWriter) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 10<<20))
	})
	attempt := webhook.NewSender(newHTTPClient(t), "").Attempt(t.Context(), webhook.Request{URL: to.URL, Body: []byte("{}")})
	if attempt.Class() != webhook.Delivered || len(attempt.Response) != webhook.KeptResponse {
		t.Errorf("class %s, kept %d bytes, error %v", attempt.Class(), len(attempt.Response), attempt.Err)
	}
}

func TestSender_reusesConnections(t *testing.T) {
	t.Parallel()
	to := newSink(t, func(_ int, w http.ResponseWriter) { _, _ = w.Write(bytes.Repeat([]byte("x"), 32<<10)) })
	var dials int
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	sender := webhook.NewSender(&http.Client{Transport: transport}, "")
	for range 5 {
		if a := sender.Attempt(t.Context(), webhook.Request{URL: to.URL, Body: []byte("{}")}); a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if dials != 1 {
		t.Errorf("%d connections for 5 attempts", dials)
	}
}

// The user info of a URL is sent as net/http's client sends it, whether or not that client is in between.
func TestSender_userInfo(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	url := strings.Replace(to.URL, "http://", "http://user:pass@", 1)
	through := newHTTPClient(t)
	through.Timeout = time.Minute
	for _, client := range []*http.Client{newHTTPClient(t), through} {
		for given, want := range map[string]string{"": "Basic dXNlcjpwYXNz", "Bearer x": "Bearer x"} {
			header := http.Header{}
			if given != "" {
				header.Set("Authorization", given)
			}
			attempt := webhook.NewSender(client, "").Attempt(t.Context(), webhook.Request{URL: url, Header: header, Body: []byte("{}")})
			if attempt.Err != nil {
				t.Fatal(attempt.Err)
			}
			seen := to.requests()
			if got := seen[len(seen)-1].Header.Get("Authorization"); got != want {
				t.Errorf("%q, not %q", got, want)
			}
		}
	}
}

func TestSender_timeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	to := newSink(t, func(int, http.ResponseWriter) { <-release })
	t.Cleanup(func() { close(release) })
	sender := webhook.NewSender(newHTTPClient(t), "")

	attempt := sender.Attempt(t.Context(), webhook.Request{URL: to.URL, Body: []byte("{}"), Timeout: 20 * time.Millisecond})
	if !errors.Is(attempt.Err, context.DeadlineExceeded) || attempt.Class() != webhook.Retry || attempt.Duration < 20*time.Millisecond {
		t.Errorf("attempt: %+v", attempt)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	attempt = sender.Attempt(ctx, webhook.Request{URL: to.URL, Body: []byte("{}")})
	if !errors.Is(attempt.Err, context.Canceled) {
		t.Errorf("cancelled: %v", attempt.Err)
	}
}

// asked notes the context that a request came with.
type asked struct {
	http.RoundTripper

	ctx context.Context
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.ctx = r.Context()
	return a.RoundTripper.RoundTrip(r)
}

// TestSender_deadline: the earlier one ends the attempt, the caller's or the timeout. What the caller made for just this
// attempt is as good as the timeout, and taken as it is.
func TestSender_deadline(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	for name, tt := range map[string]struct {
		context time.Duration // 0: none
		want    string
		own     bool // a context of the sender's own
	}{
		"none":                 {0, "no answer within 200ms: context deadline exceeded", true},
		"later":                {time.Minute, "no answer within 200ms: context deadline exceeded", true},
		"earlier":              {timeout / 4, "context deadline exceeded", false},
		"made for the attempt": {timeout, "no answer within 200ms: context deadline exceeded", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			to := newSink(t, func(int, http.ResponseWriter) { <-release })
			t.Cleanup(func() { close(release) })
			through := &asked{RoundTripper: newHTTPClient(t).Transport}
			ctx := t.Context()
			if tt.context > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.context)
				defer cancel()
			}
			began := time.Now()
			attempt := webhook.NewSender(&http.Client{Transport: through}, "").Attempt(ctx, webhook.Request{URL: to.URL, Body: []byte("{}"), Timeout: timeout})
			if attempt.Err == nil || attempt.Err.Error() != tt.want || !errors.Is(attempt.Err, context.DeadlineExceeded) {
				t.Errorf("%v, want %s", attempt.Err, tt.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if own := through.ctx != ctx; own != tt.own {
				t.Errorf("a context of the sender's own: %v", own)
			}
		})
	}
}

func TestSender_errorsHideCredentials(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url string
		want      webhook.Class
	}{
		{"refused connection", "http://user:hunter2@127.0.0.1:1/?token=hunter2", webhook.Retry},
		{"password without user info syntax", "http://user:hunter2/x@host/", webhook.Permanent},
		{"no host", "http:///hunter2", webhook.Permanent},
		{"no scheme", "hunter2", webhook.Permanent},
		{"other scheme", "ftp://hunter2@host/", webhook.Permanent},
		{"control character", "http://host/hunter2\n", webhook.Permanent},
	}
	sender := webhook.NewSender(newHTTPClient(t), "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			attempt := sender.Attempt(t.Context(), webhook.Request{URL: tt.url, Body: []byte("{}")})
			if attempt.Class() != tt.want || attempt.Err == nil {
				t.Fatalf("attempt: %+v", attempt)
			}
			if strings.Contains(attempt.Err.Error(), "hunter2") {
				t.Errorf("the error shows the credential: %v", attempt.Err)
			}
		})
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"86400":                         24 * time.Hour,
		"86401":                         24 * time.Hour,
		"99999999999999999999":          24 * time.Hour,
		"-5":                            0,
		"1.5":                           0,
		"soon":                          0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Sun, 01 Mar 2099 11:00:00 GMT": 24 * time.Hour,
	}
	for value, want := range tests {
		if got := webhook.ParseRetryAfter(value, now); got != want {
			t.Errorf("%q: %s, not %s", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "1", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:00:30 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := webhook.ParseRetryAfter(value, time.Unix(0, 0)); d < 0 || d > webhook.MaxRetryAfter {
			t.Errorf("%q: %s", value, d)
		}
	})
}

// What net/http would refuse to write again and again is refused once, and its value is not told.
func TestSender_refusesHeaders(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	for name, header := range map[string]http.Header{
		"control":    {"X-Token": {"hunter2\x01"}},
		"line break": {"X-Token": {"hunter2\r\nX-Other: 1"}},
		"delete":     {"X-Token": {"hunter2\x7f"}},
		"name":       {"X Token": {"hunter2"}},
		"no name":    {"": {"hunter2"}},
	} {
		attempt := webhook.NewSender(newHTTPClient(t), "").Attempt(t.Context(), webhook.Request{URL: to.URL, Header: header})
		if attempt.Class() != webhook.Permanent || !errors.Is(attempt.Err, webhook.ErrUnsendable) || strings.Contains(attempt.Err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, attempt.Err)
		}
	}
	good := webhook.Request{URL: to.URL, Header: http.Header{"X-Own": {"a\tb é"}}}
	if attempt := webhook.NewSender(newHTTPClient(t), "").Attempt(t.Context(), good); attempt.Err != nil || len(to.requests()) != 1 {
		t.Errorf("%v; %d requests", attempt.Err, len(to.requests()))
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"http://host": true, "https://host:65535/a?b=c": true, "http://[::1]:80": true,
		"http://host:65536": false, "http://host:0": false, "http://:80": false, "ftp://host": false, "/path": false, "http://": false, "http://a b": false,
	} {
		if err := webhook.CheckURL(url); (err == nil) != good || (err != nil && !errors.Is(err, webhook.ErrInvalidURL)) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
