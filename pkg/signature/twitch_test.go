package signature_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	twitchID        = "Twitch-Eventsub-Message-Id"
	twitchTime      = "Twitch-Eventsub-Message-Timestamp"
	twitchSignature = "Twitch-Eventsub-Message-Signature"
	twitchMessage   = "Twitch-Eventsub-Message-Type"
	twitchEvent     = "Twitch-Eventsub-Subscription-Type"

	twitchUUID = "e76c6bd4-55c9-4987-8304-da1588d8988b"
	twitchNow  = "2023-11-14T22:13:20Z" // testTime
)

func twitchRequest(secret, id, at, body string) signature.Request {
	return signature.Request{Method: http.MethodPost, Body: []byte(body), Header: http.Header{
		twitchID: {id}, twitchTime: {at}, twitchSignature: {"sha256=" + hexOf(secret, id+at+body)},
	}}
}

func TestVerifier_Twitch(t *testing.T) {
	t.Parallel()
	right := twitchRequest(plainSecret, twitchUUID, twitchNow, string(testBody))
	good := firstValue(right.Header, twitchSignature)
	tests := []struct {
		name, header string
		values       []string
		want         error
	}{
		{"right", "X-Other", nil, nil},
		{"upper case digits", twitchSignature, []string{"sha256=" + strings.ToUpper(good[7:])}, nil},
		{"no signature", twitchSignature, nil, signature.ErrMissing},
		{"no id", twitchID, nil, signature.ErrMissing},
		{"no time", twitchTime, nil, signature.ErrMissing},
		{"two signatures", twitchSignature, []string{good, good}, signature.ErrMalformed},
		{"two ids", twitchID, []string{twitchUUID, twitchUUID}, signature.ErrMalformed},
		{"two times", twitchTime, []string{twitchNow, twitchNow}, signature.ErrMalformed},
		{"two types", twitchEvent, []string{"a", "a"}, signature.ErrMalformed},
		{"empty signature", twitchSignature, []string{""}, signature.ErrMalformed},
		{"no prefix", twitchSignature, []string{good[7:]}, signature.ErrMalformed},
		{"other algorithm", twitchSignature, []string{"sha1=" + good[7:]}, signature.ErrMalformed},
		{"upper case prefix", twitchSignature, []string{"SHA256=" + good[7:]}, signature.ErrMalformed},
		{"one digit short", twitchSignature, []string{good[:70]}, signature.ErrMalformed},
		{"one digit more", twitchSignature, []string{good + "0"}, signature.ErrMalformed},
		{"not hexadecimal", twitchSignature, []string{good[:70] + "g"}, signature.ErrMalformed},
		{"space after", twitchSignature, []string{good + " "}, signature.ErrMalformed},
		{"comma-joined", twitchSignature, []string{good + "," + good}, signature.ErrMalformed},
		{"enormous", twitchSignature, []string{"sha256=" + strings.Repeat("0", 1<<20)}, signature.ErrMalformed},
		{"space in the type", twitchEvent, []string{"channel follow"}, signature.ErrMalformed},
		{"other id", twitchID, []string{"other"}, signature.ErrMismatch},
		{"other time", twitchTime, []string{"2023-11-14T22:13:21Z"}, signature.ErrMismatch},
		{"time spelled otherwise", twitchTime, []string{"2023-11-14T22:13:20.0Z"}, signature.ErrMismatch},
		{"other secret", twitchSignature, []string{"sha256=" + hexOf("another", twitchUUID+twitchNow+string(testBody))}, signature.ErrMismatch},
	}
	v := verifier(t, "twitch", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := cloneOf(right)
			h[test.header] = test.values
			_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
			wantError(t, err, test.want)
		})
	}
}

