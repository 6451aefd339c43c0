package signature_test

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// headerForm says, a second time, how a scheme with one signature in one header
// writes it.
type headerForm struct {
	scheme, header, prefix string
	base64                 bool
	newHash                func() hash.Hash
	body                   string // testBody where empty
	url                    string // signed before the body where not empty
}

func headerForms() []headerForm {
	return []headerForm{
		{scheme: "github-sha1", header: "X-Hub-Signature", prefix: "sha1=", newHash: sha1.New},
		{scheme: "bitbucket", header: "X-Hub-Signature", prefix: "sha256=", newHash: sha256.New},
		{scheme: "intercom", header: "X-Hub-Signature", prefix: "sha1=", newHash: sha1.New},
		{scheme: "shopify", header: "X-Shopify-Hmac-Sha256", base64: true, newHash: sha256.New},
		{scheme: "shopify", header: "Shopify-Hmac-Sha256", base64: true, newHash: sha256.New},
		{scheme: "dropbox", header: "X-Dropbox-Signature", newHash: sha256.New},
		{scheme: "linear", header: "Linear-Signature", newHash: sha256.New, body: `{"action":"create","webhookTimestamp":1700000000000}`},
		{scheme: "square", header: "X-Square-Hmacsha256-Signature", base64: true, newHash: sha256.New, url: testURL},
		{scheme: "hmac-sha384:header=X-Acme,encoding=base64", header: "X-Acme", base64: true, newHash: sha512.New384},
		{scheme: "hmac-sha512:prefix=v=,header=x-acme", header: "X-Acme", prefix: "v=", newHash: sha512.New},
	}
}

func (f headerForm) sum(secret, body string) []byte {
	mac := hmac.New(f.newHash, []byte(secret))
	mac.Write([]byte(f.url + body))
	return mac.Sum(nil)
}

