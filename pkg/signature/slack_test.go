package signature_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// versionedPairs are the schemes that sign "v0:time:body".
var versionedPairs = map[string]struct{ signature, time string }{
	"slack": {"X-Slack-Signature", "X-Slack-Request-Timestamp"},
	"zoom":  {"X-Zm-Signature", "X-Zm-Request-Timestamp"},
}

// v0Of is the signature of a body and a time, as they write it.
func v0Of(secret, at, body string) string { return "v0=" + hexOf(secret, "v0:"+at+":"+body) }

// v0Request is a request with that signature.
func v0Request(scheme, secret, at, body string) signature.Request {
	names := versionedPairs[scheme]
	h := http.Header{names.signature: {v0Of(secret, at, body)}, names.time: {at}}
	return signature.Request{Method: http.MethodPost, Header: h, Body: []byte(body)}
}

// within reads a time in seconds and compares it with now.
func within(at string, now time.Time, tolerance time.Duration) bool {
	seconds, err := strconv.ParseUint(at, 10, 63)
	if err != nil || len(at) > 12 || seconds > 253402300799 {
		return false
	}
	return now.Sub(time.Unix(int64(seconds), 0)).Abs() <= tolerance
}

func TestVerifier_VersionedPair(t *testing.T) {
	t.Parallel()
	for scheme, names := range versionedPairs {
		good := v0Of(plainSecret, "1700000000", string(testBody))
		tests := []struct {
			name      string
			signature []string
			time      []string
			want      error
		}{
			{"right", []string{good}, []string{"1700000000"}, nil},
			{"upper case digits", []string{"v0=" + strings.ToUpper(good[3:])}, []string{"1700000000"}, nil},
			{"no signature", nil, []string{"1700000000"}, signature.ErrMissing},
			{"no time", []string{good}, nil, signature.ErrMissing},
			{"empty signature", []string{""}, []string{"1700000000"}, signature.ErrMalformed},
			{"two signatures", []string{good, good}, []string{"1700000000"}, signature.ErrMalformed},
			{"two times", []string{good}, []string{"1700000000", "1700000000"}, signature.ErrMalformed},
			{"comma-joined", []string{good + "," + good}, []string{"1700000000"}, signature.ErrMalformed},
			{"no prefix", []string{good[3:]}, []string{"1700000000"}, signature.ErrMalformed},
			{"other version", []string{"v1=" + good[3:]}, []string{"1700000000"}, signature.ErrMalformed},
			{"upper case prefix", []string{"V0=" + good[3:]}, []string{"1700000000"}, signature.ErrMalformed},
			{"one digit short", []string{good[:66]}, []string{"1700000000"}, signature.ErrMalformed},
			{"one digit more", []string{good + "0"}, []string{"1700000000"}, signature.ErrMalformed},
			{"not hexadecimal", []string{good[:66] + "g"}, []string{"1700000000"}, signature.ErrMalformed},
			{"space before", []string{" " + good}, []string{"1700000000"}, signature.ErrMalformed},
			{"space after", []string{good + " "}, []string{"1700000000"}, signature.ErrMalformed},
			{"not UTF-8", []string{good[:65] + "\xff\xff"}, []string{"1700000000"}, signature.ErrMalformed},
			{"enormous", []string{"v0=" + strings.Repeat("0", 1<<20)}, []string{"1700000000"}, signature.ErrMalformed},
			{"space in time", []string{good}, []string{"1700000000 "}, signature.ErrMalformed},
			{"time spelled otherwise", []string{good}, []string{"01700000000"}, signature.ErrMismatch},
			{"other time", []string{good}, []string{"1700000001"}, signature.ErrMismatch},
			{"other secret", []string{v0Of("another", "1700000000", string(testBody))}, []string{"1700000000"}, signature.ErrMismatch},
		}
		v := verifier(t, scheme, plainSecret)
		for _, test := range tests {
			t.Run(scheme+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				h := http.Header{names.signature: test.signature, names.time: test.time}
				match, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
				wantError(t, err, test.want)
				if err == nil && match != (signature.Match{Scheme: scheme, Timestamp: testTime.UTC()}) {
					t.Errorf("match %+v", match)
				}
			})
		}
	}
}

