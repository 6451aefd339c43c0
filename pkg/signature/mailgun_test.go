package signature_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	mailgunToken = "5egbgr1vjgqxtrnp65xfznchgdccwh5d6i09vijqi3whgowmn6"
	mailgunTime  = "1700000000"
)

// mailgunRequest is what Mailgun would send of out: its id as the token.
func mailgunRequest(secret string, out signature.Outgoing) signature.Request {
	token, seconds := hex.EncodeToString([]byte(out.ID)), strconv.FormatInt(out.Time.Unix(), 10)
	return signature.Request{
		Method: out.Method, URL: out.URL, Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"signature":{"timestamp":"%s","token":"%s","signature":"%s"},"event-data":{"data":"%x"}}`,
			seconds, token, hexOf(secret, seconds+token), out.Body),
	}
}

func mailgunBody(members ...string) string {
	return `{"signature":{` + strings.Join(members, ",") + `},"event-data":{"event":"delivered","signature":{"token":"x"}}}`
}

func TestVerifier_Mailgun(t *testing.T) {
	t.Parallel()
	const at, token = `"timestamp":"` + mailgunTime + `"`, `"token":"` + mailgunToken + `"`
	sum := hexOf(plainSecret, mailgunTime+mailgunToken)
	sig := `"signature":"` + sum + `"`
	tests := []struct {
		name, body string
		want       error
	}{
		{"right", mailgunBody(at, token, sig), nil},
		{"another order", mailgunBody(sig, `"other":{"token":"y"}`, token, at), nil},
		{"time as a number", mailgunBody(`"timestamp":`+mailgunTime, token, sig), nil},
		{"upper case digits", mailgunBody(at, token, `"signature":"`+strings.ToUpper(sum)+`"`), nil},
		{"under the parent's key", mailgunBody(at, token, `"signature":"`+hexOf("its own", mailgunTime+mailgunToken)+`"`, `"parent-signature":"`+sum+`"`), nil},
		{"under its own key", mailgunBody(at, token, sig, `"parent-signature":"`+hexOf("parent's", mailgunTime+mailgunToken)+`"`), nil},
		{"empty", "", signature.ErrMalformed},
		{"not JSON", "timestamp=1&token=2&signature=3", signature.ErrMalformed},
		{"array", "[]", signature.ErrMalformed},
		{"no signature", `{"event-data":{}}`, signature.ErrMissing},
		{"signature is a string", `{"signature":"` + sum + `"}`, signature.ErrMalformed},
		{"signature is null", `{"signature":null}`, signature.ErrMalformed},
		{"signature twice", `{"signature":{` + at + "," + token + "," + sig + `},"signature":{}}`, signature.ErrMalformed},
		{"no time", mailgunBody(token, sig), signature.ErrMissing},
		{"no token", mailgunBody(at, sig), signature.ErrMissing},
		{"no inner signature", mailgunBody(at, token), signature.ErrMissing},
		{"parent's signature only", mailgunBody(at, token, `"parent-signature":"`+sum+`"`), signature.ErrMissing},
		{"time twice", mailgunBody(at, at, token, sig), signature.ErrMalformed},
		{"token twice, once escaped", mailgunBody(at, token, sig, `"\u0074oken":"x"`), signature.ErrMalformed},
		{"time as a fraction", mailgunBody(`"timestamp":1700000000.0`, token, sig), signature.ErrMalformed},
		{"negative time", mailgunBody(`"timestamp":"-170000000"`, token, sig), signature.ErrMalformed},
		{"time with a space", mailgunBody(`"timestamp":"170000000 "`, token, sig), signature.ErrMalformed},
		{"token as a number", mailgunBody(at, `"token":123`, `"signature":"`+hexOf(plainSecret, mailgunTime+"123")+`"`), signature.ErrMalformed},
		{"empty token", mailgunBody(at, `"token":""`, `"signature":"`+hexOf(plainSecret, mailgunTime)+`"`), signature.ErrMalformed},
		{"escape in the token", mailgunBody(at, `"token":"\u0035`+mailgunToken[1:]+`"`, sig), signature.ErrMalformed},
		{"token null", mailgunBody(at, `"token":null`, sig), signature.ErrMalformed},
		{"long token", mailgunBody(at, `"token":"`+strings.Repeat("a", 257)+`"`, `"signature":"`+hexOf(plainSecret, mailgunTime+strings.Repeat("a", 257))+`"`), signature.ErrMalformed},
		{"one digit short", mailgunBody(at, token, `"signature":"`+sum[1:]+`"`), signature.ErrMalformed},
		{"one digit more", mailgunBody(at, token, `"signature":"`+sum+`0"`), signature.ErrMalformed},
		{"one byte short", mailgunBody(at, token, `"signature":"`+sum[2:]+`"`), signature.ErrMalformed},
		{"not hexadecimal", mailgunBody(at, token, `"signature":"g`+sum[1:]+`"`), signature.ErrMalformed},
		{"empty signature", mailgunBody(at, token, `"signature":""`), signature.ErrMalformed},
		{"parent's signature empty", mailgunBody(at, token, sig, `"parent-signature":""`), signature.ErrMalformed},
		{"parent's signature null", mailgunBody(at, token, sig, `"parent-signature":null`), signature.ErrMalformed},
		{"other secret", mailgunBody(at, token, `"signature":"`+hexOf("another", mailgunTime+mailgunToken)+`"`), signature.ErrMismatch},
		{"other token", mailgunBody(at, `"token":"abc"`, sig), signature.ErrMismatch},
		{"other time", mailgunBody(`"timestamp":"1700000001"`, token, sig), signature.ErrMismatch},
		// The same text in another division.
		{"a digit moved to the token", mailgunBody(`"timestamp":"170000000"`, `"token":"0`+mailgunToken+`"`, sig), signature.ErrMalformed},
		{"a digit moved to the time", mailgunBody(`"timestamp":"`+mailgunTime+`5"`, `"token":"`+mailgunToken[1:]+`"`, sig), signature.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := verifier(t, "mailgun", plainSecret).Verify(signature.Request{Header: http.Header{}, Body: []byte(test.body)}, testTime)
			wantError(t, err, test.want)
			if err == nil && match != (signature.Match{Scheme: "mailgun", ID: mailgunToken, IDSigned: true, Timestamp: testTime.UTC()}) {
				t.Errorf("match %+v", match)
			}
		})
	}
}

