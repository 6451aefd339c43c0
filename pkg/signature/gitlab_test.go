package signature_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	gitlabToken, gitlabEvent, gitlabID = "X-Gitlab-Token", "X-Gitlab-Event", "Idempotency-Key"

	// gitlabRaw is the key that gitlabSigning encodes.
	gitlabRaw     = "0123456789abcdef0123456789abcdef"
	gitlabSigning = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// gitlabHeaders is a request with both proofs, either of which may be left out.
func gitlabHeaders(token, key, id string) http.Header {
	h := http.Header{}
	if key != "" {
		h = standardHeaders(id, "1700000000", v1Of(key, id+".1700000000."+string(testBody)))
	}
	if token != "" {
		h.Set(gitlabToken, token)
	}
	return h
}

// TestVerifier_GitlabProofs: what the match says depends on which proof it was.
func TestVerifier_GitlabProofs(t *testing.T) {
	t.Parallel()
	both := []string{"the token", gitlabSigning}
	byToken := signature.Match{Scheme: "gitlab", ID: testID}
	bySignature := signature.Match{Scheme: "gitlab", ID: testID, IDSigned: true, Timestamp: testTime.UTC()}
	second := func(m signature.Match) signature.Match { m.Secret = 1; return m }
	tests := []struct {
		name       string
		secrets    []string
		token, key string
		later      time.Duration
		want       signature.Match
		err        error
	}{
		{"token", both[:1], "the token", "", 0, signature.Match{Scheme: "gitlab"}, nil},
		{"token, at any time", both[:1], "the token", "x", 1000 * time.Hour, byToken, nil},
		{"token, wrong signature", both[:1], "the token", "x", 0, byToken, nil},
		{"token, signature of a key it does not have", both[:1], "the token", gitlabRaw, 0, byToken, nil},
		{"other token", both[:1], "the tokem", "", 0, signature.Match{}, signature.ErrMismatch},
		{"shorter token", both[:1], "the toke", "", 0, signature.Match{}, signature.ErrMismatch},
		{"longer token", both[:1], "the token2", "", 0, signature.Match{}, signature.ErrMismatch},
		{"token in other case", both[:1], "THE TOKEN", "", 0, signature.Match{}, signature.ErrMismatch},
		{"other token, right signature", both[:1], "x", gitlabRaw, 0, signature.Match{}, signature.ErrMismatch},
		{"no token, right signature", both[:1], "", gitlabRaw, 0, signature.Match{}, signature.ErrMismatch},
		{"signature", both[1:], "", gitlabRaw, 0, bySignature, nil},
		{"signature beside a token", both[1:], "x", gitlabRaw, 0, bySignature, nil},
		{"signature, too old", both[1:], "", gitlabRaw, 6 * time.Minute, signature.Match{}, signature.ErrTooOld},
		{"signature, too new", both[1:], "", gitlabRaw, -6 * time.Minute, signature.Match{}, signature.ErrTooNew},
		{"signing token sent as a token", both[1:], gitlabSigning, "", 0, signature.Match{}, signature.ErrMismatch},
		{"its key sent as a token", both[1:], gitlabRaw, "", 0, signature.Match{}, signature.ErrMismatch},
		{"a token where a signature belongs", both[1:], "the token", "", 0, signature.Match{}, signature.ErrMismatch},
		{"wrong signature", both[1:], "", "x", 0, signature.Match{}, signature.ErrMismatch},
		{"signing token as text", both[1:], "", gitlabSigning, 0, signature.Match{}, signature.ErrMismatch},
		{"both configured, token only", both, "the token", "", 0, signature.Match{Scheme: "gitlab"}, nil},
		{"both configured, signature only", both, "", gitlabRaw, 0, second(bySignature), nil},
		{"both configured, both right", both, "the token", gitlabRaw, 0, bySignature, nil},
		{"both configured, wrong token", both, "x", gitlabRaw, 0, second(bySignature), nil},
		{"both configured, wrong signature", both, "the token", "x", 0, byToken, nil},
		{"both configured, wrong signature, too old", both, "the token", "x", time.Hour, byToken, nil},
		{"both configured, both right, too old", both, "the token", gitlabRaw, time.Hour, signature.Match{}, signature.ErrTooOld},
		{"both configured, neither right", both, "x", "x", 0, signature.Match{}, signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := signature.Request{Header: gitlabHeaders(test.token, test.key, testID), Body: testBody}
			match, err := verifier(t, "gitlab", test.secrets...).Verify(request, testTime.Add(test.later))
			wantError(t, err, test.err)
			if match != test.want {
				t.Errorf("match %+v, want %+v", match, test.want)
			}
			reversed := verifier(t, "gitlab", append([]string{"unused"}, test.secrets...)...)
			_, err = reversed.Verify(request, testTime.Add(test.later))
			wantError(t, err, test.err)
		})
	}
}

