package intake

import (
	"github.com/valyala/fasthttp"

	"example.com/signet/pkg/signature"
)

// What the tests of header parsing reach for.
var (
	HeadersJSON = headersJSON
	DedupeKey   = dedupeKey
)

// NewHeader reads a request's headers as the intake does.
func NewHeader(h *fasthttp.RequestHeader) signature.Header { return &header{h: h} }
