package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

const convoyHeader, convoyID = "X-Convoy-Signature", "X-Convoy-Idempotency-Key"

func TestVerifier_Convoy(t *testing.T) {
	t.Parallel()
	good := hexOf(plainSecret, string(testBody))
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"right", http.Header{convoyHeader: {good}}, nil},
		{"upper case digits", http.Header{convoyHeader: {strings.ToUpper(good)}}, nil},
		{"missing", http.Header{convoyID: {"a"}}, signature.ErrMissing},
		{"empty", http.Header{convoyHeader: {""}}, signature.ErrMalformed},
		{"twice", http.Header{convoyHeader: {good, good}}, signature.ErrMalformed},
		{"comma-joined", http.Header{convoyHeader: {good + "," + good}}, signature.ErrMalformed},
		{"prefix", http.Header{convoyHeader: {"sha256=" + good}}, signature.ErrMalformed},
		{"advanced", http.Header{convoyHeader: {"t=1700000000,v1=" + good}}, signature.ErrMalformed},
		{"one digit short", http.Header{convoyHeader: {good[:63]}}, signature.ErrMalformed},
		{"SHA-512", http.Header{convoyHeader: {good + good}}, signature.ErrMalformed},
		{"space after", http.Header{convoyHeader: {good + " "}}, signature.ErrMalformed},
		{"enormous", http.Header{convoyHeader: {strings.Repeat("0", 1<<20)}}, signature.ErrMalformed},
		{"not UTF-8", http.Header{convoyHeader: {good[:62] + "\xff\xff"}}, signature.ErrMalformed},
		{"other secret", http.Header{convoyHeader: {hexOf("another", string(testBody))}}, signature.ErrMismatch},
	}
	v := verifier(t, "convoy", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
		})
	}
}

// TestVerifier_ConvoyID: the id is told and not counted as signed, whether the
// form is simple or advanced.
func TestVerifier_ConvoyID(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"convoy", "convoy-advanced"} {
		request := sampleRequest(t, scheme, plainSecret)
		v := verifier(t, scheme, plainSecret)
		match, err := v.Verify(request, testTime)
		if err != nil || match.ID != testID || match.IDSigned {
			t.Errorf("%s: %+v, %v", scheme, match, err)
		}
		match, err = v.Verify(with(request, convoyID, "another"), testTime)
		if err != nil || match.ID != "another" {
			t.Errorf("%s: %+v, %v", scheme, match, err)
		}
		_, err = v.Verify(with(request, convoyID, "a b"), testTime)
		wantError(t, err, signature.ErrMalformed)
		h := http.Header{}
		err = signer(t, scheme, plainSecret).Sign(signature.Outgoing{ID: "a b", Time: testTime, Body: testBody}, h)
		wantError(t, err, signature.ErrUnsignable)
		if len(h) != 0 {
			t.Errorf("%s: headers %v beside an error", scheme, h)
		}
	}
}

// TestVerifier_ConvoyForms: neither form's signature is the other's.
func TestVerifier_ConvoyForms(t *testing.T) {
	t.Parallel()
	advanced := sampleRequest(t, "convoy-advanced", plainSecret)
	_, digits, _ := strings.Cut(firstValue(advanced.Header, convoyHeader), "v1=")
	_, err := verifier(t, "convoy", plainSecret).Verify(with(advanced, convoyHeader, digits), testTime)
	wantError(t, err, signature.ErrMismatch)
	simple := sampleRequest(t, "convoy", plainSecret)
	value := "t=1700000000,v1=" + firstValue(simple.Header, convoyHeader)
	_, err = verifier(t, "convoy-advanced", plainSecret).Verify(with(simple, convoyHeader, value), testTime)
	wantError(t, err, signature.ErrMismatch)
}

func FuzzVerifyConvoy(f *testing.F) {
	digits := hexOf(plainSecret, string(testBody))
	for _, header := range []string{"", digits, strings.ToUpper(digits), "sha256=" + digits, digits[:63], digits + "," + digits} {
		f.Add(header, testBody)
	}
	right, wrong := verifier(f, "convoy", "another", plainSecret), verifier(f, "convoy", "yet another")
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		request := signature.Request{Header: http.Header{convoyHeader: {header}}, Body: body}
		_, err := right.Verify(request, testTime)
		check(t, err, bodyVerifies(header, body))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