func (f headerForm) encode(sum []byte) string {
	if f.base64 {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

func (f headerForm) request(values ...string) signature.Request {
	h := http.Header{"Content-Type": {"application/json"}}
	if values != nil {
		h[f.header] = values
	}
	return signature.Request{Method: http.MethodPost, URL: f.url, Header: h, Body: []byte(cmp.Or(f.body, string(testBody)))}
}

func TestVerifier_HeaderForms(t *testing.T) {
	t.Parallel()
	for _, form := range headerForms() {
		t.Run(form.scheme+"/"+form.header, func(t *testing.T) {
			t.Parallel()
			testHeaderForm(t, form)
		})
	}
}

func testHeaderForm(t *testing.T, form headerForm) {
	t.Helper()
	body := cmp.Or(form.body, string(testBody))
	sum := form.sum(plainSecret, body)
	text := form.encode(sum)
	good := form.prefix + text
	tests := []struct {
		name   string
		values []string
		want   error
	}{
		{"right", []string{good}, nil},
		{"absent", nil, signature.ErrMissing},
		{"empty", []string{""}, signature.ErrMalformed},
		{"prefix only", []string{form.prefix}, signature.ErrMalformed},
		{"another prefix", []string{"md5=" + text}, signature.ErrMalformed},
		{"prefix twice", []string{"x=" + good}, signature.ErrMalformed},
		{"twice", []string{good, good}, signature.ErrMalformed},
		{"joined by a comma", []string{good + "," + good}, signature.ErrMalformed},
		{"joined by comma and space", []string{good + ", " + good}, signature.ErrMalformed},
		{"one byte short", []string{form.prefix + form.encode(sum[:len(sum)-1])}, signature.ErrMalformed},
		{"one byte more", []string{form.prefix + form.encode(append(sum[:len(sum):len(sum)], 0))}, signature.ErrMalformed},
		{"last character missing", []string{form.prefix + strings.TrimRight(text, "=")[:len(strings.TrimRight(text, "="))-1]}, signature.ErrMalformed},
		{"other letters", []string{form.prefix + "-" + text[1:]}, signature.ErrMalformed},
		{"space before", []string{" " + good}, signature.ErrMalformed},
		{"space after", []string{good + " "}, signature.ErrMalformed},
		{"line break within", []string{form.prefix + text[:8] + "\r\n" + text[8:]}, signature.ErrMalformed},
		{"not UTF-8", []string{form.prefix + "\xff" + text[1:]}, signature.ErrMalformed},
		{"enormous", []string{form.prefix + strings.Repeat("0", 1<<20)}, signature.ErrMalformed},
		{"other secret", []string{form.prefix + form.encode(form.sum("another", body))}, signature.ErrMismatch},
		{"other body", []string{form.prefix + form.encode(form.sum(plainSecret, body+" "))}, signature.ErrMismatch},
		{"no secret", []string{form.prefix + form.encode(form.sum("", body))}, signature.ErrMismatch},
		{"zeros", []string{form.prefix + form.encode(make([]byte, len(sum)))}, signature.ErrMismatch},
	}
	if form.prefix != "" {
		tests = append(tests, tests[0])
		tests[len(tests)-1].name, tests[len(tests)-1].values, tests[len(tests)-1].want = "no prefix", []string{text}, signature.ErrMalformed
		if upper := strings.ToUpper(form.prefix); upper != form.prefix {
			tests = append(tests, tests[0])
			tests[len(tests)-1].name, tests[len(tests)-1].values, tests[len(tests)-1].want = "upper case prefix", []string{upper + text}, signature.ErrMalformed
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := verifier(t, form.scheme, "unused", plainSecret).Verify(form.request(test.values...), testTime)
			wantError(t, err, test.want)
			if err == nil && (match.Scheme != form.scheme || match.Secret != 1 || match.IDSigned || match.ID != "" || match.EventType != "") {
				t.Errorf("match %+v", match)
			}
		})
	}
}

// TestVerifier_Labels: ids and types come from the scheme's own headers, are not
// signed, and are refused where two readers could differ or a log be misled.
func TestVerifier_Labels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scheme, id, event string
		second            string // the id's other header
	}{
		{scheme: "github-sha1", id: "X-Github-Delivery", event: "X-Github-Event"},
		{scheme: "bitbucket", id: "X-Request-Uuid", event: "X-Event-Key", second: "X-Request-Id"},
		{scheme: "shopify", id: "X-Shopify-Event-Id", event: "X-Shopify-Topic", second: "X-Shopify-Webhook-Id"},
		{scheme: "linear", id: "Linear-Delivery", event: "Linear-Event"},
		{scheme: "twilio", id: "I-Twilio-Idempotency-Token"},
		{scheme: "hmac-sha1:header=X-Acme,id=x-acme-id,type=X-ACME-TYPE", id: "X-Acme-Id", event: "X-Acme-Type"},
	}
	for _, test := range tests {
		t.Run(test.scheme, func(t *testing.T) {
			t.Parallel()
			out := compose(test.scheme, "own-id", testTime, testBody)
			request := signed(t, signer(t, test.scheme, plainSecret), out)
			check := func(r signature.Request, id, event string, want error) {
				t.Helper()
				match, err := verifier(t, test.scheme, plainSecret).Verify(r, testTime)
				wantError(t, err, want)
				if err == nil && (match.ID != id || match.EventType != event || match.IDSigned) {
					t.Errorf("match %+v, want id %q, type %q", match, id, event)
				}
			}
			check(request, "own-id", "", nil)
			check(without(request, test.id), "", "", nil)
			check(with(request, test.id, "other/id"), "other/id", "", nil)
			names := []string{test.id}
			if test.event != "" {
				names = append(names, test.event)
				check(with(request, test.event, "thing:done"), "own-id", "thing:done", nil)
			}
			if test.second != "" {
				check(with(request, test.second, "second"), "own-id", "", nil)
				check(with(without(request, test.id), test.second, "second"), "second", "", nil)
				check(with(without(request, test.id), test.second, "a", "b"), "", "", signature.ErrMalformed)
			}
			for _, name := range names {
				for _, values := range [][]string{{"a", "b"}, {""}, {"a b"}, {"a\n"}, {"\x1b[1m"}, {"é"}, {strings.Repeat("a", 257)}} {
					check(with(request, name, values...), "", "", signature.ErrMalformed)
				}
			}
		})
	}
}