// TestVerifier_MailgunAfterATime: what others sign as "time.body" or "time:body"
// under the same secret is no token.
func TestVerifier_MailgunAfterATime(t *testing.T) {
	t.Parallel()
	for _, token := range []string{".{}", ":[1]", ".payload", "-x", " x", "é", "a+b", "a/b", "a=b", "a_b"} {
		body := mailgunBody(`"timestamp":"`+mailgunTime+`"`, `"token":"`+token+`"`, `"signature":"`+hexOf(plainSecret, mailgunTime+token)+`"`)
		_, err := verifier(t, "mailgun", plainSecret).Verify(signature.Request{Header: http.Header{}, Body: []byte(body)}, testTime)
		wantError(t, err, signature.ErrMalformed)
	}
}

func TestVerifier_MailgunTolerance(t *testing.T) {
	t.Parallel()
	request := sampleRequest(t, "mailgun", plainSecret)
	for later, want := range map[time.Duration]error{
		15 * time.Minute: nil, 15*time.Minute + 1: signature.ErrTooOld, -15 * time.Minute: nil, -15*time.Minute - 1: signature.ErrTooNew,
	} {
		_, err := verifier(t, "mailgun", plainSecret).Verify(request, testTime.Add(later))
		wantError(t, err, want)
	}
}

