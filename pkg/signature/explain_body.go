package signature

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Faults of the body: it was changed between signing and verifying.

// explainMaxInflated bounds what a compressed body may become, in bytes.
const explainMaxInflated = 8 << 20

const byteOrderMark = "\ufeff"

// bodies yields variants of the body and tells whether to go on.
type bodies struct {
	*inquiry

	yield func(variant) bool
	seen  map[string]bool // bodies tried, so that none is tried twice
}

func (i *inquiry) bodies(yield func(variant) bool) *bodies {
	return &bodies{inquiry: i, yield: yield, seen: map[string]bool{}}
}

func (b *bodies) try(body []byte, cause Cause, detail string) bool {
	if bytes.Equal(body, b.request.Body) {
		return true
	}
	if !b.large() { // remembering large ones would cost more than trying them again
		if b.seen[string(body)] {
			return true
		}
		b.seen[string(body)] = true
	}
	r := b.request
	r.Body = body
	return b.yield(variant{request: r, finding: found(cause, "%s", detail)})
}

// otherEnds supposes that something was lost or added at an end of the body, or
// at the ends of its lines.
func (i *inquiry) otherEnds(yield func(variant) bool) {
	b, body := i.bodies(yield), i.request.Body
	if i.scheme.signsNoBody {
		return
	}
	const added, lost = "was added to the end of the body after it was signed.", "is missing at the end of the body."
	for _, end := range []struct{ text, name string }{{"\r\n", "A carriage return and newline"}, {"\n", "A newline"}, {"\r", "A carriage return"}} {
		if shorter, found := bytes.CutSuffix(body, []byte(end.text)); found && !b.try(shorter, CauseBodyTrailingNewline, end.name+" "+added) {
			return
		}
		if !i.large() && !b.try(append(bytes.Clone(body), end.text...), CauseBodyTrailingNewline, end.name+" "+lost) {
			return
		}
	}
	if shorter, found := bytes.CutPrefix(body, []byte(byteOrderMark)); found && !b.try(shorter, CauseBodyBOM, "A UTF-8 byte order mark was added before the body.") {
		return
	}
	if !b.try(bytes.TrimSpace(body), CauseBodyTrailingNewline, "Space was added around the body after it was signed.") || i.large() {
		return
	}
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	_ = b.otherLast(body) && b.try(append([]byte(byteOrderMark), body...), CauseBodyBOM, "The UTF-8 byte order mark before the body is missing.") &&
		b.try(unix, CauseBodyLineEndings, "The lines of the body end with CRLF, and were signed with LF.") &&
		b.try(bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")), CauseBodyLineEndings, "The lines of the body end with LF, and were signed with CRLF.")
}

// otherLast supposes that the last line ends otherwise.
func (b *bodies) otherLast(body []byte) bool {
	line, found := bytes.CutSuffix(body, []byte("\n"))
	if !found {
		return true
	}
	if shorter, found := bytes.CutSuffix(line, []byte("\r")); found {
		return b.try(append(bytes.Clone(shorter), '\n'), CauseBodyTrailingNewline, "The body ends with CRLF, and was signed with LF.")
	}
	return b.try(append(bytes.Clone(line), "\r\n"...), CauseBodyTrailingNewline, "The body ends with LF, and was signed with CRLF.")
}

// otherJSON supposes that the body was parsed and written again.
func (i *inquiry) otherJSON(yield func(variant) bool) {
	if i.scheme.signsNoBody || i.large() || !json.Valid(i.request.Body) {
		return
	}
	b := i.bodies(yield)
	for _, style := range jsonStyles() {
		body, ok := writeJSON(i.request.Body, style)
		if !ok {
			continue
		}
		detail := "The body was parsed and written again: written as " + style.String() + ", it verifies. Verify the raw bytes, before anything parses them."
		if !b.try(body, CauseBodyReencoded, detail) {
			return
		}
		if style.escapes == escapesKept && !b.try(append(body, '\n'), CauseBodyReencoded, detail) {
			return
		}
	}
}

// otherForms supposes that a form was parsed and written again, or that what
// says it is one was lost.
func (i *inquiry) otherForms(yield func(variant) bool) {
	if i.scheme.signsNoBody || i.large() || bytes.IndexByte(i.request.Body, '=') < 0 {
		return
	}
	const form = "application/x-www-form-urlencoded"
	isForm := false
	for _, value := range i.request.Header.Values("Content-Type") {
		isForm = isForm || strings.Contains(strings.ToLower(value), form)
	}
	if i.scheme.forms && !isForm && !yield(variant{
		request: i.request.withHeaders(headerSet{"Content-Type": {form}}),
		finding: found(CauseContentType, "The header Content-Type does not say that the body is a form (%s), and as one it verifies.", form),
	}) {
		return
	}
	if !isForm && !i.scheme.forms {
		return
	}
	b := i.bodies(yield)
	for _, body := range formSpellings(string(i.request.Body)) {
		if !b.try([]byte(body), CauseBodyFormReencoded,
			"The fields of the form were parsed and written again: with other escapes or in another order the body verifies. Verify the raw bytes.") {
			return
		}
	}
}

// formSpellings are the forms that other writers would have made of one.
func formSpellings(form string) []string {
	escaped := func(escape func(string) string) string {
		pairs := strings.Split(form, "&")
		for n, pair := range pairs {
			name, value, assigned := strings.Cut(pair, "=")
			pairs[n] = escape(name)
			if assigned {
				pairs[n] += "=" + escape(value)
			}
		}
		return strings.Join(pairs, "&")
	}
	again := func(s string) string {
		if plain, err := url.QueryUnescape(s); err == nil {
			return url.QueryEscape(plain)
		}
		return s
	}
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
	spellings := []string{
		escaped(again), // as Go, Python and PHP write
		escaped(func(s string) string { return component.Replace(again(s)) }), // as JavaScript's encodeURIComponent does
		strings.ReplaceAll(form, "+", "%20"),
		strings.ReplaceAll(form, "%20", "+"),
		strings.ReplaceAll(form, "+", "%2B"), // decoded once too often
		strings.ReplaceAll(form, "%25", "%"), // escaped once too often
		changeEscapes(form, strings.ToLower),
		changeEscapes(form, strings.ToUpper),
	}
	if values, err := url.ParseQuery(form); err == nil {
		spellings = append(spellings, values.Encode())
	}
	return spellings
}

// changeEscapes changes the case of %xx.
func changeEscapes(s string, change func(string) string) string {
	parts := strings.Split(s, "%")
	for n, part := range parts[1:] {
		if len(part) >= 2 {
			parts[n+1] = change(part[:2]) + part[2:]
		}
	}
	return strings.Join(parts, "%")
}

// decompressed supposes that the sender signed the body before compressing it.
func (i *inquiry) decompressed(yield func(variant) bool) {
	if i.scheme.signsNoBody {
		return
	}
	for _, format := range []struct {
		name string
		open func(io.Reader) (io.ReadCloser, error)
	}{
		{"gzip", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
		{"zlib", zlib.NewReader},
		{"deflate", func(r io.Reader) (io.ReadCloser, error) {
			if i.contentEncoding() != "deflate" { // it has no mark of its own
				return nil, flate.CorruptInputError(0)
			}
			return flate.NewReader(r), nil
		}},
	} {
		body, ok := inflate(i.request.Body, format.open)
		if !ok {
			continue
		}
		r := i.request
		r.Body = body
		if !yield(variant{request: r, finding: found(CauseBodyCompressed,
			"The body is compressed with %s, and the signature is over what it decompresses to.", format.name)}) {
			return
		}
	}
}

// inflate decompresses at most explainMaxInflated bytes.
func inflate(body []byte, open func(io.Reader) (io.ReadCloser, error)) ([]byte, bool) {
	reader, err := open(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	inflated, err := io.ReadAll(io.LimitReader(reader, explainMaxInflated+1))
	if err != nil || len(inflated) > explainMaxInflated {
		return nil, false
	}
	return inflated, reader.Close() == nil
}

// contentEncoding is the last coding named, which is undone first.
func (i *inquiry) contentEncoding() string {
	values := i.request.Header.Values("Content-Encoding")
	if len(values) == 0 || len(values[len(values)-1]) > maxHeader {
		return ""
	}
	all := strings.Split(values[len(values)-1], ",")
	return strings.ToLower(strings.TrimSpace(all[len(all)-1]))
}

// bodySigns are what a body shows that cannot be undone.
func (i *inquiry) bodySigns() (found []Finding) {
	if i.scheme.signsNoBody {
		return nil
	}
	if coding := i.contentEncoding(); coding != "" && len(i.request.Body) > 0 && !compressed(i.request.Body, coding) {
		found = append(found, finding(CauseBodyDecompressed,
			"Content-Encoding says %s, and the body is not compressed so: a proxy or the server has decompressed it before it was verified.", coding))
	}
	if len(i.request.Body) == 0 {
		found = append(found, finding(CauseBodyEmpty, "The body is empty: something has probably read it before, or did not pass it on."))
	}
	return found
}

// compressed reports whether the body may be what the coding says. Those it does
// not know may be anything.
func compressed(body []byte, coding string) bool {
	switch coding {
	case "gzip", "x-gzip":
		return bytes.HasPrefix(body, []byte{0x1f, 0x8b})
	case "zstd":
		return bytes.HasPrefix(body, []byte{0x28, 0xb5, 0x2f, 0xfd})
	case "deflate", "br":
		return !isText(body)
	}
	return true
}

func isText(body []byte) bool {
	return utf8.Valid(body) && bytes.IndexFunc(body, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r'
	}) < 0
}
