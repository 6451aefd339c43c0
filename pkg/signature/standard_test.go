package signature_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

func TestVerifier_StandardHeaders(t *testing.T) {
	t.Parallel()
	const id, at = testID, "1700000000"
	good := v1Of(plainSecret, id+"."+at+"."+string(testBody))
	bare := strings.TrimRight(good, "=")
	other := v1Of("another", id+"."+at+"."+string(testBody))
	many := func(n int) string { return strings.Repeat(other+" ", n) + good }
	tests := []struct {
		name, id, at, list string
		want               error
	}{
		{"right", id, at, good, nil},
		{"padding missing", id, at, bare, nil},
		{"second of two", id, at, other + " " + good, nil},
		{"first of two", id, at, good + " " + other, nil},
		{"after other versions", id, at, "v1a,AAAA v2,x nonsense " + good, nil},
		{"after an unreadable v1", id, at, "v1,!! v1, v1 " + good, nil},
		{"extra spaces", id, at, "  " + good + "  ", nil},
		{"sixteenth", id, at, many(15), nil},
		{"seventeenth", id, at, many(16), signature.ErrMalformed},
		{"no id", "", at, good, signature.ErrMissing},
		{"no time", id, "", good, signature.ErrMissing},
		{"no signature", id, at, "", signature.ErrMissing},
		{"other version only", id, at, "v1a," + good[3:], signature.ErrMalformed},
		{"upper case version", id, at, "V1," + good[3:], signature.ErrMalformed},
		{"no version", id, at, good[3:], signature.ErrMalformed},
		{"comma between signatures", id, at, good + "," + good, signature.ErrMalformed},
		{"hexadecimal", id, at, "v1," + hexOf(plainSecret, id+"."+at+"."+string(testBody)), signature.ErrMalformed},
		{"line break inside", id, at, good[:20] + "\n" + good[20:], signature.ErrMalformed},
		{"too much padding", id, at, good + "=", signature.ErrMalformed},
		{"bits after the last byte", id, at, bare[:45] + nextLetter(bare[45]), signature.ErrMalformed},
		{"one byte less", id, at, "v1," + base64.StdEncoding.EncodeToString(macOf(plainSecret, id+"."+at+"."+string(testBody))[:31]), signature.ErrMalformed},
		{"enormous", id, at, strings.Repeat("v2,x ", 1000) + good, signature.ErrMalformed},
		{"other secret", id, at, other, signature.ErrMismatch},
		{"other id", "msg_2", at, good, signature.ErrMismatch},
		{"other time", id, "1700000001", good, signature.ErrMismatch},
		{"time spelled otherwise", id, "01700000000", good, signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkStandard(t, standardHeaders(test.id, test.at, test.list), test.want)
		})
	}
}

// checkStandard verifies testBody, and looks at the match either way.
func checkStandard(t *testing.T, h http.Header, want error) {
	t.Helper()
	match, err := verifier(t, "standard", plainSecret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, want)
	wantMatch := signature.Match{}
	if want == nil {
		wantMatch = signature.Match{Scheme: "standard", ID: testID, IDSigned: true, Timestamp: testTime.UTC()}
	}
	if match != wantMatch {
		t.Errorf("match %+v, want %+v", match, wantMatch)
	}
}

// nextLetter is the base64 letter that differs in the lowest bit, which the
// last letter of a 32-byte signature does not use.
func nextLetter(letter byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	at := strings.IndexByte(alphabet, letter) ^ 1
	return alphabet[at : at+1]
}

// standardHeaders leaves out what is empty.
func standardHeaders(id, at, list string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{"webhook-id": id, "webhook-timestamp": at, "webhook-signature": list} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

func TestVerifier_StandardTwice(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "standard", plainSecret), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	for name, values := range request.Header.(http.Header) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := request.Header.(http.Header).Clone()
			h[name] = []string{values[0], values[0]}
			_, err := verifier(t, "standard", plainSecret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
			wantError(t, err, signature.ErrMalformed)
		})
	}
}

