package signature_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const hubspotSignature, hubspotTime = "X-Hubspot-Signature-V3", "X-Hubspot-Request-Timestamp"

// hubspotRequest is a request for url that carries the signature for signedURL.
func hubspotRequest(secret, method, url, signedURL, body, at string) signature.Request {
	sum := macOf(secret, method+signedURL+body+at)
	return signature.Request{Method: method, URL: url, Body: []byte(body), Header: http.Header{
		hubspotSignature: {base64.StdEncoding.EncodeToString(sum)}, hubspotTime: {at},
	}}
}

func TestVerifier_Hubspot(t *testing.T) {
	t.Parallel()
	right := hubspotRequest(plainSecret, "POST", testURL, testURL, "[]", "1700000000000")
	good := firstValue(right.Header, hubspotSignature)
	bare := strings.TrimRight(good, "=")
	tests := []struct {
		name, header string
		values       []string
		want         error
	}{
		{"right", "X-Other", nil, nil},
		{"padding missing", hubspotSignature, []string{bare}, nil},
		{"older signatures beside", "X-Hubspot-Signature", []string{"x", "y"}, nil},
		{"no signature", hubspotSignature, nil, signature.ErrMissing},
		{"no time", hubspotTime, nil, signature.ErrMissing},
		{"two signatures", hubspotSignature, []string{good, good}, signature.ErrMalformed},
		{"two times", hubspotTime, []string{"1700000000000", "1700000000000"}, signature.ErrMalformed},
		{"comma-joined", hubspotSignature, []string{good + "," + good}, signature.ErrMalformed},
		{"empty", hubspotSignature, []string{""}, signature.ErrMalformed},
		{"too much padding", hubspotSignature, []string{good + "="}, signature.ErrMalformed},
		{"one letter short", hubspotSignature, []string{bare[:42]}, signature.ErrMalformed},
		{"one letter more", hubspotSignature, []string{bare + "A"}, signature.ErrMalformed},
		{"bits after the last byte", hubspotSignature, []string{bare[:42] + nextLetter(bare[42])}, signature.ErrMalformed},
		{"hexadecimal", hubspotSignature, []string{hexOf(plainSecret, "POST"+testURL+"[]1700000000000")}, signature.ErrMalformed},
		{"space before", hubspotSignature, []string{" " + good}, signature.ErrMalformed},
		{"line break inside", hubspotSignature, []string{good[:20] + "\n" + good[20:]}, signature.ErrMalformed},
		{"enormous", hubspotSignature, []string{strings.Repeat("A", 1<<20)}, signature.ErrMalformed},
		{"other time", hubspotTime, []string{"1700000000001"}, signature.ErrMismatch},
		{"other secret", hubspotSignature, []string{base64.StdEncoding.EncodeToString(macOf("another", "POST"+testURL+"[]1700000000000"))}, signature.ErrMismatch},
	}
	v := verifier(t, "hubspot", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := right
			h := cloneOf(right)
			h[test.header], request.Header = test.values, h
			match, err := v.Verify(request, testTime)
			wantError(t, err, test.want)
			if err == nil && match != (signature.Match{Scheme: "hubspot", Timestamp: testTime.UTC()}) {
				t.Errorf("match %+v", match)
			}
		})
	}
}

func TestVerifier_HubspotTimes(t *testing.T) {
	t.Parallel()
	v := verifier(t, "hubspot", plainSecret)
	for at, want := range map[string]error{
		"1700000000999": nil, "1699999700000": nil, "1699999699999": signature.ErrTooOld, "1700000300000": nil, "1700000300001": signature.ErrTooNew,
		"9999999999999": signature.ErrTooNew, "1000000000000": signature.ErrTooOld, "0170000000000": signature.ErrMalformed,
		"1700000000": signature.ErrMalformed, "170000000000": signature.ErrMalformed, "17000000000000": signature.ErrMalformed,
		"-170000000000": signature.ErrMalformed, "+170000000000": signature.ErrMalformed, "170000000000x": signature.ErrMalformed,
		"1_70000000000": signature.ErrMalformed, " 170000000000": signature.ErrMalformed, "": signature.ErrMalformed, "1.70000000000": signature.ErrMalformed,
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(hubspotRequest(plainSecret, "POST", testURL, testURL, "[]", at), testTime)
			wantError(t, err, want)
		})
	}
}

