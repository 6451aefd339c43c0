package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
)

// header reads a fasthttp request's headers for the signature package, without copying them. The values are good
// until the request is over, because fasthttp uses the memory again: what is kept of a match is cloned.
type header struct {
	h      *fasthttp.RequestHeader
	values []string // of the last call
}

// Values returns every value of a header, in order, until the next call.
func (h *header) Values(name string) []string {
	h.values = h.values[:0]
	for _, v := range h.h.PeekAll(name) {
		h.values = append(h.values, utils.UnsafeString(v))
	}
	return h.values
}

// encoded reports whether the body is compressed, or otherwise not what its media type says.
func encoded(h *fasthttp.RequestHeader) bool {
	for _, v := range h.PeekAll(fasthttp.HeaderContentEncoding) {
		for part := range strings.SplitSeq(string(v), ",") {
			if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "identity") {
				return true
			}
		}
	}
	return false
}

// dedupeKey is what makes a second delivery of the same event known as such; empty when nothing does. An id
// that the signature covers is enough: the scheme's own, or bodyID, the one in the signed body. One that it does
// not cover is bound to the body: otherwise whoever has one genuine request could send its body under the id of
// an event still to come, and have that one dropped. Such an id says nothing where a body is guarded against
// replays: then the body counts once, whatever comes with it.
func dedupeKey(h *fasthttp.RequestHeader, match signature.Match, bodyID string, body []byte, guarded bool) string {
	switch {
	case match.ID != "" && match.IDSigned:
		return fitting(match.ID, relay.MaxDedupeKey)
	case bodyID != "":
		return fitting(bodyID, relay.MaxDedupeKey)
	}
	digest := sha256.Sum256(body)
	suffix := ":" + hex.EncodeToString(digest[:])
	if guarded {
		return "body" + suffix
	}
	id := match.ID
	if id == "" {
		id = unsignedID(h, match.Scheme)
	}
	if id == "" {
		return ""
	}
	return fitting(id, relay.MaxDedupeKey-len(suffix)) + suffix
}

// unsignedID finds an id in the headers that belong to no scheme, or, where nothing is signed at all, in those
// of any.
func unsignedID(h *fasthttp.RequestHeader, scheme string) string {
	names := []string{"Idempotency-Key"}
	if scheme == "" {
		names = []string{"Webhook-Id", "X-Github-Delivery", "Idempotency-Key"}
	}
	for _, name := range names {
		if id := string(h.Peek(name)); id != "" {
			return id
		}
	}
	return ""
}

// fitting returns id, or its digest when the store could not keep it as it is.
func fitting(id string, limit int) string {
	printable := !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
	if len(id) <= limit && utf8.ValidString(id) && printable {
		return id
	}
	digest := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(digest[:])
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

// headersJSON writes the headers to keep as a JSON object: name → values in the order received. Names are in
// their canonical form; bytes that are not UTF-8 become U+FFFD.
func headersJSON(h *fasthttp.RequestHeader) []byte {
	out := append(make([]byte, 0, 512), '{')
	for n, one := range keptHeaders(h) {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(appendJSONString(out, one.name), ':', '[')
		for i, value := range one.values {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSONString(out, value)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

// keptHeader is one header, valid as long as the request.
type keptHeader struct {
	name   []byte
	values [][]byte
}

// keptHeaders gathers the values of each name in one pass: a request may have a thousand names, none of them signed.
func keptHeaders(h *fasthttp.RequestHeader) []keptHeader {
	all := make([]keptHeader, 0, 16)
	at := make(map[string]int, 16)
	for name, value := range h.All() {
		if notKept(name) {
			continue
		}
		i, known := at[string(name)]
		if !known {
			i = len(all)
			at[string(name)] = i
			all = append(all, keptHeader{name: name})
		}
		all[i].values = append(all[i].values, value)
	}
	return all
}

func appendJSONString(out, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for len(s) > 0 {
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
