package intake

import (
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"
)

// Bounds on the memory that is kept from one request for the next.
const (
	maxKeptFields  = 64
	maxKeptScratch = 8 << 10 // bytes
)

// linearFields is up to how many headers looking at each is faster than a map of their names.
const linearFields = 32

// field is one line of a request's head, good until the request is over, because fasthttp uses the memory again.
type field struct {
	name, value []byte
	next        int  // the next field of the same name, or 0; see link
	again       bool // there is one of the same name before it
}

// header is a request's headers, gathered once for all that look at them, without copying them. It reads them for the
// signature package too; what is kept of a match is cloned.
type header struct {
	raw     *fasthttp.RequestHeader
	fields  []field
	values  []string // of the last call
	scratch []byte
}

// read gathers the headers of a request.
func (h *header) read(raw *fasthttp.RequestHeader) {
	h.raw, h.fields = raw, h.fields[:0]
	for name, value := range raw.All() {
		h.fields = append(h.fields, field{name: name, value: value})
	}
}

// forget lets go of the request, and of memory that only a large one needs.
func (h *header) forget() {
	clear(h.fields)
	clear(h.values)
	h.raw, h.fields, h.values = nil, h.fields[:0], h.values[:0]
	if cap(h.fields) > maxKeptFields {
		h.fields, h.values = nil, nil
	}
	if cap(h.scratch) > maxKeptScratch {
		h.scratch = nil
	}
}

// Values returns every value of a header, in order, until the next call. The name is in its canonical form, as those
// of the request are. The strings are good until the request is over.
func (h *header) Values(name string) []string {
	h.values = h.values[:0]
	switch name {
	case fasthttp.HeaderConnection, fasthttp.HeaderContentLength, fasthttp.HeaderCookie, fasthttp.HeaderTrailer:
		for _, v := range h.raw.PeekAll(name) { // which fasthttp takes apart
			h.values = append(h.values, utils.UnsafeString(v))
		}
		return h.values
	}
	for i := range h.fields {
		if string(h.fields[i].name) == name {
			h.values = append(h.values, utils.UnsafeString(h.fields[i].value))
		}
	}
	return h.values
}

// first returns the first value of a header, or "".
func (h *header) first(name string) string {
	if values := h.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// encoded reports whether the body is compressed, or otherwise not what its media type says.
func (h *header) encoded() bool {
	for _, v := range h.Values(fasthttp.HeaderContentEncoding) {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "identity") {
				return true
			}
		}
	}
	return false
}

// notKept are the headers that are not stored: credentials, and what concerns one connection only (RFC 9110,
// section 7.6.1).
func notKept(name []byte) bool {
	switch string(name) {
	case "Authorization", "Cookie", "Proxy-Authorization", "X-Gitlab-Token",
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// json returns the headers to keep as JSON, until the next call.
func (h *header) json() []byte {
	h.scratch = h.appendJSON(h.scratch[:0])
	return h.scratch
}

// appendJSON writes the headers to keep as a JSON object: name → values in the order received. Names are in
// their canonical form; bytes that are not UTF-8 become U+FFFD.
func (h *header) appendJSON(out []byte) []byte {
	h.link()
	out = append(out, '{')
	empty := len(out)
	for i := range h.fields {
		f := &h.fields[i]
		if f.again || notKept(f.name) {
			continue
		}
		if len(out) > empty {
			out = append(out, ',')
		}
		out = append(appendJSONString(out, f.name), ':', '[')
		out = appendJSONString(out, f.value)
		for f.next > 0 {
			f = &h.fields[f.next]
			out = appendJSONString(append(out, ','), f.value)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

// link finds the fields of one name, without going through all for each: a request may have a thousand names, none of
// them signed.
func (h *header) link() {
	var last map[string]int // by name; without it, look back
	if len(h.fields) > linearFields {
		last = make(map[string]int, len(h.fields))
	}
	for i := range h.fields {
		f := &h.fields[i]
		before, known := last[utils.UnsafeString(f.name)]
		if last == nil {
			before, known = h.before(i)
		} else {
			last[utils.UnsafeString(f.name)] = i
		}
		if known {
			h.fields[before].next, f.again = i, true
		}
	}
}

// before finds the last field before the i-th that has its name.
func (h *header) before(i int) (int, bool) {
	name := h.fields[i].name
	for j := i - 1; j >= 0; j-- {
		if string(h.fields[j].name) == string(name) {
			return j, true
		}
	}
	return 0, false
}

func appendJSONString(out, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for len(s) > 0 {
		n := plain(s)
		out = append(out, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			break
		}
		r, size := utf8.DecodeRune(s)
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			out = append(out, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default: // an invalid byte decodes to U+FFFD and is written as that
			out = utf8.AppendRune(out, r)
		}
		s = s[size:]
	}
	return append(out, '"')
}

// plain is how many bytes at the start of s are printable ASCII that stands for itself in a JSON string.
func plain[T string | []byte](s T) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}