// TestSigner_Labels: an id that a header cannot carry is not sent.
func TestSigner_Labels(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"github-sha1", "bitbucket", "shopify", "linear", "twilio", "hmac-sha1:header=X-Acme,id=X-Acme-Id"} {
		h := http.Header{}
		err := signer(t, scheme, plainSecret).Sign(compose(scheme, "a\r\nb", testTime, testBody), h)
		wantError(t, err, signature.ErrUnsignable)
		if len(h) != 0 {
			t.Errorf("%s: headers %v beside an error", scheme, h)
		}
	}
}

// fuzzHeaderForm compares with the form's second reading.
func fuzzHeaderForm(f *testing.F, scheme string) {
	f.Helper()
	var forms []headerForm
	for _, form := range headerForms() {
		if form.scheme == scheme {
			forms = append(forms, form)
		}
	}
	form := forms[0]
	body := cmp.Or(form.body, string(testBody))
	text := form.encode(form.sum(plainSecret, body))
	for _, value := range []string{"", form.prefix, form.prefix + text, text, form.prefix + strings.ToUpper(text), form.prefix + text[:20], form.prefix + text + "="} {
		f.Add(value, "type", "id", body)
	}
	f.Add(form.prefix+text, "a\nb", strings.Repeat("x", 300), body)
	f.Add(form.prefix+form.encode(form.sum(plainSecret, "")), "", "", "")
	f.Add(form.prefix+strings.TrimRight(text, "="), "é", "a", body)
	right, wrong := verifier(f, scheme, "another", plainSecret), verifier(f, scheme, "yet another")
	token := regexp.MustCompile(`^[!-~]{1,256}$`)
	f.Fuzz(func(t *testing.T, value, event, id, body string) {
		names := map[string][2]string{
			"github-sha1": {"X-Github-Event", "X-Github-Delivery"}, "bitbucket": {"X-Event-Key", "X-Request-Uuid"},
			"shopify": {"X-Shopify-Topic", "X-Shopify-Event-Id"}, "linear": {"Linear-Event", "Linear-Delivery"},
		}[scheme]
		request := signature.Request{URL: form.url, Body: []byte(body), Header: http.Header{form.header: {value}}}
		want := form.verifies(value, body)
		if names[0] != "" {
			request = with(with(request, names[0], event), names[1], id)
			want = want && token.MatchString(event) && token.MatchString(id)
		}
		match, err := right.Verify(request, testTime)
		if scheme == "linear" {
			want = want && linearTimely(body)
		}
		check(t, err, want)
		if err == nil && names[0] != "" && (match.ID != id || match.EventType != event) {
			t.Errorf("match %+v", match)
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// verifies reads a header's value.
func (f headerForm) verifies(value, body string) bool {
	text, found := strings.CutPrefix(value, f.prefix)
	right := f.encode(f.sum(plainSecret, body))
	if f.base64 {
		return found && (text == right || text == strings.TrimRight(right, "="))
	}
	return found && regexp.MustCompile(`^[0-9a-fA-F]*$`).MatchString(text) && strings.ToLower(text) == right
}

func FuzzVerifyGithubSha1(f *testing.F) { fuzzHeaderForm(f, "github-sha1") }
func FuzzVerifyBitbucket(f *testing.F)  { fuzzHeaderForm(f, "bitbucket") }
func FuzzVerifyIntercom(f *testing.F)   { fuzzHeaderForm(f, "intercom") }
func FuzzVerifyShopify(f *testing.F)    { fuzzHeaderForm(f, "shopify") }
func FuzzVerifyDropbox(f *testing.F)    { fuzzHeaderForm(f, "dropbox") }
func FuzzVerifyLinear(f *testing.F)     { fuzzHeaderForm(f, "linear") }