func TestVerifier_HubspotURL(t *testing.T) {
	t.Parallel()
	const base = "https://hooks.example.com/"
	escapes := "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"
	tests := []struct {
		name, method, url, signed string
		body                      string
		want                      error
	}{
		{"as received", "POST", base + "a?q=%3A%20", base + "a?q=%3A%20", "[]", nil},
		{"decoded", "POST", base + escapes, base + ":/?@!$'()*,;", "[]", nil},
		{"lower case escapes", "POST", base + strings.ToLower(escapes), base + ":/?@!$'()*,;", "{}", nil},
		{"others stay", "POST", base + "%20%3A%5B%25%26%3D%2B%23%7E", base + "%20:%5B%25%26%3D%2B%23%7E", "[]", nil},
		{"broken escapes stay", "POST", base + "%3A%3%zz%", base + ":%3%zz%", "[]", nil},
		{"decoded once", "POST", base + "%2525%253A%3A", base + "%2525%253A:", "[]", nil},
		{"empty body", "GET", base, base, "", nil},
		{"HTTP", "POST", "http://localhost/", "http://localhost/", "[]", nil},
		{"one of several decoded", "POST", base + "%3A%2F", base + ":%2F", "[]", signature.ErrMismatch},
		{"decoded twice", "POST", base + "%253A%3A", base + "::", "[]", signature.ErrMismatch},
		{"space decoded", "POST", base + "%20%3A", base + " :", "[]", signature.ErrMismatch},
		{"encoded for decoded", "POST", base + ":", base + "%3A", "[]", signature.ErrMismatch},
		{"other host", "POST", "https://other.example.com/", base, "[]", signature.ErrMismatch},
		{"no URL", "POST", "", "", "[]", signature.ErrMalformed},
		{"path only", "POST", "/a", "/a", "[]", signature.ErrMalformed},
		{"upper case scheme", "POST", "HTTPS://a/", "HTTPS://a/", "[]", signature.ErrMalformed},
		{"bracket", "POST", base + "?a[]=1", base + "?a[]=1", "[]", signature.ErrMalformed},
		{"brace", "POST", base + "{", base + "{", "[]", signature.ErrMalformed},
		{"space", "POST", base + "a b", base + "a b", "[]", signature.ErrMalformed},
		{"beyond ASCII", "POST", base + "é", base + "é", "[]", signature.ErrMalformed},
		{"enormous", "POST", base + strings.Repeat("a", 16<<10), base + strings.Repeat("a", 16<<10), "[]", signature.ErrMalformed},
		{"no method", "", base, base, "[]", signature.ErrMalformed},
		{"lower case method", "post", base, base, "[]", signature.ErrMalformed},
		{"method with a digit", "POST1", base, base, "[]", signature.ErrMalformed},
		{"long method", "POSTPOSTPOSTPOSTP", base, base, "[]", signature.ErrMalformed},
		{"text as body", "POST", base, base, "a", signature.ErrMalformed},
		{"space before the body", "POST", base, base, " []", signature.ErrMalformed},
	}
	v := verifier(t, "hubspot", "unused", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(hubspotRequest(plainSecret, test.method, test.url, test.signed, test.body, "1700000000000"), testTime)
			wantError(t, err, test.want)
		})
	}
}

// TestVerifier_HubspotOneReading divides one signed text into its four parts
// wherever it can be divided: a single division verifies.
func TestVerifier_HubspotOneReading(t *testing.T) {
	t.Parallel()
	v := verifier(t, "hubspot", plainSecret)
	for _, whole := range []string{
		"POSThttps://a/?u=http://b/[1700000000000]1700000000000", "POSThttps://a/1700000000000", `POSThttp://a{"a":[1,{}]}1700000000000`,
	} {
		found := 0
		sum := base64.StdEncoding.EncodeToString(macOf(plainSecret, whole))
		for i := range whole {
			for j := i; j < len(whole); j++ {
				for k := j; k < len(whole); k++ {
					h := http.Header{hubspotSignature: {sum}, hubspotTime: {whole[k:]}}
					request := signature.Request{Method: whole[:i], URL: whole[i:j], Header: h, Body: []byte(whole[j:k])}
					if _, err := v.Verify(request, testTime); err == nil {
						found++
					}
				}
			}
		}
		if found != 1 {
			t.Errorf("%q has %d readings", whole, found)
		}
	}
}