func TestVerifier_VersionedPairTimes(t *testing.T) {
	t.Parallel()
	for scheme := range versionedPairs {
		v := verifier(t, scheme, plainSecret)
		for name, at := range oddTimes {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				t.Parallel()
				_, err := v.Verify(v0Request(scheme, plainSecret, at, string(testBody)), testTime)
				wantError(t, err, signature.ErrMalformed)
			})
		}
	}
}

// TestVerifier_ZoomMilliseconds: thirteen digits are milliseconds to zoom, and
// nothing to slack.
func TestVerifier_ZoomMilliseconds(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]error{
		"1700000000250": nil, "1700000300000": nil, "1700000300001": signature.ErrTooNew, "1699999699999": signature.ErrTooOld,
		"0170000000025": signature.ErrMalformed, "17000000002x0": signature.ErrMalformed, "+170000000025": signature.ErrMalformed,
	} {
		match, err := verifier(t, "zoom", plainSecret).Verify(v0Request("zoom", plainSecret, at, "{}"), testTime)
		wantError(t, err, want)
		if err == nil && strconv.FormatInt(match.Timestamp.UnixMilli(), 10) != at {
			t.Errorf("time %s of %s", match.Timestamp, at)
		}
		_, err = verifier(t, "slack", plainSecret).Verify(v0Request("slack", plainSecret, at, "{}"), testTime)
		wantError(t, err, signature.ErrMalformed)
	}
}

func TestVerifier_SlackHandshake(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("c", 1024)
	tests := []struct {
		name, body, want string
		err              error
	}{
		{"right", `{"token":"x","challenge":"3eZbrw1aB","type":"url_verification"}`, "3eZbrw1aB", nil},
		{"spaces inside", `{"type": "url_verification", "challenge": "a b ~"}`, "a b ~", nil},
		{"escapes", `{"type":"url_verification","challenge":"\u0041\u003c"}`, "A<", nil},
		{"longest", `{"type":"url_verification","challenge":"` + long + `"}`, long, nil},
		{"too long", `{"type":"url_verification","challenge":"` + long + `c"}`, "", signature.ErrMalformed},
		{"empty challenge", `{"type":"url_verification","challenge":""}`, "", signature.ErrMalformed},
		{"no challenge", `{"type":"url_verification"}`, "", signature.ErrMalformed},
		{"null challenge", `{"type":"url_verification","challenge":null}`, "", signature.ErrMalformed},
		{"number as challenge", `{"type":"url_verification","challenge":1}`, "", signature.ErrMalformed},
		{"line break", `{"type":"url_verification","challenge":"a\r\nb"}`, "", signature.ErrMalformed},
		{"delete", `{"type":"url_verification","challenge":"a\u007f"}`, "", signature.ErrMalformed},
		{"beyond ASCII", `{"type":"url_verification","challenge":"é"}`, "", signature.ErrMalformed},
		{"challenge under another name", `{"type":"url_verification","Challenge":"a"}`, "", signature.ErrMalformed},
		{"an event", `{"type":"event_callback","challenge":"a"}`, "", nil},
		{"type in an inner object", `{"type":"event_callback","event":{"type":"url_verification","challenge":"a"}}`, "", nil},
		{"type in a text", `{"type":"event_callback","text":"\"type\":\"url_verification\""}`, "", nil},
		{"type under another name", `{"Type":"url_verification","challenge":"a"}`, "", nil},
		{"longer type", `{"type":"url_verification2","challenge":"a"}`, "", nil},
		{"no object", `["url_verification"]`, "", nil},
		{"two texts", `{"type":"url_verification","challenge":"a"}{}`, "", nil},
		{"cut short", `{"type":"url_verification","challenge":"a"`, "", nil},
		{"form", `type=url_verification&challenge=a`, "", nil},
	}
	v, d := verifier(t, "slack", "unused", plainSecret), detector(t, nil, plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := v0Request("slack", plainSecret, "1700000000", test.body)
			reply, ok, err := v.Handshake(request, testTime)
			checkReply(t, reply, ok, err, "text/plain", test.want, test.err)
			reply, ok, err = d.Handshake(request, testTime)
			checkReply(t, reply, ok, err, "text/plain", test.want, test.err)
		})
	}
}

