package signature_test

import (
	"bytes"
	"maps"
	"math"
	"mime"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// FuzzMalleability changes one byte of a genuine request of every scheme. The
// request verifies only where the byte was not signed, or where the signature is
// still the same in another spelling.
func FuzzMalleability(f *testing.F) {
	f.Add("msg_1", []byte(`{"a":1}`), uint16(0), uint16(0), uint8(1))
	f.Add("x", []byte("{}"), uint16(1), uint16(9), uint8(0x20))
	f.Add("msg", []byte("0"), uint16(2), uint16(50), uint8(0x80))
	f.Add("msg", []byte("0"), uint16(3), uint16(46), uint8(0x1d)) // padding becomes a space
	f.Add("msg", []byte("0"), uint16(3), uint16(46), uint8(0x30)) // padding becomes a carriage return
	f.Add("msg", []byte("a&b=c"), uint16(4), uint16(3), uint8(0x0b))
	f.Add("0", []byte("C"), uint16(40), uint16(4), uint8(0x1b)) // a form's "=" becomes "&"
	all := map[string]keys{}
	for _, scheme := range signature.Schemes() {
		if describe(f, scheme).CanSign {
			all[scheme] = newKeys(f, scheme)
		}
	}
	f.Fuzz(func(t *testing.T, id string, payload []byte, part, at uint16, change uint8) {
		for scheme, k := range all {
			v, err := signature.NewVerifier(scheme, []string{k.verifying}, signature.WithTolerance(math.MaxInt64))
			if err != nil {
				t.Fatal(err)
			}
			malleate(t, v, scheme, k, compose(scheme, id, testTime, payload), int(part), int(at), change)
		}
	})
}

func malleate(t *testing.T, v *signature.Verifier, scheme string, k keys, out signature.Outgoing, part, at int, change uint8) {
	t.Helper()
	h := headers(nil)
	if signer(t, scheme, k.signing).Sign(out, h) != nil || change == 0 {
		return
	}
	h.Set("Content-Type", out.ContentType)
	request := signature.Request{Method: out.Method, URL: out.URL, Header: h, Body: out.Body}
	want, err := v.Verify(request, testTime)
	if err != nil {
		t.Fatalf("%s: %v", scheme, err)
	}
	changed, name := mutated(request, part, at, change)
	got, err := v.Verify(changed, testTime)
	if err != nil {
		return
	}
	if !harmless(scheme, name, request, changed, want, got) {
		t.Errorf("%s: verifies with another %s: %+v, %+v", scheme, name, got, changed)
	}
}

// mutated changes a byte of the body, the URL, the method or a header's value,
// and says of which.
func mutated(r signature.Request, part, at int, change uint8) (signature.Request, string) {
	names := []string{"body", "URL", "method"}
	for name := range cloneOf(r) {
		names = append(names, name)
	}
	slices.Sort(names)
	name := names[part%len(names)]
	flip := func(s string) string {
		b := []byte(s)
		if len(b) > 0 {
			b[at%len(b)] ^= change
		}
		return string(b)
	}
	switch name {
	case "body":
		r.Body = []byte(flip(string(r.Body)))
	case "URL":
		r.URL = flip(r.URL)
	case "method":
		r.Method = flip(r.Method)
	default:
		r = with(r, name, flip(firstValue(r.Header, name)))
	}
	return r, name
}

// harmless reports whether a change that verifies may do so.
func harmless(scheme, name string, before, after signature.Request, want, got signature.Match) bool {
	info, err := signature.Describe(scheme)
	if err != nil {
		return false
	}
	switch {
	case reflect.DeepEqual(before, after):
		return true
	case name == "body":
		return !info.SignsBody || sameForm(scheme, after) && (bytes.Equal(reencoded(before.Body), reencoded(after.Body)) || run(before.Body) == run(after.Body))
	case name == "URL", name == "method":
		return !info.SignsURL || name == "method" && scheme != "hubspot" || sameURL(scheme, before.URL, after.URL)
	case slices.Contains(info.Headers, name):
		return sameSpelling(firstValue(before.Header, name), firstValue(after.Header, name)) && want.Timestamp.Equal(got.Timestamp)
	}
	// A header that is not signed may change what the match says of it only.
	return !got.IDSigned && want.Timestamp.Equal(got.Timestamp) || got == want
}

// sameSpelling reports whether two header values are one signature in two
// spellings: hexadecimal in either case, base64 without its padding.
func sameSpelling(a, b string) bool { return spelling(a) == spelling(b) }

var hexRun = regexp.MustCompile(`[0-9a-fA-F]{40,}`)

func spelling(value string) string {
	return hexRun.ReplaceAllStringFunc(strings.TrimRight(value, "= "), strings.ToLower)
}

// sameForm says that the scheme signs a form's fields, however they are written.
func sameForm(scheme string, r signature.Request) bool {
	media, _, err := mime.ParseMediaType(firstValue(r.Header, "Content-Type"))
	return scheme == "twilio" && err == nil && media == "application/x-www-form-urlencoded"
}

func reencoded(form []byte) []byte {
	values, err := url.ParseQuery(string(form))
	if err != nil {
		return form
	}
	return []byte(values.Encode())
}

// sameURL allows the spellings that a scheme takes for the same URL.
func sameURL(scheme, a, b string) bool {
	switch scheme {
	case "hubspot":
		decoded, err := url.PathUnescape(b)
		return err == nil && decoded == a
	}
	return false
}

// run is what Twilio signs of a form: names and values with nothing between them, so that "a=b" and "a&b" are the same.
func run(form []byte) string {
	fields, err := url.ParseQuery(string(form))
	if err != nil {
		return string(form)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, value := range slices.Sorted(slices.Values(fields[name])) {
			b.WriteString(name + value)
		}
	}
	return b.String()
}