// TestVerifier_URLSafeBase64 looks for a signature that both alphabets spell
// differently: only the standard one counts.
func TestVerifier_URLSafeBase64(t *testing.T) {
	t.Parallel()
	v := verifier(t, "standard", plainSecret)
	for i := range 1000 {
		id := fmt.Sprintf("msg_%d", i)
		list := v1Of(plainSecret, id+".1700000000."+string(testBody))
		safe := strings.NewReplacer("+", "-", "/", "_").Replace(list)
		if safe == list {
			continue
		}
		h := headers(map[string]string{"webhook-id": id, "webhook-timestamp": "1700000000", "webhook-signature": list})
		_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
		wantError(t, err, nil)
		h.Set("webhook-signature", safe)
		_, err = v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
		wantError(t, err, signature.ErrMalformed)
		return
	}
	t.Fatal("no signature with + or / found")
}

func TestVerifier_StandardIDsAndTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id, at string
		now          time.Time
		want         error
	}{
		{"longest id", strings.Repeat("x", 256), "1700000000", testTime, nil},
		{"id of symbols", `!#$&'()*+,-/:;<=>?@[\]^_{|}~`, "1700000000", testTime, nil},
		{"id too long", strings.Repeat("x", 257), "1700000000", testTime, signature.ErrMalformed},
		{"dot in id", "msg.1", "1700000000", testTime, signature.ErrMalformed},
		{"quote in id", `msg"1`, "1700000000", testTime, signature.ErrMalformed},
		{"percent in id", "msg%221", "1700000000", testTime, signature.ErrMalformed},
		{"space in id", "msg 1", "1700000000", testTime, signature.ErrMalformed},
		{"line break in id", "msg\n1", "1700000000", testTime, signature.ErrMalformed},
		{"delete in id", "msg\x7f1", "1700000000", testTime, signature.ErrMalformed},
		{"id beyond ASCII", "mség", "1700000000", testTime, signature.ErrMalformed},
		{"time zero", "a", "0", time.Unix(0, 0), nil},
		{"last time", "a", "253402300799", time.Unix(253402300799, 0), nil},
		{"after the last time", "a", "253402300800", time.Unix(253402300799, 0), signature.ErrMalformed},
		{"milliseconds", "a", "1700000000000", testTime, signature.ErrMalformed},
		{"overflow", "a", "18446744075409551616", testTime, signature.ErrMalformed},
		{"largest int64", "a", fmt.Sprint(math.MaxInt64), testTime, signature.ErrMalformed},
		{"negative", "a", "-1", time.Unix(0, 0), signature.ErrMalformed},
		{"plus sign", "a", "+1700000000", testTime, signature.ErrMalformed},
		{"fraction", "a", "1700000000.0", testTime, signature.ErrMalformed},
		{"exponent", "a", "17e8", testTime, signature.ErrMalformed},
		{"underscore", "a", "1_700000000", testTime, signature.ErrMalformed},
		{"space", "a", "1700000000 ", testTime, signature.ErrMalformed},
		{"hexadecimal", "a", "0x6553f100", testTime, signature.ErrMalformed},
		{"digits of another script", "a", "١٧", testTime, signature.ErrMalformed},
		{"date", "a", "2023-11-14T22:13:20Z", testTime, signature.ErrMalformed},
		{"eight thousand years ahead", "a", "253402300799", testTime, signature.ErrTooNew},
	}
	v := verifier(t, "standard", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list := v1Of(plainSecret, test.id+"."+test.at+"."+string(testBody))
			h := headers(map[string]string{"webhook-id": test.id, "webhook-timestamp": test.at, "webhook-signature": list})
			_, err := v.Verify(signature.Request{Header: h, Body: testBody}, test.now)
			wantError(t, err, test.want)
		})
	}
}