// checkReply wants the body in a reply, or none when it is empty.
func checkReply(t *testing.T, reply signature.Reply, ok bool, err error, media, body string, want error) {
	t.Helper()
	wantError(t, err, want)
	if ok != (body != "") || string(reply.Body) != body {
		t.Errorf("%t, %+v (%s); want %q", ok, reply, reply.Body, body)
	}
	if ok && (reply.Status != http.StatusOK || reply.ContentType != media) {
		t.Errorf("reply %+v", reply)
	}
}

// TestVerifier_HandshakeProven: nobody but the provider gets an answer, and not
// with an old request.
func TestVerifier_HandshakeProven(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"slack": `{"type":"url_verification","challenge":"a"}`,
		"zoom":  `{"event":"endpoint.url_validation","payload":{"plainToken":"a"}}`,
	}
	for scheme, body := range bodies {
		v := verifier(t, scheme, plainSecret)
		right := v0Request(scheme, plainSecret, "1700000000", body)
		unsigned := signature.Request{Header: http.Header{}, Body: []byte(body)}
		for _, test := range []struct {
			name    string
			request signature.Request
			later   time.Duration
			want    error
		}{
			{"right", right, 0, nil},
			{"other secret", v0Request(scheme, "another", "1700000000", body), 0, signature.ErrMismatch},
			{"unsigned", unsigned, 0, signature.ErrMissing},
			{"too old", right, 301 * time.Second, signature.ErrTooOld},
			{"too new", right, -301 * time.Second, signature.ErrTooNew},
		} {
			reply, ok, err := v.Handshake(test.request, testTime.Add(test.later))
			wantError(t, err, test.want)
			if ok != (test.want == nil) || !ok && reply.Body != nil {
				t.Errorf("%s, %s: %t, %+v", scheme, test.name, ok, reply)
			}
		}
	}
}

func FuzzVerifySlack(f *testing.F) { fuzzVersionedPair(f, "slack") }

// fuzzVersionedPair asks for a handshake as well: one is answered only when the
// request verifies, and with nothing but what it asks to be repeated or signed.
func fuzzVersionedPair(f *testing.F, scheme string) {
	good := v0Of(plainSecret, "1700000000", string(testBody))
	for _, header := range []string{"", good, good[3:], "V0=" + good[3:], strings.ToUpper(good), good[:66], good + "0"} {
		f.Add(header, "1700000000", testBody)
	}
	milli := v0Of(plainSecret, "1700000000999", string(testBody))
	f.Add(milli, "1700000000999", testBody)
	f.Add(good, "01700000000", testBody)
	f.Add(good, "1700000000:", testBody)
	right, wrong := verifier(f, scheme, "another", plainSecret), verifier(f, scheme, "yet another")
	names := versionedPairs[scheme]
	f.Fuzz(func(t *testing.T, value, at string, body []byte) {
		request := signature.Request{Header: http.Header{names.signature: {value}, names.time: {at}}, Body: body}
		timely := within(at, testTime, 5*time.Minute)
		if milliseconds, err := strconv.ParseUint(at, 10, 63); scheme == "zoom" && len(at) == 13 && at[0] != '0' {
			timely = err == nil && testTime.Sub(time.UnixMilli(int64(milliseconds))).Abs() <= 5*time.Minute
		}
		digits, found := strings.CutPrefix(value, "v0=")
		want := found && hexPattern.MatchString(digits) && timely &&
			strings.EqualFold(digits, hexOf(plainSecret, "v0:"+at+":"+string(body)))
		_, err := right.Verify(request, testTime)
		check(t, err, want)
		if _, ok, _ := right.Handshake(request, testTime); ok && !want {
			t.Error("a handshake is answered that does not verify")
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
