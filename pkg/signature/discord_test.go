package signature_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

func discordOf(key ed25519.PrivateKey, at, body string) string {
	return hex.EncodeToString(ed25519.Sign(key, []byte(at+body)))
}

func discordKey(key ed25519.PrivateKey) string { return hex.EncodeToString(key[32:]) }

func discordHeaders(at, sum string) http.Header {
	return http.Header{"X-Signature-Timestamp": {at}, "X-Signature-Ed25519": {sum}}
}

func TestVerifier_Discord(t *testing.T) {
	t.Parallel()
	const at, sumName, atName = "1700000000", "X-Signature-Ed25519", "X-Signature-Timestamp"
	good := discordOf(ownKey(), at, string(testBody))
	genuine := func(at string) http.Header { return discordHeaders(at, discordOf(ownKey(), at, string(testBody))) }
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"right", genuine(at), nil},
		{"upper case digits", discordHeaders(at, strings.ToUpper(good)), nil},
		{"oldest", genuine("1699999700"), nil},
		{"too old", genuine("1699999699"), signature.ErrTooOld},
		{"newest", genuine("1700000300"), nil},
		{"too new", genuine("1700000301"), signature.ErrTooNew},
		{"earliest time", genuine("1000000000"), signature.ErrTooOld},
		{"latest time", genuine("9999999999"), signature.ErrTooNew},
		{"nothing", http.Header{}, signature.ErrMissing},
		{"no time", http.Header{sumName: {good}}, signature.ErrMissing},
		{"no signature", http.Header{atName: {at}}, signature.ErrMissing},
		{"empty signature", discordHeaders(at, ""), signature.ErrMalformed},
		{"empty time", discordHeaders("", good), signature.ErrMalformed},
		{"signature twice", http.Header{atName: {at}, sumName: {good, good}}, signature.ErrMalformed},
		{"time twice", http.Header{atName: {at, at}, sumName: {good}}, signature.ErrMalformed},
		{"comma-joined", discordHeaders(at, good+", "+good), signature.ErrMalformed},
		{"one digit short", discordHeaders(at, good[:127]), signature.ErrMalformed},
		{"one byte short", discordHeaders(at, good[:126]), signature.ErrMalformed},
		{"one byte more", discordHeaders(at, good+"00"), signature.ErrMalformed},
		{"not hexadecimal", discordHeaders(at, good[:127]+"g"), signature.ErrMalformed},
		{"prefixed", discordHeaders(at, "0x"+good), signature.ErrMalformed},
		{"space before", discordHeaders(at, " "+good), signature.ErrMalformed},
		{"space after", discordHeaders(at, good+" "), signature.ErrMalformed},
		{"not UTF-8", discordHeaders(at, "\xff\xfe"), signature.ErrMalformed},
		{"enormous", discordHeaders(at, strings.Repeat("0", 1<<20)), signature.ErrMalformed},
		{"zeros", discordHeaders(at, strings.Repeat("0", 128)), signature.ErrMismatch},
		{"other key", discordHeaders(at, discordOf(otherKey(), at, string(testBody))), signature.ErrMismatch},
		{"other time", discordHeaders("1700000001", good), signature.ErrMismatch},
		{"body alone signed", discordHeaders(at, discordOf(ownKey(), "", string(testBody))), signature.ErrMismatch},
		{"time of nine digits", genuine("170000000"), signature.ErrMalformed},
		{"time of eleven digits", genuine("17000000000"), signature.ErrMalformed},
		{"leading zero", genuine("0700000000"), signature.ErrMalformed},
		{"padded", genuine("01700000000"), signature.ErrMalformed},
		{"milliseconds", genuine("1700000000000"), signature.ErrMalformed},
		{"sign", genuine("+170000000"), signature.ErrMalformed},
		{"fraction", genuine("17000000.0"), signature.ErrMalformed},
		{"overflow", genuine("18446744075409551616"), signature.ErrMalformed},
		{"date", genuine("2023-11-14T22:13:20Z"), signature.ErrMalformed},
		{"space in time", genuine("1700000000 "), signature.ErrMalformed},
	}
	v := verifier(t, "discord", discordKey(ownKey()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
			if err == nil && (match.Scheme != "discord" || match.ID != "" || match.IDSigned || match.EventType != "" ||
				strconv.FormatInt(match.Timestamp.Unix(), 10) != test.header.Get(atName)) {
				t.Errorf("match %+v", match)
			}
		})
	}
}

