package signature_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

func TestVerifier_SquareURL(t *testing.T) {
	t.Parallel()
	const header = "X-Square-Hmacsha256-Signature"
	of := func(text string) http.Header {
		return http.Header{header: {base64.StdEncoding.EncodeToString(macOf(plainSecret, text))}}
	}
	long := "https://example.com/" + strings.Repeat("x", 8192-len("https://example.com/"))
	tests := []struct {
		name, signed, url string
		want              error
	}{
		{"right", testURL, testURL, nil},
		{"http", "http://example.com/", "http://example.com/", nil},
		{"longest", long, long, nil},
		{"too long", long + "x", long + "x", signature.ErrMalformed},
		{"no URL", "", "", signature.ErrMissing},
		{"path only", "/webhook/square", "/webhook/square", signature.ErrMissing},
		{"other scheme of URL", "ftp://example.com", "ftp://example.com", signature.ErrMissing},
		{"body alone", "", testURL, signature.ErrMismatch},
		{"another path", testURL, testURL + "/", signature.ErrMismatch},
		{"another host", testURL, strings.Replace(testURL, "hooks.", "hook.", 1), signature.ErrMismatch},
		{"with port", testURL, strings.Replace(testURL, ".com", ".com:443", 1), signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := signature.Request{URL: test.url, Header: of(test.signed + string(testBody)), Body: testBody}
			_, err := verifier(t, "square", plainSecret).Verify(r, testTime)
			wantError(t, err, test.want)
			h := http.Header{}
			err = signer(t, "square", plainSecret).Sign(signature.Outgoing{URL: test.url, Body: testBody}, h)
			if errors.Is(test.want, signature.ErrMissing) || errors.Is(test.want, signature.ErrMalformed) {
				wantError(t, err, signature.ErrUnsignable)
			} else {
				wantError(t, err, nil)
			}
			if (err == nil) != (len(h) == 1) {
				t.Errorf("headers %v, %v", h, err)
			}
		})
	}
}

// TestVerifier_SquareDivisions: the text of a genuine request, divided elsewhere,
// verifies, and never with a body that is JSON.
func TestVerifier_SquareDivisions(t *testing.T) {
	t.Parallel()
	body := `{"a":"{\"b\":{}}","c":{"d":[{}]},"e":"x{","f":"}"}`
	request := signed(t, signer(t, "square", plainSecret), signature.Outgoing{URL: testURL, Body: []byte(body)})
	text := testURL + body
	for at := len("https://"); at <= len(text); at++ {
		if at == len(testURL) {
			continue
		}
		divided := signature.Request{URL: text[:at], Header: request.Header, Body: []byte(text[at:])}
		_, err := verifier(t, "square", plainSecret).Verify(divided, testTime)
		wantError(t, err, nil)
		if json.Valid(divided.Body) {
			t.Errorf("%s is JSON", divided.Body)
		}
	}
}

func FuzzVerifySquare(f *testing.F) {
	good := base64.StdEncoding.EncodeToString(macOf(plainSecret, testURL+string(testBody)))
	for _, value := range []string{"", good, strings.TrimRight(good, "="), good + "=", good[:20], hexOf(plainSecret, testURL)} {
		f.Add(value, testURL, testBody)
	}
	f.Add(good, testURL+string(testBody), []byte(nil))
	f.Add(good, "", testBody)
	right, wrong := verifier(f, "square", "another", plainSecret), verifier(f, "square", "yet another")
	f.Fuzz(func(t *testing.T, value, url string, body []byte) {
		if len(url) > 8192 {
			t.Skip("the bound has a test of its own")
		}
		r := signature.Request{URL: url, Header: http.Header{"X-Square-Hmacsha256-Signature": {value}}, Body: body}
		want := base64.StdEncoding.EncodeToString(macOf(plainSecret, url+string(body)))
		public := strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
		_, err := right.Verify(r, testTime)
		check(t, err, public && (value == want || value == strings.TrimRight(want, "=")))
		_, err = wrong.Verify(r, testTime)
		check(t, err, false)
	})
}