func TestVerifier_TwitchMatch(t *testing.T) {
	t.Parallel()
	request := with(twitchRequest(plainSecret, twitchUUID, "2023-11-14T22:13:20.123456789Z", "{}"), twitchEvent, "channel.follow")
	got, err := verifier(t, "twitch", plainSecret).Verify(with(request, twitchMessage, "revocation"), testTime)
	want := signature.Match{
		Scheme: "twitch", ID: twitchUUID, IDSigned: true, EventType: "channel.follow", Timestamp: testTime.Add(123456789).UTC(),
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestVerifier_TwitchIDsAndTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id, at string
		want         error
	}{
		{"one digit", twitchUUID, "2023-11-14T22:13:20.1Z", nil},
		{"nine digits", twitchUUID, "2023-11-14T22:13:20.123456789Z", nil},
		{"id of base64", "PVcXNMqz0AuwQIDtuZoQ8AsPSPvwwBYwvwyFFcAEMWM=", twitchNow, nil},
		{"id that ends in a date", "2023-11-14", twitchNow, nil},
		{"id with most of a date", "x023-11-14T2023-11-1T2023-1114T", twitchNow, nil},
		{"longest id", strings.Repeat("T", 256), twitchNow, nil},
		{"empty id", "", twitchNow, signature.ErrMalformed},
		{"long id", strings.Repeat("T", 257), twitchNow, signature.ErrMalformed},
		{"space in id", "a b", twitchNow, signature.ErrMalformed},
		{"quote in id", `a"b`, twitchNow, signature.ErrMalformed},
		{"percent sign in id", "payload=%5B", twitchNow, signature.ErrMalformed},
		{"id with a time", "a" + twitchNow, twitchNow, signature.ErrMalformed},
		{"id with a date and T", "T12023-11-14Tx", twitchNow, signature.ErrMalformed},
		{"ten digits", twitchUUID, "2023-11-14T22:13:20.1234567890Z", signature.ErrMalformed},
		{"no digits after the point", twitchUUID, "2023-11-14T22:13:20.Z", signature.ErrMalformed},
		{"comma", twitchUUID, "2023-11-14T22:13:20,1Z", signature.ErrMalformed},
		{"two points", twitchUUID, "2023-11-14T22:13:20.1.1Z", signature.ErrMalformed},
		{"offset", twitchUUID, "2023-11-14T22:13:20+00:00", signature.ErrMalformed},
		{"offset and Z", twitchUUID, "2023-11-14T22:13:20+00:00Z", signature.ErrMalformed},
		{"no zone", twitchUUID, "2023-11-14T22:13:20", signature.ErrMalformed},
		{"lower case", twitchUUID, "2023-11-14t22:13:20z", signature.ErrMalformed},
		{"space for T", twitchUUID, "2023-11-14 22:13:20Z", signature.ErrMalformed},
		{"space after", twitchUUID, twitchNow + " ", signature.ErrMalformed},
		{"hour of one digit", twitchUUID, "2023-11-14T2:13:20Z", signature.ErrMalformed},
		{"leap second", twitchUUID, "2023-11-14T22:13:60Z", signature.ErrMalformed},
		{"February 30", twitchUUID, "2023-02-30T22:13:20Z", signature.ErrMalformed},
		{"before 1970", twitchUUID, "1969-12-31T23:59:59Z", signature.ErrMalformed},
		{"Unix time", twitchUUID, "1700000000", signature.ErrMalformed},
		{"year of five digits", twitchUUID, "12023-11-14T22:13:20Z", signature.ErrMalformed},
		{"end of time", twitchUUID, "9999-12-31T23:59:59Z", signature.ErrTooNew},
		{"not UTF-8", twitchUUID, "2023-11-14T22:13:20\xffZ", signature.ErrMalformed},
		{"empty", twitchUUID, "", signature.ErrMalformed},
	}
	v := verifier(t, "twitch", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(twitchRequest(plainSecret, test.id, test.at, "{}"), testTime)
			wantError(t, err, test.want)
		})
	}
}

// TestVerifier_TwitchOneReading divides one signed text into id, time and body
// wherever it can be divided: a single division verifies.
func TestVerifier_TwitchOneReading(t *testing.T) {
	t.Parallel()
	v := verifier(t, "twitch", plainSecret)
	for _, whole := range []string{
		"a" + twitchNow + twitchNow + "{}", "2023-11-142023-11-14T22:13:20.5Z.7Z2023-11-14T22:13:20Z{}", twitchUUID + twitchNow + `{"at":"` + twitchNow + `Z"}`,
	} {
		found := 0
		for i := range whole {
			for j := i; j <= len(whole); j++ {
				request := twitchRequest(plainSecret, whole[:i], whole[i:j], whole[j:])
				if _, err := v.Verify(request, testTime); err == nil {
					found++
				}
			}
		}
		if found != 1 {
			t.Errorf("%q has %d readings", whole, found)
		}
	}
}