// TestVerifier_GitlabOtherTokens: the whole of a token counts.
func TestVerifier_GitlabOtherTokens(t *testing.T) {
	t.Parallel()
	v := verifier(t, "gitlab", "the token")
	for i := range 2000 {
		_, err := v.Verify(signature.Request{Header: gitlabHeaders(fmt.Sprintf("the token %d", i), "", "")}, testTime)
		wantError(t, err, signature.ErrMismatch)
	}
}

// TestVerifier_GitlabPooled: what one request proved says nothing of the next.
func TestVerifier_GitlabPooled(t *testing.T) {
	t.Parallel()
	v := verifier(t, "gitlab", "the token", gitlabSigning)
	for range 20 {
		signedMatch, err := v.Verify(signature.Request{Header: gitlabHeaders("", gitlabRaw, testID), Body: testBody}, testTime)
		if err != nil || !signedMatch.IDSigned {
			t.Fatalf("%+v, %v", signedMatch, err)
		}
		_, err = v.Verify(signature.Request{Header: gitlabHeaders("x", "", ""), Body: testBody}, testTime)
		wantError(t, err, signature.ErrMismatch)
		match, err := v.Verify(signature.Request{Header: gitlabHeaders("the token", "", ""), Body: testBody}, testTime)
		if err != nil || match != (signature.Match{Scheme: "gitlab"}) {
			t.Fatalf("%+v, %v", match, err)
		}
	}
}

func TestVerifier_GitlabHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		values       []string
		want         error
	}{
		{"right", gitlabEvent, []string{"Push Hook"}, nil},
		{"longest event", gitlabEvent, []string{strings.Repeat("x", 256)}, nil},
		{"long event", gitlabEvent, []string{strings.Repeat("x", 257)}, signature.ErrMalformed},
		{"empty event", gitlabEvent, []string{""}, signature.ErrMalformed},
		{"space before the event", gitlabEvent, []string{" Push"}, signature.ErrMalformed},
		{"space after the event", gitlabEvent, []string{"Push "}, signature.ErrMalformed},
		{"tab in the event", gitlabEvent, []string{"Push\tHook"}, signature.ErrMalformed},
		{"escape in the event", gitlabEvent, []string{"\x1b[1m"}, signature.ErrMalformed},
		{"event beyond ASCII", gitlabEvent, []string{"Púsh"}, signature.ErrMalformed},
		{"two events", gitlabEvent, []string{"a", "a"}, signature.ErrMalformed},
		{"two ids", gitlabID, []string{"a", "a"}, signature.ErrMalformed},
		{"space in the id", gitlabID, []string{"a b"}, signature.ErrMalformed},
		{"two tokens", gitlabToken, []string{"the token", "the token"}, signature.ErrMalformed},
		{"empty token", gitlabToken, []string{""}, signature.ErrMalformed},
		{"enormous token", gitlabToken, []string{strings.Repeat("x", 4097)}, signature.ErrMalformed},
		{"space after the token", gitlabToken, []string{"the token "}, signature.ErrMismatch},
		{"not UTF-8", gitlabToken, []string{"the token\xff"}, signature.ErrMismatch},
		{"neither proof", gitlabToken, nil, signature.ErrMissing},
		{"signature without its id", "Webhook-Signature", []string{"v1,AAAA"}, signature.ErrMissing},
		{"two signatures", "Webhook-Signature", []string{"v1,AAAA", "v1,AAAA"}, signature.ErrMalformed},
		{"empty signature", "Webhook-Signature", []string{""}, signature.ErrMissing},
	}
	v := verifier(t, "gitlab", "the token", gitlabSigning)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := gitlabHeaders("the token", "", "")
			h[test.header] = test.values
			_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
			wantError(t, err, test.want)
		})
	}
}