// TestVerifier_TimeBeforeBody moves the line between time and body, under any
// tolerance: no digit may change sides.
func TestVerifier_TimeBeforeBody(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"discord", "sendgrid"} {
		k := newKeys(t, scheme)
		request := signed(t, signer(t, scheme, k.signing), signature.Outgoing{Time: testTime, Body: []byte("12345")})
		v, err := signature.NewVerifier(scheme, []string{k.verifying}, signature.WithTolerance(1<<63-1))
		if err != nil {
			t.Fatal(err)
		}
		name := map[string]string{"discord": "X-Signature-Timestamp", "sendgrid": "X-Twilio-Email-Event-Webhook-Timestamp"}[scheme]
		text := firstValue(request.Header, name) + string(request.Body)
		for at := range len(text) + 1 {
			moved := with(request, name, text[:at])
			moved.Body = []byte(text[at:])
			if _, err := v.Verify(moved, testTime); (err == nil) != (at == 10) {
				t.Errorf("%s: time %q, body %q: %v", scheme, text[:at], text[at:], err)
			}
		}
	}
}

func TestSigner_TimeBeforeBody(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"discord", "sendgrid"} {
		s := signer(t, scheme, newKeys(t, scheme).signing)
		for seconds, want := range map[int64]error{
			1e9: nil, 9999999999: nil, 999999999: signature.ErrUnsignable, 1e10: signature.ErrUnsignable, -1e9: signature.ErrUnsignable,
		} {
			h := http.Header{}
			wantError(t, s.Sign(signature.Outgoing{Time: time.Unix(seconds, 0)}, h), want)
			if want != nil && len(h) != 0 {
				t.Errorf("headers %v beside an error", h)
			}
		}
		wantError(t, s.Sign(signature.Outgoing{}, http.Header{}), signature.ErrUnsignable)
	}
}

func TestSecrets_Discord(t *testing.T) {
	t.Parallel()
	private := hex.EncodeToString(ownKey())
	tests := []struct {
		name, secret    string
		verifies, signs bool
	}{
		{"public key", discordKey(ownKey()), true, false},
		{"upper case", strings.ToUpper(discordKey(ownKey())), true, false},
		{"private key", private, false, true},
		{"private key in upper case", strings.ToUpper(private), false, true},
		{"halves that disagree", private[:64] + discordKey(otherKey()), false, false},
		{"one digit short", discordKey(ownKey())[1:], false, false},
		{"one byte short", discordKey(ownKey())[2:], false, false},
		{"not hexadecimal", discordKey(ownKey())[:63] + "g", false, false},
		{"line break", discordKey(ownKey()) + "\n", false, false},
		{"format of standard", whpk(ownKey()), false, false},
		{"private format of standard", whsk(ownKey()), false, false},
		{"text", plainSecret, false, false},
	}
	if _, err := signature.NewVerifier("discord", []string{private}); !strings.Contains(fmt.Sprint(err), "not the private one") {
		t.Errorf("%v does not say which half it is", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewVerifier("discord", []string{test.secret})
			checkSecret(t, err, test.verifies, test.secret)
			_, err = signature.NewSigner("discord", test.secret)
			checkSecret(t, err, test.signs, test.secret)
			public, err := signature.PublicKey("discord", test.secret)
			checkSecret(t, err, test.signs, test.secret)
			if test.signs && public != discordKey(ownKey()) {
				t.Errorf("public key %s", public)
			}
		})
	}
}

const (
	discordInteraction = `{"app_permissions":"0","application_id":"1","entitlements":[],"id":"2","token":"t","type":1,"user":{"id":"3"},"version":1}`
	discordEvent       = `{"version":1,"application_id":"1","type":1,"event":{"type":"ENTITLEMENT_CREATE","timestamp":"2024-10-18T18:41:21.109604"}}`
)

