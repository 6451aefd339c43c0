package signature

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// sample is how a scheme writes its headers. It is seen from a message that the
// scheme signs itself, so that no scheme has to describe this twice.
type sample struct {
	names   []string                 // all headers of the scheme, the signature's first
	written map[string]writtenSample // by name, those with a signature
	times   map[string]int           // by name, how many digits the time has
	secret  string                   // a secret as the scheme makes them, or empty
	shared  bool                     // the key is an HMAC's
}

// writtenSample is one header with a signature.
type writtenSample struct {
	prefix   string // before the signature
	encoding encoding
	size     int // bytes
}

// sampleSecond is a time whose digits are found again in what was written.
const (
	sampleSecond = 1234567890
	sampleDigits = "1234567890"
)

func newSample(s scheme) sample {
	m := sample{names: slices.Clone(s.headers), written: map[string]writtenSample{}, times: map[string]int{}}
	if s.secret == nil || s.verifying == nil {
		return m
	}
	m.secret = s.secret()
	if key, err := s.verifying(m.secret); err == nil {
		_, m.shared = key.(*hmacKey)
	}
	if s.write == nil || s.signing == nil {
		return m
	}
	key, err := s.signing(m.secret)
	if err != nil {
		return m
	}
	for _, out := range sampleMessages() {
		h := headerSet{}
		if s.write(out, []signingKey{key}, h) == nil {
			m.learn(s, h)
			break
		}
	}
	return m
}

// sampleMessages are some of which every scheme can sign one.
func sampleMessages() []Outgoing {
	out := Outgoing{
		ID: "msg_1", Time: time.Unix(sampleSecond, 0), Method: "POST", URL: "https://example.com/",
		ContentType: "application/json", Body: []byte(`{"webhookTimestamp":` + sampleDigits + `000}`),
	}
	form := out
	form.ContentType, form.Body = "application/x-www-form-urlencoded", []byte("a=b")
	return []Outgoing{out, form}
}

func (m *sample) learn(s scheme, h headerSet) {
	for name, values := range h {
		if !slices.Contains(m.names, name) {
			m.names = append(m.names, name)
		}
		value := values[0]
		if at := strings.Index(value, sampleDigits); at >= 0 {
			m.times[name] = digitsAt(value, at)
		}
		if !slices.Contains(s.headers, name) {
			continue
		}
		if runs := signatureRuns(value); len(runs) > 0 {
			sum, spelled := decodeRun(runs[0].of(value))
			m.written[name] = writtenSample{value[:runs[0].start], spelled.encoding(), len(sum)}
		}
	}
	slices.Sort(m.names[len(s.headers):])
}

// expected is how a signature in the named header is written. Schemes that read
// several headers write one, and all in one form.
func (m sample) expected(name string) (writtenSample, bool) {
	for _, n := range append([]string{name}, m.names...) {
		if w, ok := m.written[n]; ok {
			return w, true
		}
	}
	return writtenSample{}, false
}

func digitsAt(s string, at int) int {
	end := at
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	return end - at
}

// run is a part of a header's value that may be a signature.
type run struct{ start, end int }

func (r run) of(s string) string { return s[r.start:r.end] }

// shortestRun is a SHA-1 sum in base64 without padding.
const shortestRun = 27

// signatureRuns finds the signatures in a header's value: long stretches of the
// letters of hexadecimal and base64, with their padding.
func signatureRuns(value string) []run {
	var runs []run
	for start := 0; start < len(value); start++ {
		end := start
		for end < len(value) && isBase64Letter(value[end]) {
			end++
		}
		letters := end - start
		for padding := 0; end < len(value) && value[end] == '=' && padding < 2; padding++ {
			end++
		}
		if letters >= shortestRun {
			runs = append(runs, run{start, end})
		}
		start = max(start, end-1)
	}
	return runs
}

func isBase64Letter(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || strings.IndexByte("+/-_", b) >= 0
}

// spelling is a way to write bytes.
type spelling string

const (
	spelledHex     spelling = "hexadecimal"
	spelledUpper   spelling = "upper-case hexadecimal"
	spelledBase64  spelling = "base64"
	spelledURLSafe spelling = "URL-safe base64"
	spelledTwice   spelling = "base64 of hexadecimal"
)

func (s spelling) encoding() encoding {
	if s == spelledHex || s == spelledUpper {
		return hexadecimal
	}
	return base64ed
}

// decodeRun reads a signature in whatever spelling it has. Of what could be
// both, hexadecimal is likelier. Nil: it is neither.
func decodeRun(text string) ([]byte, spelling) {
	if sum, err := hex.DecodeString(text); err == nil {
		if text != strings.ToLower(text) {
			return sum, spelledUpper
		}
		return sum, spelledHex
	}
	sum, spelled := decodeAnyBase64(text)
	if digits, err := hex.DecodeString(string(sum)); err == nil && len(digits) > 0 {
		return digits, spelledTwice
	}
	return sum, spelled
}

// decodeAnyBase64 takes both alphabets, with padding or without.
func decodeAnyBase64(text string) ([]byte, spelling) {
	text = strings.TrimRight(text, "=")
	if decoded, err := base64.RawStdEncoding.DecodeString(text); err == nil {
		return decoded, spelledBase64
	}
	if decoded, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		return decoded, spelledURLSafe
	}
	return nil, ""
}

// headerSet is headers in a map, by canonical name.
type headerSet map[string][]string

func (h headerSet) Values(name string) []string { return h[name] }
func (h headerSet) Set(name, value string)      { h[name] = []string{value} }

// overlaid is a request's headers with some of them changed.
type overlaid struct {
	Header

	changed headerSet
}

func (o overlaid) Values(name string) []string {
	if values, ok := o.changed[name]; ok {
		return values
	}
	return o.Header.Values(name)
}

// withHeaders is the request with other values for some headers.
func (r Request) withHeaders(changed headerSet) Request {
	r.Header = overlaid{r.Header, changed}
	return r
}
