package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// FuzzDescribed: a description is refused, or describes something that works.
func FuzzDescribed(f *testing.F) {
	for _, options := range []string{
		"header=X-Acme", "header=X,signed={id}.{body},id=Y", "header=X,timestamp=T,signed={timestamp}{body}", "header=,", "=", ",,,", "header=X,prefix==,encoding=base64",
		"header=X,signed={body}{", "header=x,id=X", "header=X,signed={body}.{id},id=I,timestamp=T", "header=Date,type=date-x", "header=X,signed=\xff{body}",
	} {
		f.Add("hmac-sha256:" + options)
		f.Add("hmac-sha384:" + options)
	}
	f.Fuzz(func(t *testing.T, name string) {
		info, err := signature.Describe(name)
		if err != nil {
			wantError(t, err, signature.ErrUnknownScheme)
			return
		}
		if !strings.HasPrefix(name, "hmac-") {
			return // a name
		}
		if info.Name != name || len(info.Headers) != 1 || http.CanonicalHeaderKey(info.Headers[0]) != info.Headers[0] || info.Detected || !info.SignsBody {
			t.Errorf("%+v", info)
		}
		h := http.Header{}
		for _, id := range []string{"i", "j"} { // one of them may be what ends an id
			if err = signer(t, name, plainSecret).Sign(signature.Outgoing{ID: id, Time: testTime, Body: testBody}, h); err == nil {
				break
			}
		}
		request := signature.Request{Header: h, Body: testBody}
		if match, verifyErr := verifier(t, name, plainSecret).Verify(request, testTime); err != nil || verifyErr != nil || match.Scheme != name {
			t.Errorf("%+v, %v, %v", match, err, verifyErr)
		}
		_, err = verifier(t, name, "another").Verify(request, testTime)
		wantError(t, err, signature.ErrMismatch)
		request.Body = append([]byte("x"), testBody...)
		_, err = verifier(t, name, plainSecret).Verify(request, testTime)
		wantError(t, err, signature.ErrMismatch)
	})
}

func FuzzVerifyDescribed(f *testing.F) {
	text := func(id, at, body string) string { return "v1:" + at + ":" + id + ":" + body + ":end" }
	good := "v1=" + hexOf(plainSecret, text(testID, "1700000000", string(testBody)))
	for _, value := range []string{"", "v1=", good, strings.ToUpper(good), strings.TrimPrefix(good, "v1="), good[:60]} {
		f.Add(value, testID, "1700000000", string(testBody))
	}
	f.Add("v1="+hexOf(plainSecret, text("a:b", "1700000000", "")), "a:b", "1700000000", "")
	f.Add("v1="+hexOf(plainSecret, text("a", "01700000000", "")), "a", "01700000000", "")
	f.Add("v1="+hexOf(plainSecret, text("a", "1700000000", "b:end")), "a", "1700000000", "b:end")
	right, wrong := verifier(f, describedAll, "another", plainSecret), verifier(f, describedAll, "yet another")
	f.Fuzz(func(t *testing.T, value, id, at, body string) {
		request := signature.Request{Body: []byte(body), Header: http.Header{"X-Acme-Signature": {value}, "X-Acme-Id": {id}, "X-Acme-Time": {at}}}
		digits, prefixed := strings.CutPrefix(value, "v1=")
		want := prefixed && len(at) == 10 && !strings.Contains(id, ":") && hexPattern.MatchString(digits) &&
			strings.ToLower(digits) == hexOf(plainSecret, text(id, at, body)) && isTimely(id, at)
		match, err := right.Verify(request, testTime)
		check(t, err, want)
		if err == nil && match.ID != id {
			t.Errorf("id %q, want %q", match.ID, id)
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// isTimely reads an id without spaces and a time within five minutes.
func isTimely(id, at string) bool {
	var seconds int64
	for _, r := range at {
		if r < '0' || r > '9' {
			return false
		}
		seconds = seconds*10 + int64(r-'0')
	}
	age := testTime.Unix() - seconds
	return id != "" && len(id) <= 256 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) && age <= 300 && age >= -300
}
