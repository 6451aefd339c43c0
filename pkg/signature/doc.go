// Package signature signs outgoing webhooks and verifies incoming ones, in the
// wire formats that providers use, and explains why one does not verify.
//
// A [Verifier] checks requests of one scheme, a [Detector] picks the scheme
// from the headers a request carries, and a [Signer] adds the headers to a
// request about to be sent. All three are made once, never change afterwards
// and may be used by any number of goroutines. [Middleware] puts a Verifier or
// a Detector in front of a handler of net/http.
//
// # Choosing
//
// For requests you send, choose "standard" (Standard Webhooks): it signs an id
// and a time together with the body, and carries a signature of each of two
// secrets while one replaces the other. Choose "standard-ed25519" where those
// who verify must not be able to sign.
//
// For requests you receive, the sender has chosen; name its scheme with
// [NewVerifier]. [Schemes] lists the names, README.md what each signs, and
// [Describe] tells a program the same. A scheme that is not among them is
// described by a string in place of a name:
//
//	hmac-sha256:header=X-Acme-Signature,encoding=hex,prefix=sha256=
//
// Use a Detector only where one address must take several senders with one
// secret, and let it try no more schemes than needed.
//
// # What a match means
//
// It proves that somebody with the secret made the text that was signed. It does
// not prove that the request is new, nor anything about what was not signed:
//
//   - Schemes that sign the body alone (github, shopify and others) verify a
//     captured request for ever, under any id: [Match.IDSigned] is false. A key
//     to remember requests by must then be made of the id and the body, or
//     anybody who captured one event could spend the id of another in advance.
//   - Schemes that sign a time stop verifying once it is further than the
//     tolerance from now, before or after. Within the tolerance a captured
//     request verifies again, and only remembering it stops a replay.
//   - Schemes that sign an id as well need no more than the id remembered.
//   - mailgun signs no body, and GitLab's secret token signs nothing: whoever saw
//     one request can make others. [Info.SignsBody] tells of the first.
//
// # What this package does not do
//
// It does not remember ids, and it has no clock: the caller passes the time. Only
// Middleware reads bodies and limits their size. Give Verify the bytes as they
// arrived, neither decompressed nor parsed and encoded again.
//
// Nor does it look inside bodies further than a scheme demands. With one secret
// for several schemes, as in a Detector, what one of them signs can be the text
// of another: the HMAC of a standard request is also a valid body signature of
// the text "id.time.body", and "1700000000.5" is a body, and a time and a body.
// So send and accept only bodies that are JSON objects or arrays there: no two of
// the schemes that a Detector tries by default then share a text, except those
// that sign the very same things.
//
// GitHub's form bodies are safe beside that only if the whole body is one field,
// payload=…, and its value is a JSON object or array. A form parser that looks
// for the field anywhere finds one inside the text of other events
// ("…&payload=…&…"), and the Content-Type that makes it look is not signed.
package signature