func TestSigner_HubspotUnsignable(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]signature.Outgoing{
		"no method":     {URL: testURL, Time: testTime},
		"no URL":        {Method: "POST", Time: testTime},
		"brace in URL":  {Method: "POST", URL: testURL + "{", Time: testTime},
		"text as body":  {Method: "POST", URL: testURL, Time: testTime, Body: []byte("a")},
		"no time":       {Method: "POST", URL: testURL},
		"twelve digits": {Method: "POST", URL: testURL, Time: time.UnixMilli(999_999_999_999)},
		"14 digits":     {Method: "POST", URL: testURL, Time: time.UnixMilli(10_000_000_000_000)},
	} {
		h := http.Header{}
		wantError(t, signer(t, "hubspot", plainSecret).Sign(out, h), signature.ErrUnsignable)
		if len(h) != 0 {
			t.Errorf("%s: headers %v beside an error", name, h)
		}
	}
}

var (
	hubspotListed = regexp.MustCompile(`(?i)%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)`)
	hubspotURL    = regexp.MustCompile(`^https?://[!-Z\\^-z|~]*$`)
	hubspotBody   = regexp.MustCompile(`^(?:$|[\[{])`)
	hubspotDigits = regexp.MustCompile(`^[1-9][0-9]{12}$`)
	capitals      = regexp.MustCompile(`^[A-Z]{1,16}$`)
)

// hubspotVerifies reads a request a second time.
func hubspotVerifies(r signature.Request, at, header string) bool {
	if !hubspotURL.MatchString(r.URL) || !hubspotBody.Match(r.Body) || !hubspotDigits.MatchString(at) || !capitals.MatchString(r.Method) {
		return false
	}
	milliseconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || testTime.Sub(time.UnixMilli(milliseconds)).Abs() > 5*time.Minute {
		return false
	}
	decoded := hubspotListed.ReplaceAllStringFunc(r.URL, func(escape string) string {
		c, err := strconv.ParseUint(escape[1:], 16, 8)
		if err != nil {
			return escape
		}
		return string(rune(c))
	})
	for _, url := range []string{r.URL, decoded} {
		want := base64.StdEncoding.EncodeToString(macOf(plainSecret, r.Method+url+string(r.Body)+at))
		if header == want || header+"=" == want {
			return true
		}
	}
	return false
}

func FuzzVerifyHubspot(f *testing.F) {
	for _, url := range []string{testURL, testURL + "%3A%2f%20%%3", "http://a/[", "HTTP://a/", ""} {
		for _, body := range []string{"[]", "{}", "", "a", " []"} {
			f.Add("POST", url, "1700000000000", firstValue(hubspotRequest(plainSecret, "POST", url, url, body, "1700000000000").Header, hubspotSignature), []byte(body))
		}
	}
	f.Add("post", testURL, "1700000000", "", []byte("[]"))
	right, wrong := verifier(f, "hubspot", "another", plainSecret), verifier(f, "hubspot", "yet another")
	f.Fuzz(func(t *testing.T, method, url, at, header string, body []byte) {
		if len(url) > 16<<10 {
			t.Skip("bounds have tests of their own")
		}
		request := signature.Request{Method: method, URL: url, Body: body, Header: http.Header{hubspotSignature: {header}, hubspotTime: {at}}}
		_, err := right.Verify(request, testTime)
		check(t, err, hubspotVerifies(request, at, header))
		// Fuzzing does not find signatures: make one for what it did find.
		decoded := hubspotListed.ReplaceAllStringFunc(url, func(escape string) string {
			c, _ := strconv.ParseUint(escape[1:], 16, 8)
			return string(rune(c))
		})
		made := hubspotRequest(plainSecret, method, url, decoded, string(body), at)
		_, err = right.Verify(made, testTime)
		check(t, err, hubspotVerifies(made, at, firstValue(made.Header, hubspotSignature)))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
