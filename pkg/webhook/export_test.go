package webhook

// What the tests feed with things that no HTTP server would send, or that take no known time.
var (
	ParseRetryAfter = parseRetryAfter
	PercentilesOf   = percentiles
)
