package signature_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

const (
	twilioForm = "application/x-www-form-urlencoded"
	twilioURL  = "https://hooks.example.com/webhook/twilio?a=1"
)

// twilioOf is Twilio's signature of a text, written down a second time.
func twilioOf(secret, text string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func twilioRequest(address, media, body, value string) signature.Request {
	h := http.Header{"X-Twilio-Signature": {value}}
	if media != "" {
		h.Set("Content-Type", media)
	}
	return signature.Request{Method: http.MethodPost, URL: address, Header: h, Body: []byte(body)}
}

func withDigest(body string) string {
	return fmt.Sprintf("%s&bodySHA256=%x", twilioURL, sha256.Sum256([]byte(body)))
}

func TestVerifier_TwilioBody(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a=&", 1024)
	tests := []struct {
		name, url, media, body string
		signed                 string // after the URL
		want                   error
	}{
		{"form", twilioURL, twilioForm, "To=%2B1&Body=a+b", "Bodya bTo+1", nil},
		{"form with a charset", twilioURL, "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "To=1", "To1", nil},
		{"one name the start of another", twilioURL, twilioForm, "Reasons=1&Reason=2&ReasonA=3", "Reason2ReasonA3Reasons1", nil},
		{"values in order", twilioURL, twilioForm, "A=2&A=10&B=x&A=1", "A1A10A2Bx", nil},
		{"equal values once", twilioURL, twilioForm, "A=1&A=1&A=%31", "A1", nil},
		{"no value", twilioURL, twilioForm, "B&A=&&", "AB", nil},
		{"equals sign in a value", twilioURL, twilioForm, "A=1=2", "A1=2", nil},
		{"lower case escapes", twilioURL, twilioForm, "A=%c3%a9", "Aé", nil},
		{"not UTF-8", twilioURL, twilioForm, "A=%ff", "A\xff", nil},
		{"empty form", twilioURL, twilioForm, "", "", nil},
		{"most fields", twilioURL, twilioForm, many, "a", nil},
		{"too many fields", twilioURL, twilioForm, many + "a=", "a", signature.ErrMalformed},
		{"unfinished escape", twilioURL, twilioForm, "A=%4", "A%4", signature.ErrMalformed},
		{"escape of nothing", twilioURL, twilioForm, "A=%g1", "A%g1", signature.ErrMalformed},
		{"escape in a name", twilioURL, twilioForm, "%zz=1", "%zz1", signature.ErrMalformed},
		{"semicolon", twilioURL, twilioForm, "A=1;B=2", "A1B2", signature.ErrMalformed},
		{"semicolon before digits", twilioURL, twilioForm, "A=1;41", "A1A", signature.ErrMalformed},
		{"form not in order", twilioURL, twilioForm, "B=1&A=2", "B1A2", signature.ErrMismatch},
		{"form left out", twilioURL, twilioForm, "A=1", "", signature.ErrMismatch},
		{"no body, no type", twilioURL, "", "", "", nil},
		{"JSON", withDigest("{}"), "application/json", "{}", "", nil},
		{"no type", withDigest("{}"), "", "{}", "", nil},
		{"digest in capitals", strings.Replace(strings.ToUpper(withDigest("{}")), strings.ToUpper(twilioURL)+"&BODYSHA256", twilioURL+"&bodySHA256", 1), "text/plain", "{}", "", nil},
		{"digest of another body", withDigest("{}"), "application/json", "[]", "", signature.ErrMismatch},
		{"digest of the empty body", withDigest(""), "application/json", "[]", "", signature.ErrMismatch},
		{"no digest", twilioURL, "application/json", "{}", "", signature.ErrMissing},
		{"no digest, no type", twilioURL, "", "{}", "", signature.ErrMissing},
		{"digest in the fragment", twilioURL + "#" + withDigest("{}"), "application/json", "{}", "", signature.ErrMissing},
		{"digest in the path", "https://example.com/" + withDigest("{}")[len(twilioURL):], "application/json", "{}", "", signature.ErrMissing},
		{"digest's name escaped", strings.Replace(withDigest("{}"), "body", "b%6fdy", 1), "application/json", "{}", "", signature.ErrMissing},
		{"digest twice", withDigest("{}") + "&bodySHA256=", "application/json", "{}", "", signature.ErrMalformed},
		{"empty digest", twilioURL + "&bodySHA256=", "application/json", "{}", "", signature.ErrMalformed},
		{"short digest", withDigest("{}")[:len(withDigest("{}"))-2], "application/json", "{}", "", signature.ErrMalformed},
		{"digest not hexadecimal", withDigest("{}")[:len(withDigest("{}"))-1] + "g", "application/json", "{}", "", signature.ErrMalformed},
		{"no URL", "", twilioForm, "A=1", "A1", signature.ErrMissing},
		{"path only", "/webhook/twilio", twilioForm, "A=1", "A1", signature.ErrMissing},
		{"URL too long", twilioURL + strings.Repeat("x", 8192), twilioForm, "A=1", "A1", signature.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := twilioRequest(test.url, test.media, test.body, twilioOf(plainSecret, test.url+test.signed))
			match, err := verifier(t, "twilio", plainSecret).Verify(r, testTime)
			wantError(t, err, test.want)
			if err == nil && match != (signature.Match{Scheme: "twilio"}) {
				t.Errorf("match %+v", match)
			}
			checkTwilioSigner(t, r, test.media, test.want, test.signed)
		})
	}
}

// checkTwilioSigner: what may verify can be signed, and nothing else.
func checkTwilioSigner(t *testing.T, r signature.Request, media string, want error, text string) {
	t.Helper()
	h := http.Header{}
	err := signer(t, "twilio", plainSecret).Sign(signature.Outgoing{URL: r.URL, ContentType: media, Body: r.Body}, h)
	switch {
	case want == nil:
		wantError(t, err, nil)
		if got := h.Get("X-Twilio-Signature"); got != twilioOf(plainSecret, r.URL+text) {
			t.Errorf("signed %q", got)
		}
	case errors.Is(want, signature.ErrMismatch) && err == nil: // the text of the test was wrong, not the message
	default:
		wantError(t, err, signature.ErrUnsignable)
		if len(h) != 0 {
			t.Errorf("headers %v beside an error", h)
		}
	}
}

func TestVerifier_TwilioHeader(t *testing.T) {
	t.Parallel()
	good := twilioOf(plainSecret, twilioURL+"A1")
	tests := []struct {
		name   string
		values []string
		want   error
	}{
		{"right", []string{good}, nil},
		{"no padding", []string{strings.TrimRight(good, "=")}, nil},
		{"absent", nil, signature.ErrMissing},
		{"empty", []string{""}, signature.ErrMalformed},
		{"twice", []string{good, good}, signature.ErrMalformed},
		{"joined", []string{good + "," + good}, signature.ErrMalformed},
		{"one byte short", []string{base64.StdEncoding.EncodeToString(make([]byte, 19))}, signature.ErrMalformed},
		{"one byte more", []string{base64.StdEncoding.EncodeToString(make([]byte, 21))}, signature.ErrMalformed},
		{"hexadecimal", []string{strings.Repeat("0", 40)}, signature.ErrMalformed},
		{"space after", []string{good + " "}, signature.ErrMalformed},
		{"line break", []string{good[:4] + "\n" + good[4:]}, signature.ErrMalformed},
		{"not UTF-8", []string{"\xff" + good[1:]}, signature.ErrMalformed},
		{"enormous", []string{strings.Repeat("A", 1<<20)}, signature.ErrMalformed},
		{"other secret", []string{twilioOf("another", twilioURL+"A1")}, signature.ErrMismatch},
		{"zeros", []string{base64.StdEncoding.EncodeToString(make([]byte, 20))}, signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := with(twilioRequest(twilioURL, twilioForm, "A=1", ""), "X-Twilio-Signature", test.values...)
			_, err := verifier(t, "twilio", plainSecret).Verify(r, testTime)
			wantError(t, err, test.want)
		})
	}
	r := with(twilioRequest(twilioURL, "", "A=1", good), "Content-Type", twilioForm, twilioForm)
	_, err := verifier(t, "twilio", plainSecret).Verify(r, testTime)
	wantError(t, err, signature.ErrMalformed)
}