// TestVerifier_MailgunBodyIsNotSigned shows what the documentation warns of.
func TestVerifier_MailgunBodyIsNotSigned(t *testing.T) {
	t.Parallel()
	request := sampleRequest(t, "mailgun", plainSecret)
	request.Body = []byte(strings.Replace(string(request.Body), `"event-data":{"data"`, `"event-data":{"forged"`, 1))
	if !strings.Contains(string(request.Body), "forged") {
		t.Fatal("nothing was changed")
	}
	_, err := verifier(t, "mailgun", plainSecret).Verify(request, testTime)
	wantError(t, err, nil)
	if info := describe(t, "mailgun"); info.SignsBody || info.CanSign || len(info.Headers) != 0 {
		t.Errorf("%+v", info)
	}
	_, err = signature.NewSigner("mailgun", plainSecret)
	wantError(t, err, signature.ErrUnsignable)
}

func FuzzVerifyMailgun(f *testing.F) {
	good := `{"timestamp":"` + mailgunTime + `","token":"` + mailgunToken + `","signature":"` + hexOf(plainSecret, mailgunTime+mailgunToken) + `"`
	for _, object := range []string{
		`{"signature":` + good + `}}`, `{"event-data":{},"signature":` + good + `,"parent-signature":"00"}}`, `{}`, `{"signature":` + good + `},"\u0073ignature":{}}`,
		`{"signature":` + strings.Replace(good, `"`+mailgunTime+`"`, mailgunTime, 1) + `}}`, `{"signature":` + good + `,"token":"a"}}`, ``, `{"signature":[]}`,
	} {
		f.Add([]byte(object))
	}
	right, wrong := verifier(f, "mailgun", "another", plainSecret), verifier(f, "mailgun", "yet another")
	f.Fuzz(func(t *testing.T, body []byte) {
		request := signature.Request{Header: http.Header{}, Body: body}
		match, err := right.Verify(request, testTime)
		if json.Valid(body) { // of other bytes the receiver takes none
			token, want := mailgunVerifies(body)
			check(t, err, want)
			if err == nil && (match.ID != token || !match.IDSigned) {
				t.Errorf("match %+v, want token %q", match, token)
			}
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// mailgunVerifies reads a JSON body with encoding/json.
func mailgunVerifies(body []byte) (token string, ok bool) {
	var outer map[string]json.RawMessage
	var inner map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil || json.Unmarshal(outer["signature"], &inner) != nil || !namesAreWritten(string(body), "signature") ||
		!namesAreWritten(string(outer["signature"]), "timestamp", "token", "signature", "parent-signature") {
		return "", false
	}
	at := regexp.MustCompile(`^(?:"([0-9]{10})"|([0-9]{10}))$`).FindSubmatch(inner["timestamp"])
	named := regexp.MustCompile(`^"([0-9A-Za-z]{1,256})"$`).FindSubmatch(inner["token"])
	if at == nil || named == nil {
		return "", false
	}
	text := string(at[1]) + string(at[2])
	seconds, err := strconv.ParseInt(text, 10, 64)
	if age := testTime.Unix() - seconds; err != nil || age > 900 || age < -900 {
		return "", false
	}
	found := false
	for _, name := range []string{"signature", "parent-signature"} {
		digits, present := inner[name]
		if !present && name == "parent-signature" {
			continue
		}
		if !regexp.MustCompile(`^"[0-9a-fA-F]{64}"$`).Match(digits) {
			return "", false
		}
		want := hexOf(plainSecret, text+string(named[1]))
		other := hexOf("another", text+string(named[1]))
		written := strings.ToLower(string(digits[1:65]))
		found = found || written == want || written == other
	}
	return string(named[1]), found
}

// namesAreWritten reports whether each name stands in the object at most once,
// and not with escapes.
func namesAreWritten(object string, names ...string) bool {
	for _, name := range names {
		if n := occurrences(object, name); n > 1 || n == 1 && !strings.Contains(object, `"`+name+`"`) {
			return false
		}
	}
	return true
}
