package webhook

// ParseRetryAfter lets the tests feed it what no HTTP server would send.
var ParseRetryAfter = parseRetryAfter
