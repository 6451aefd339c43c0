package signature_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// merged is a request with the headers of all those given.
func merged(requests ...signature.Request) signature.Request {
	h := http.Header{}
	for _, r := range requests {
		maps.Copy(h, r.Header.(http.Header))
	}
	return signature.Request{Header: h, Body: requests[0].Body}
}

// with is the request with a header added or replaced.
func with(r signature.Request, name string, values ...string) signature.Request {
	h := cloneOf(r)
	h[name] = values
	r.Header = h
	return r
}

func cloneOf(r signature.Request) http.Header { return r.Header.(http.Header).Clone() }

func without(r signature.Request, name string) signature.Request {
	h := cloneOf(r)
	h.Del(name)
	r.Header = h
	return r
}

func TestDetector_Verify(t *testing.T) {
	t.Parallel()
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	github := signed(t, signer(t, "github", plainSecret), out)
	generic := signed(t, signer(t, "generic", plainSecret), out)
	standard := signed(t, signer(t, "standard", plainSecret), out)
	digits := hexOf(plainSecret, string(testBody))
	tests := []struct {
		name    string
		schemes []string
		request signature.Request
		scheme  string
		want    error
	}{
		{"github", nil, github, "github", nil},
		{"generic", nil, generic, "generic", nil},
		{"standard", nil, standard, "standard", nil},
		{"github with its legacy header", nil, with(github, "X-Hub-Signature", "sha1=00"), "github", nil},
		{"github with its events", nil, with(github, "X-Github-Event", "push"), "github", nil},
		{"generic with both headers", nil, with(generic, "Signature", digits), "generic", nil},
		{"standard with GitHub's event", nil, with(standard, "X-Github-Event", "push"), "standard", nil},
		{"no headers", nil, signature.Request{Header: http.Header{}}, "", signature.ErrMissing},
		{"nil headers", nil, signature.Request{}, "", signature.ErrMissing},
		{"id and time only", nil, without(standard, "Webhook-Signature"), "", signature.ErrMissing},
		{"signature without id", nil, without(standard, "Webhook-Id"), "", signature.ErrMissing},
		{"github and generic", nil, merged(github, generic), "", signature.ErrAmbiguous},
		{"github and standard", nil, merged(github, standard), "", signature.ErrAmbiguous},
		{"generic and standard", nil, merged(generic, standard), "", signature.ErrAmbiguous},
		{"all three", nil, merged(generic, standard, github), "", signature.ErrAmbiguous},
		{"github and an empty other", nil, with(github, "Webhook-Signature", ""), "", signature.ErrAmbiguous},
		{"github and the second of generic", nil, with(github, "Signature", "x"), "", signature.ErrAmbiguous},
		{"github twice", nil, with(github, "X-Hub-Signature-256", "sha256="+digits, "sha256="+digits), "", signature.ErrMalformed},
		{"listed", []string{"github"}, github, "github", nil},
		{"listed twice", []string{"github", "github"}, github, "github", nil},
		{"not listed", []string{"github"}, standard, "", signature.ErrMissing},
		{"only one of the two listed", []string{"github"}, merged(github, standard), "github", nil},
		{"a wrong github is no generic", nil, with(github, "X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64)), "", signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := detector(t, test.schemes, "another", plainSecret).Verify(test.request, testTime)
			wantError(t, err, test.want)
			if match.Scheme != test.scheme || err == nil && match.Secret != 1 {
				t.Errorf("match %+v, want scheme %q", match, test.scheme)
			}
		})
	}
}

func TestNewDetector_Refusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		schemes []string
		secrets []string
		want    error
	}{
		{"unknown scheme", []string{"github", "nope"}, []string{"a"}, signature.ErrUnknownScheme},
		{"no secret", nil, nil, signature.ErrEmptySecret},
		{"an empty secret", nil, []string{"a", ""}, signature.ErrEmptySecret},
		{"a secret nobody can use", []string{"standard"}, []string{"good", "whsec_bad"}, signature.ErrInvalidSecret},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewDetector(test.schemes, test.secrets)
			wantError(t, err, test.want)
		})
	}
}

// TestDetector_UnusableSecret: a secret that standard cannot decode serves the
// others, and never counts as its bytes for standard.
func TestDetector_UnusableSecret(t *testing.T) {
	t.Parallel()
	const broken = "whsec_not base64"
	good := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	forged := signature.Request{Body: testBody, Header: headers(map[string]string{
		"webhook-id": testID, "webhook-timestamp": "1700000000",
		"webhook-signature": v1Of(broken, testID+".1700000000."+string(testBody)),
	})}

	alone := detector(t, nil, broken)
	wantError(t, alone.Unusable(), signature.ErrInvalidSecret)
	_, err := alone.Verify(forged, testTime)
	wantError(t, err, signature.ErrMismatch)
	wantError(t, err, signature.ErrInvalidSecret)
	_, err = alone.Verify(merged(signed(t, signer(t, "github", broken), out), forged), testTime)
	wantError(t, err, signature.ErrAmbiguous)

	second := detector(t, nil, broken, good)
	for _, scheme := range signature.Schemes() {
		if !describe(t, scheme).Detected {
			continue
		}
		match, err := second.Verify(signed(t, signer(t, scheme, good), out), testTime)
		if err != nil || match.Secret != 1 {
			t.Errorf("%s: %+v, %v; want the second secret", scheme, match, err)
		}
	}
	match, err := second.Verify(signed(t, signer(t, "github", broken), out), testTime)
	if err != nil || match.Secret != 0 {
		t.Errorf("github: %+v, %v; want the first secret", match, err)
	}
	wantError(t, detector(t, nil, good, plainSecret).Unusable(), nil)
}

// TestDetector_Handshake: only the scheme that the headers announce is asked, be
// the body what it may.
func TestDetector_Handshake(t *testing.T) {
	t.Parallel()
	const body = `{"type":"url_verification","challenge":"a"}`
	slack := v0Request("slack", plainSecret, "1700000000", body)
	github := genuine(t, "github", plainSecret, signature.Outgoing{Time: testTime, Body: []byte(body)})
	for _, test := range []struct {
		name    string
		schemes []string
		request signature.Request
		want    bool
	}{
		{"slack", nil, slack, true},
		{"slack of two", []string{"github", "slack"}, slack, true},
		{"not among those tried", []string{"github", "generic"}, slack, false},
		{"another scheme", nil, github, false},
		{"two schemes", nil, merged(slack, github), false},
		{"no scheme", nil, signature.Request{Header: http.Header{}, Body: []byte(body)}, false},
		{"no headers", nil, signature.Request{Body: []byte(body)}, false},
	} {
		reply, ok, err := detector(t, test.schemes, plainSecret).Handshake(test.request, testTime)
		if ok != test.want || err != nil || ok != (string(reply.Body) == "a") {
			t.Errorf("%s: %t, %s, %v", test.name, ok, reply.Body, err)
		}
	}
}
