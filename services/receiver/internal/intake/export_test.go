package intake

import (
	"github.com/valyala/fasthttp"

	"example.com/signet/pkg/signature"
)

// What the tests of header parsing reach for.

// NewHeader reads a request's headers as the intake does.
func NewHeader(raw *fasthttp.RequestHeader) signature.Header {
	h := &header{}
	h.read(raw)
	return h
}

// HeadersJSON is what is stored of a request's headers.
func HeadersJSON(raw *fasthttp.RequestHeader) []byte {
	h := &header{}
	h.read(raw)
	return h.json()
}

// DedupeKey is the key of a request with these headers.
func DedupeKey(raw *fasthttp.RequestHeader, match signature.Match, bodyID string, body []byte, guarded bool) string {
	h := &header{}
	h.read(raw)
	return dedupeKey(h, match, bodyID, body, guarded)
}

// MaxTypes is how many types are remembered.
const MaxTypes = maxTypes

// NewTypes remembers the ways of a router's types.
func NewTypes(r Router) func(stated string) (eventType string, targets []string, ok bool) {
	t := newTypes(r)
	return func(stated string) (string, []string, bool) {
		r, ok := t.route(stated)
		return r.eventType, r.targets, ok
	}
}
