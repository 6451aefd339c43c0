package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

func TestVerifier_GitHub(t *testing.T) {
	t.Parallel()
	const name = "X-Hub-Signature-256"
	good := hexOf(plainSecret, string(testBody))
	wrongEnd := good[:63] + string("01"[b2i(good[63] == '0')])
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"right", http.Header{name: {"sha256=" + good}}, nil},
		{"upper case digits", http.Header{name: {"sha256=" + strings.ToUpper(good)}}, nil},
		{"no headers at all", nil, signature.ErrMissing},
		{"other headers only", http.Header{"X-Github-Event": {"push"}}, signature.ErrMissing},
		{"legacy header only", http.Header{"X-Hub-Signature": {"sha256=" + good}}, signature.ErrMissing},
		{"empty", http.Header{name: {""}}, signature.ErrMalformed},
		{"prefix only", http.Header{name: {"sha256="}}, signature.ErrMalformed},
		{"no prefix", http.Header{name: {good}}, signature.ErrMalformed},
		{"other algorithm", http.Header{name: {"sha1=" + good}}, signature.ErrMalformed},
		{"upper case prefix", http.Header{name: {"SHA256=" + good}}, signature.ErrMalformed},
		{"first half", http.Header{name: {"sha256=" + good[:32]}}, signature.ErrMalformed},
		{"one digit short", http.Header{name: {"sha256=" + good[:63]}}, signature.ErrMalformed},
		{"one digit more", http.Header{name: {"sha256=" + good + "0"}}, signature.ErrMalformed},
		{"not hexadecimal", http.Header{name: {"sha256=" + good[:63] + "g"}}, signature.ErrMalformed},
		{"space before", http.Header{name: {" sha256=" + good}}, signature.ErrMalformed},
		{"space after", http.Header{name: {"sha256=" + good + " "}}, signature.ErrMalformed},
		{"twice", http.Header{name: {"sha256=" + good, "sha256=" + good}}, signature.ErrMalformed},
		{"enormous", http.Header{name: {"sha256=" + strings.Repeat("0", 1<<20)}}, signature.ErrMalformed},
		{"last digit wrong", http.Header{name: {"sha256=" + wrongEnd}}, signature.ErrMismatch},
		{"other secret", http.Header{name: {"sha256=" + hexOf("another", string(testBody))}}, signature.ErrMismatch},
		{"unkeyed digest", http.Header{name: {"sha256=" + hexOf("", string(testBody))}}, signature.ErrMismatch},
		{"zeros", http.Header{name: {"sha256=" + strings.Repeat("0", 64)}}, signature.ErrMismatch},
		{"two events", http.Header{name: {"sha256=" + good}, "X-Github-Event": {"a", "b"}}, signature.ErrMalformed},
		{"two ids", http.Header{name: {"sha256=" + good}, "X-Github-Delivery": {"a", "b"}}, signature.ErrMalformed},
		{"empty id", http.Header{name: {"sha256=" + good}, "X-Github-Delivery": {""}}, signature.ErrMalformed},
		{"control character in event", http.Header{name: {"sha256=" + good}, "X-Github-Event": {"a\x1b[1m"}}, signature.ErrMalformed},
		{"long id", http.Header{name: {"sha256=" + good}, "X-Github-Delivery": {strings.Repeat("a", 257)}}, signature.ErrMalformed},
	}
	v := verifier(t, "github", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestVerifier_GitHubMatch(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	h.Set("X-Hub-Signature-256", "sha256="+hexOf(plainSecret, string(testBody)))
	h.Set("X-GitHub-Event", "push")
	h.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	got, err := verifier(t, "github", plainSecret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	want := signature.Match{Scheme: "github", ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", EventType: "push"}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestVerifier_Generic(t *testing.T) {
	t.Parallel()
	const first, second = "X-Signature-256", "Signature"
	good := hexOf(plainSecret, string(testBody))
	wrong := strings.Repeat("0", 64)
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"first, prefixed", http.Header{first: {"sha256=" + good}}, nil},
		{"first, bare", http.Header{first: {good}}, nil},
		{"second, prefixed", http.Header{second: {"sha256=" + good}}, nil},
		{"second, bare", http.Header{second: {good}}, nil},
		{"both: the first decides, right", http.Header{first: {good}, second: {wrong}}, nil},
		{"both: the first decides, wrong", http.Header{first: {wrong}, second: {good}}, signature.ErrMismatch},
		{"both: the first decides, empty", http.Header{first: {""}, second: {good}}, signature.ErrMalformed},
		{"neither", http.Header{"X-Hub-Signature-256": {"sha256=" + good}}, signature.ErrMissing},
		{"prefix twice", http.Header{first: {"sha256=sha256=" + good}}, signature.ErrMalformed},
		{"one digit short", http.Header{first: {good[:63]}}, signature.ErrMalformed},
		{"message signature of RFC 9421", http.Header{second: {"sig1=:" + good + ":"}}, signature.ErrMalformed},
		{"first twice", http.Header{first: {good, good}}, signature.ErrMalformed},
		{"second twice", http.Header{second: {good, good}}, signature.ErrMalformed},
	}
	v := verifier(t, "generic", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
			if err == nil && match != (signature.Match{Scheme: "generic"}) {
				t.Errorf("match %+v", match)
			}
		})
	}
}