// TestVerifier_GitlabSignatureHeaders: a signature that cannot be read is not
// made good by a token.
func TestVerifier_GitlabSignatureHeaders(t *testing.T) {
	t.Parallel()
	v := verifier(t, "gitlab", "the token", gitlabSigning)
	for name, changed := range map[string]string{"Webhook-Id": "a.b", "Webhook-Timestamp": "-1", "Webhook-Signature": "v2,x"} {
		h := gitlabHeaders("the token", gitlabRaw, testID)
		h.Set(name, changed)
		_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
		wantError(t, err, signature.ErrMalformed)
	}
}

func TestVerifier_GitlabIDs(t *testing.T) {
	t.Parallel()
	v := verifier(t, "gitlab", "the token", gitlabSigning)
	tests := []struct {
		name, key string
		header    map[string]string
		want      string
	}{
		{"none", "", nil, ""},
		{"shared by what an event sets off", "", map[string]string{"X-Gitlab-Event-UUID": "a", "X-Gitlab-Webhook-UUID": "b"}, ""},
		{"key", "", map[string]string{gitlabID: "a"}, "a"},
		{"webhook-id", "", map[string]string{"webhook-id": "b"}, "b"},
		{"both", "", map[string]string{gitlabID: "a", "webhook-id": "b"}, "a"},
		{"signed", gitlabRaw, map[string]string{gitlabID: "a"}, testID},
		{"wrongly signed", "x", map[string]string{gitlabID: "a"}, "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := gitlabHeaders("the token", test.key, testID)
			for name, value := range test.header {
				h.Set(name, value)
			}
			h.Set(gitlabEvent, "Merge Request Hook")
			match, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
			if err != nil || match.ID != test.want || match.IDSigned != (test.key == gitlabRaw) || match.EventType != "Merge Request Hook" {
				t.Errorf("%+v, %v; want id %q", match, err, test.want)
			}
		})
	}
}

func TestVerifier_GitlabSecrets(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]error{
		"a token": nil, "tökén": nil, strings.Repeat("x", 4096): nil, gitlabSigning: nil,
		strings.Repeat("x", 4097): signature.ErrInvalidSecret, " a": signature.ErrInvalidSecret, "a ": signature.ErrInvalidSecret,
		"a\nb": signature.ErrInvalidSecret, "a\x7f": signature.ErrInvalidSecret, "whsec_": signature.ErrInvalidSecret,
		"whsec_!": signature.ErrInvalidSecret, "whsec_MDEy": signature.ErrInvalidSecret, "whsk_x": signature.ErrInvalidSecret,
		"whpk_x": signature.ErrInvalidSecret, " ": signature.ErrEmptySecret,
	} {
		_, err := signature.NewVerifier("gitlab", []string{secret})
		wantError(t, err, want)
		_, signErr := signature.NewSigner("gitlab", secret)
		wantError(t, signErr, want)
		for _, err := range []error{err, signErr} {
			if err != nil && len(strings.TrimSpace(secret)) > 2 && strings.Contains(err.Error(), secret) && !strings.HasPrefix("whsec_", secret) {
				t.Errorf("%v holds the secret", err)
			}
		}
	}
}

// TestVerifier_GitlabPrintsNoToken: a token is nowhere in what formatting shows.
func TestVerifier_GitlabPrintsNoToken(t *testing.T) {
	t.Parallel()
	const token = "glpat-tell-nobody"
	for _, v := range []any{verifier(t, "gitlab", token), signer(t, "gitlab", token)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, token) || strings.Contains(text, fmt.Sprintf("%x", token)) {
				t.Errorf("%s shows it: %s", verb, text)
			}
		}
	}
}