// TestVerifier_TwilioPort: the URL counts with its port and without, and where it
// has none also with its scheme's.
func TestVerifier_TwilioPort(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url string
		signed    string
		want      error
	}{
		{"https, signed with its port", "https://a.example/x?b", "https://a.example:443/x?b", nil},
		{"http, signed with its port", "http://a.example/x?b", "http://a.example:80/x?b", nil},
		{"https, port given", "https://a.example:443/x", "https://a.example/x", nil},
		{"other port given", "https://a.example:8443/x", "https://a.example/x", nil},
		{"other port signed", "https://a.example:8443/x", "https://a.example:8443/x", nil},
		{"no path", "https://a.example", "https://a.example:443", nil},
		{"query at once", "https://a.example?x=:1", "https://a.example:443?x=:1", nil},
		{"user and password", "https://u:p@a.example/x", "https://u:p@a.example:443/x", nil},
		{"password like a port", "https://u:443@a.example/x", "https://u@a.example/x", signature.ErrMismatch},
		{"IPv6", "https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x", nil},
		{"IPv6 with port", "https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x", nil},
		{"colon in the path", "https://a.example/x:443", "https://a.example/x", signature.ErrMismatch},
		{"port of http under https", "https://a.example/x", "https://a.example:80/x", signature.ErrMismatch},
		{"port of https under http", "http://a.example/x", "http://a.example:443/x", signature.ErrMismatch},
		{"one port for another", "https://a.example:443/x", "https://a.example:80/x", signature.ErrMismatch},
		{"http for https", "https://a.example/x", "http://a.example/x", signature.ErrMismatch},
		{"another host", "https://a.example/x", "https://b.example/x", signature.ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := twilioRequest(test.url, twilioForm, "A=1", twilioOf(plainSecret, test.signed+"A1"))
			_, err := verifier(t, "twilio", plainSecret).Verify(r, testTime)
			wantError(t, err, test.want)
		})
	}
}

