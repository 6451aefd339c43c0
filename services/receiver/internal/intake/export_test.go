package intake

// What the tests of header parsing reach for.
var (
	HeadersJSON = headersJSON
	DedupeKey   = dedupeKey
)