func TestVerifier_TwitchHandshake(t *testing.T) {
	t.Parallel()
	const verification = "webhook_callback_verification"
	tests := []struct {
		name, body, want string
		kinds            []string
		err              error
	}{
		{"right", `{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{}}`, "pogchamp-kappa-360noscope-vohiyo", []string{verification}, nil},
		{"no challenge", `{"subscription":{},"event":{"challenge":"a"}}`, "", []string{verification}, nil},
		{"number", `{"challenge":1}`, "", []string{verification}, signature.ErrMalformed},
		{"empty", `{"challenge":""}`, "", []string{verification}, signature.ErrMalformed},
		{"line break", `{"challenge":"a\n"}`, "", []string{verification}, signature.ErrMalformed},
		{"too long", `{"challenge":"` + strings.Repeat("a", 1025) + `"}`, "", []string{verification}, signature.ErrMalformed},
		{"not JSON", `challenge`, "", []string{verification}, nil},
		{"notification", `{"challenge":"a"}`, "", []string{"notification"}, nil},
		{"revocation", `{"challenge":"a"}`, "", []string{"revocation"}, nil},
		{"no type", `{"challenge":"a"}`, "", nil, nil},
		{"two types", `{"challenge":"a"}`, "", []string{verification, verification}, nil},
	}
	v := verifier(t, "twitch", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := twitchRequest(plainSecret, twitchUUID, twitchNow, test.body)
			request.Header.(http.Header)[twitchMessage] = test.kinds
			reply, ok, err := v.Handshake(request, testTime)
			checkReply(t, reply, ok, err, "text/plain", test.want, test.err)
			forged := twitchRequest("another", twitchUUID, twitchNow, test.body)
			forged.Header.(http.Header)[twitchMessage] = test.kinds
			if _, ok, _ = v.Handshake(forged, testTime); ok {
				t.Error("a stranger is answered")
			}
		})
	}
}

func TestSigner_TwitchUnsignable(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]signature.Outgoing{
		"no id":          {Time: testTime},
		"date in the id": {ID: twitchNow, Time: testTime},
		"no time":        {ID: testID},
		"after 9999":     {ID: testID, Time: time.Unix(253402300800, 0)},
	} {
		h := http.Header{}
		wantError(t, signer(t, "twitch", plainSecret).Sign(out, h), signature.ErrUnsignable)
		if len(h) != 0 {
			t.Errorf("%s: headers %v beside an error", name, h)
		}
	}
}

var (
	twitchForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`)
	datedID    = regexp.MustCompile(`\d{4}-\d\d-\d\dT`)
	visibleID  = regexp.MustCompile(`^[!#$&-~]{1,256}$`)
)

// twitchVerifies reads a request a second time.
func twitchVerifies(id, at, header string, body []byte) bool {
	digits, found := strings.CutPrefix(header, "sha256=")
	if !found || !hexPattern.MatchString(digits) || !twitchForm.MatchString(at) || !visibleID.MatchString(id) || datedID.MatchString(id) {
		return false
	}
	signed, err := time.Parse(time.RFC3339, at)
	return err == nil && testTime.Sub(signed).Abs() <= 10*time.Minute && strings.EqualFold(digits, hexOf(plainSecret, id+at+string(body)))
}

func FuzzVerifyTwitch(f *testing.F) {
	for _, id := range []string{"", twitchUUID, "2023-11-14", "2023-11-14T", "T", "a b"} {
		for _, at := range []string{twitchNow, "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+00:00", "2023-13-14T22:13:20Z"} {
			f.Add(id, at, "sha256="+hexOf(plainSecret, id+at+string(testBody)), testBody)
		}
	}
	right, wrong := verifier(f, "twitch", "another", plainSecret), verifier(f, "twitch", "yet another")
	f.Fuzz(func(t *testing.T, id, at, header string, body []byte) {
		request := signature.Request{Body: body, Header: http.Header{twitchID: {id}, twitchTime: {at}, twitchSignature: {header}}}
		match, err := right.Verify(request, testTime)
		check(t, err, twitchVerifies(id, at, header, body))
		if err == nil && (match.ID != id || !match.IDSigned) {
			t.Errorf("match %+v, want id %q", match, id)
		}
		// Fuzzing does not find signatures: make one for what it did find.
		_, err = right.Verify(twitchRequest(plainSecret, id, at, string(body)), testTime)
		check(t, err, twitchVerifies(id, at, "sha256="+hexOf(plainSecret, id+at+string(body)), body))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// TestVerifier_TwitchHandshakeVector answers the one verification among the
// vectors.
func TestVerifier_TwitchHandshakeVector(t *testing.T) {
	t.Parallel()
	answered := 0
	for _, vec := range vectors(t) {
		if vec.Scheme != "twitch" {
			continue
		}
		reply, ok, err := verifier(t, "twitch", vec.Secret).Handshake(vec.request(), time.Unix(vec.Time, 0))
		if wantError(t, err, nil); ok {
			answered++
			checkReply(t, reply, ok, err, "text/plain", "11535768-497e-14ec-8197-ba2cb5341a01", nil)
		}
	}
	if answered != 1 {
		t.Errorf("%d answered", answered)
	}
}