func TestVerifier_DiscordHandshake(t *testing.T) {
	t.Parallel()
	pong := signature.Reply{Status: http.StatusOK, ContentType: "application/json", Body: []byte(`{"type":1}`)}
	silence := signature.Reply{Status: http.StatusNoContent, ContentType: "application/json"}
	tests := []struct {
		name, body string
		want       *signature.Reply
	}{
		{"interaction PING", discordInteraction, &pong},
		{"shortest interaction PING", `{"type":1}`, &pong},
		{"spaces", "\n{ \"type\" : 1 }\n", &pong},
		{"webhook PING", `{"version":1,"application_id":"1","type":0}`, &silence},
		{"shortest webhook PING", `{"type":0}`, &silence},
		{"webhook event", discordEvent, nil},
		{"webhook event without a body", `{"type":1,"event":null}`, nil},
		{"command", `{"id":"2","type":2,"data":{"type":1,"name":"blep"}}`, nil},
		{"type deeper down", `{"data":{"type":1}}`, nil},
		{"type in text", `{"content":"{\"type\":1}"}`, nil},
		{"type in an array", `[{"type":1}]`, nil},
		{"other case", `{"Type":1}`, nil},
		{"a string", `{"type":"1"}`, nil},
		{"a fraction", `{"type":1.0}`, nil},
		{"true", `{"type":true}`, nil},
		{"null", `{"type":null}`, nil},
		{"ten", `{"type":10}`, nil},
		{"trailing text", `{"type":1}{}`, nil},
		{"not JSON", `type=1`, nil},
		{"empty", ``, nil},
		{"too long for a PING", `{"type":1,"x":"` + strings.Repeat("x", 16<<10) + `"}`, nil},
	}
	v := verifier(t, "discord", discordKey(otherKey()), discordKey(ownKey()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := signature.Request{
				Method: http.MethodPost, Body: []byte(test.body),
				Header: discordHeaders("1700000000", discordOf(ownKey(), "1700000000", test.body)),
			}
			reply, ok, err := v.Handshake(request, testTime)
			if err != nil || ok != (test.want != nil) {
				t.Fatalf("%+v, %t, %v", reply, ok, err)
			}
			if ok && (reply.Status != test.want.Status || reply.ContentType != test.want.ContentType || string(reply.Body) != string(test.want.Body)) {
				t.Errorf("%+v, want %+v", reply, *test.want)
			}
			_, err = v.Verify(request, testTime)
			wantError(t, err, nil)
		})
	}
}

// TestVerifier_DiscordHandshakeForged: Discord sends a PING with a wrong
// signature on purpose, and it must not be answered.
func TestVerifier_DiscordHandshakeForged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header http.Header
		want   error
	}{
		"unsigned":  {http.Header{}, signature.ErrMissing},
		"other key": {discordHeaders("1700000000", discordOf(otherKey(), "1700000000", discordInteraction)), signature.ErrMismatch},
		"old":       {discordHeaders("1600000000", discordOf(ownKey(), "1600000000", discordInteraction)), signature.ErrTooOld},
	} {
		reply, ok, err := verifier(t, "discord", discordKey(ownKey())).Handshake(signature.Request{Header: test.header, Body: []byte(discordInteraction)}, testTime)
		if ok || reply.Status != 0 {
			t.Errorf("%s: answered %+v", name, reply)
		}
		wantError(t, err, test.want)
	}
}

var discordPattern = regexp.MustCompile(`^[0-9a-fA-F]{128}$`)

func FuzzVerifyDiscord(f *testing.F) {
	good := discordOf(ownKey(), "1700000000", string(testBody))
	for _, sum := range []string{"", good, strings.ToUpper(good), good[:127], good[:126], good + "00", "ed25519=" + good, strings.Repeat("0", 128)} {
		f.Add("1700000000", sum, testBody)
	}
	f.Add("170000000", good, append([]byte("0"), testBody...))
	f.Add("01700000000", good, testBody)
	f.Add("1700000301", discordOf(ownKey(), "1700000301", "{}"), []byte("{}"))
	f.Add("1700000000", discordOf(ownKey(), "1700000000", discordInteraction), []byte(discordInteraction))
	right, wrong := verifier(f, "discord", discordKey(ownKey())), verifier(f, "discord", newPair(f, "discord")[1])
	f.Fuzz(func(t *testing.T, at, sum string, body []byte) {
		seconds, _ := strconv.ParseUint(at, 10, 63)
		want := regexp.MustCompile(`^[1-9][0-9]{9}$`).MatchString(at) && seconds >= 1700000000-300 && seconds <= 1700000000+300 &&
			discordPattern.MatchString(sum) && strings.EqualFold(sum, discordOf(ownKey(), at, string(body)))
		request := signature.Request{Header: discordHeaders(at, sum), Body: body}
		_, err := right.Verify(request, testTime)
		check(t, err, want)
		if _, ok, _ := right.Handshake(request, testTime); ok && !want {
			t.Error("a handshake that does not verify")
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