func TestSigner_Gitlab(t *testing.T) {
	t.Parallel()
	list := v1Of(gitlabRaw, testID+".1700000000."+string(testBody))
	signedHeaders := standardHeaders(testID, "1700000000", list)
	tests := []struct {
		name    string
		secrets []string
		id      string
		want    http.Header
		err     error
	}{
		{"token", []string{"new", "old"}, testID, http.Header{gitlabToken: {"new"}, gitlabID: {testID}}, nil},
		{"token without an id", []string{"new"}, "", http.Header{gitlabToken: {"new"}}, nil},
		{"signing token", []string{gitlabSigning}, testID, signedHeaders, nil},
		{"both", []string{"new", gitlabSigning, "old"}, testID, merge(signedHeaders, http.Header{gitlabToken: {"new"}, gitlabID: {testID}}), nil},
		{"two signing tokens", []string{gitlabSigning, gitlabSigning}, testID, standardHeaders(testID, "1700000000", list+" "+list), nil},
		{"token, id that is none", []string{"new"}, "a b", http.Header{}, signature.ErrUnsignable},
		{"signing token, no id", []string{gitlabSigning}, "", http.Header{}, signature.ErrUnsignable},
		{"both, dot in the id", []string{"new", gitlabSigning}, "a.b", http.Header{}, signature.ErrUnsignable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := http.Header{}
			err := signer(t, "gitlab", test.secrets...).Sign(signature.Outgoing{ID: test.id, Time: testTime, Body: testBody}, got)
			wantError(t, err, test.err)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("headers %v, want %v", got, test.want)
			}
			if err != nil {
				return
			}
			_, err = verifier(t, "gitlab", test.secrets[0]).Verify(signature.Request{Header: got, Body: testBody}, testTime)
			wantError(t, err, nil)
		})
	}
}

func merge(a, b http.Header) http.Header {
	all := a.Clone()
	for name, values := range b {
		all[name] = values
	}
	return all
}

func FuzzVerifyGitlab(f *testing.F) {
	good := v1Of(gitlabRaw, testID+".1700000000."+string(testBody))
	for _, token := range []string{"", plainSecret, plainSecret + " ", gitlabSigning, gitlabRaw} {
		for _, list := range []string{"", good, "v1,AAAA", v1Of("x", testID+".1700000000."+string(testBody))} {
			f.Add(token, testID, "1700000000", list, "Push Hook", testBody)
		}
	}
	f.Add(plainSecret, "a.b", "-1", good, " ", []byte(nil))
	byToken, bySignature := verifier(f, "gitlab", plainSecret), verifier(f, "gitlab", gitlabSigning)
	both, wrong := verifier(f, "gitlab", plainSecret, gitlabSigning), verifier(f, "gitlab", "yet another", strings.Replace(gitlabSigning, "MDEy", "AAAA", 1))
	standard := verifier(f, "standard", gitlabSigning)
	f.Fuzz(func(t *testing.T, token, id, at, list, event string, body []byte) {
		h := standardHeaders(id, at, list)
		request := signature.Request{Header: h, Body: body}
		want, standardErr := standard.Verify(request, testTime)
		if token != "" {
			h.Set(gitlabToken, token)
		}
		_, err := bySignature.Verify(request, testTime)
		check(t, err, standardErr == nil && len(token) <= 4096)
		if match, err := both.Verify(request, testTime); err == nil {
			if match.IDSigned != (standardErr == nil) || match.IDSigned && (match.ID != want.ID || !match.Timestamp.Equal(want.Timestamp)) {
				t.Errorf("%+v; standard says %+v, %v", match, want, standardErr)
			}
			if !match.IDSigned && (token != plainSecret || !match.Timestamp.IsZero()) {
				t.Errorf("%+v by the token %q", match, token)
			}
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
		h.Del("Webhook-Signature")
		h.Del("Webhook-Id")
		h.Set(gitlabEvent, event)
		printable := event != "" && len(event) <= 256 && strings.TrimSpace(event) == event && !strings.ContainsFunc(event, func(r rune) bool { return r < ' ' || r > '~' })
		_, err = byToken.Verify(request, testTime)
		check(t, err, token == plainSecret && printable)
	})
}