// TestVerifier_TwilioDivisions shows what the documentation warns of: the format
// joins names, values and URL without a sign between them.
func TestVerifier_TwilioDivisions(t *testing.T) {
	t.Parallel()
	good := twilioOf(plainSecret, twilioURL+"Body1To2")
	chosen := twilioOf(plainSecret, twilioURL+"Bodyhi From+9From+1")
	for name, r := range map[string]signature.Request{
		"a field out of a value": twilioRequest(twilioURL, twilioForm, "Body=hi+&From=%2B9From%2B1", chosen),
		"another name":           twilioRequest(twilioURL, twilioForm, "Bod=y1To2", good),
		"fields in the URL":      twilioRequest(twilioURL+"Body1", twilioForm, "To=2", good),
		"no field at all":        twilioRequest(twilioURL+"Body1To2", "", "", good),
	} {
		if _, err := verifier(t, "twilio", plainSecret).Verify(r, testTime); err != nil {
			t.Errorf("%s: %v: the documentation says more than is true", name, err)
		}
	}
}

func FuzzVerifyTwilio(f *testing.F) {
	for _, s := range []struct{ url, media, body, text string }{
		{twilioURL, twilioForm, "A=1&B=2", "A1B2"},
		{twilioURL, twilioForm, "A=2&A=1&A=1&AA=%20", "A1A2AA "},
		{twilioURL, "", "", ""},
		{withDigest("{}"), "application/json", "{}", ""},
		{withDigest("{}"), "application/json", "[]", ""},
		{"https://a:1/", twilioForm, "", ""},
		{"http://[::1]?b#c", twilioForm + " ; charset", "%", ""},
		{"https://u:p@a/", "", "x", ""},
		{"", twilioForm, "", ""},
		{twilioURL, twilioForm, "a;b", "a;b"},
	} {
		f.Add(twilioOf(plainSecret, s.url+s.text), s.url, s.media, []byte(s.body))
	}
	right, wrong := verifier(f, "twilio", "another", plainSecret), verifier(f, "twilio", "yet another")
	f.Fuzz(func(t *testing.T, value, address, media string, body []byte) {
		if len(address) > 8192 || len(media) > 4096 || strings.Count(string(body), "&") > 1000 {
			t.Skip("bounds have tests of their own")
		}
		texts := twilioTexts(address, media, string(body))
		var values []string // none but these verify; all of these do
		for _, text := range texts {
			sum := twilioOf(plainSecret, text)
			values = append(values, sum, strings.TrimRight(sum, "="))
		}
		_, err := right.Verify(twilioRequest(address, media, string(body), value), testTime)
		check(t, err, slices.Contains(values, value))
		for _, genuine := range values {
			_, err := right.Verify(twilioRequest(address, media, string(body), genuine), testTime)
			check(t, err, true)
			_, err = wrong.Verify(twilioRequest(address, media, string(body), genuine), testTime)
			check(t, err, false)
		}
	})
}

// twilioTexts are the texts a signature may be of, read with net/url.
func twilioTexts(address, media, body string) []string {
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return nil
	}
	beforeParameters, _, _ := strings.Cut(media, ";")
	fields := ""
	if strings.EqualFold(strings.TrimSpace(beforeParameters), twilioForm) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return nil
		}
		fields = joined(form)
	} else if !digestCovers(address, body) {
		return nil
	}
	return []string{address + fields, otherPort(address) + fields}
}

func joined(form url.Values) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			text += name + value
		}
	}
	return text
}

// digestCovers looks for parameters as they are written.
func digestCovers(address, body string) bool {
	digests := regexp.MustCompile(`[?&]bodySHA256=([^&]*)`).FindAllStringSubmatch(queryOf(address), -1)
	if len(digests) == 0 {
		return body == ""
	}
	return len(digests) == 1 && strings.EqualFold(digests[0][1], fmt.Sprintf("%x", sha256.Sum256([]byte(body))))
}

func queryOf(address string) string {
	address, _, _ = strings.Cut(address, "#")
	_, query, found := strings.Cut(address, "?")
	if !found {
		return ""
	}
	return "&" + query
}

// otherPort cuts the address into five with expressions.
func otherPort(address string) string {
	m := regexp.MustCompile(`(?s)^(https?)(://)([^/?#]*)(.*)$`).FindStringSubmatch(address)
	host := regexp.MustCompile(`(?s)^((?:.*@)?(?:[^@]*\])?[^@]*?)(:[^@:\]]*)?$`).FindStringSubmatch(m[3])
	port := map[string]string{"http": ":80", "https": ":443"}[m[1]]
	if host[2] != "" {
		port = ""
	}
	return m[1] + m[2] + host[1] + port + m[4]
}
