// Package http1 sends webhooks for less than net/http does: a whole exchange over HTTP/1.1 happens in the goroutine
// that asks for it.
//
// net/http keeps two goroutines beside each connection, so that it can send and receive at once. A webhook is one
// small POST and one small answer, and that machinery is a quarter of what such an attempt costs: over loopback, with 32 at
// once, a signed attempt takes 25 µs of CPU with net/http and 19 µs with this package (BenchmarkAttempt in
// internal/deliver, on two cores). fasthttp's client would save some 3 µs more by
// what its bare POST costs, and was left alone: it parses by rules of its own, cleans up in goroutines that nobody can
// stop or wait for, and knows no contexts. A [Transport] writes the request with one system call, reads the answer with
// the next, and leaves the parsing of answers to http.ReadResponse, so there is no second parser to be wrong.
//
// What it does not do itself goes through the http.Transport it is made of, with that one's dialer, TLS settings and
// bounds: requests that are large (the answer may come before they are sent), that are no POST, or that expect
// something; and HTTPS servers until one has been seen to choose HTTP/1.1, because those that choose HTTP/2 stay with
// net/http. Proxies, client traces and upgrades are that one's affair too.
//
// Two things differ from net/http. Nobody reads an idle connection: before one is used again, it is asked whether
// the server has closed it or spoken out of turn, and then another is taken, unnoticed. And the body of a response
// must not be closed by one goroutine while another reads it.
package http1
