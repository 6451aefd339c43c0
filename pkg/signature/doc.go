// Package signature signs outgoing webhooks and verifies incoming ones, in the
// wire formats that providers use.
//
// A [Verifier] checks requests of one scheme, a [Detector] picks the scheme
// from the headers a request carries, and a [Signer] adds the headers to a
// request about to be sent. All three are made once, never change afterwards
// and may be used by any number of goroutines.
//
// # Choosing
//
// For requests you send, choose "standard" (Standard Webhooks): it is the only
// scheme here that signs an id and a time together with the body, and the only
// one that can sign with two secrets while one replaces the other. For requests
// you receive, the sender has chosen; name its scheme with [NewVerifier]. Use a
// Detector only where one address must take several senders with one secret,
// and let it try no more schemes than needed.
//
// # What is signed, and what that means
//
//   - github: HMAC-SHA256 over the body, in X-Hub-Signature-256. The legacy
//     SHA-1 header X-Hub-Signature is ignored. The event and delivery headers
//     are not signed: [Match.IDSigned] is false, and whoever holds one genuine
//     request can send its body again, at any time, under another id.
//   - generic: the same over the body, in X-Signature-256 or, where that is
//     absent, Signature. It has no id and no time at all.
//   - standard: HMAC-SHA256 over id, time and body. A captured request stops
//     verifying once its time is further than the tolerance from now, before or
//     after. Within the tolerance it verifies again: only remembering ids
//     stops a replay, and because the id is signed, remembering it is enough.
//
// For the first two, a key made of the id alone lets anybody who captured one
// event spend the id of another in advance; make the key from id and body.
//
// # What this package does not do
//
// It does not read bodies, limit their size or remember ids, and it has no
// clock: the caller passes the time. Give it the bytes as they arrived, neither
// decompressed nor parsed and encoded again.
//
// It does not look inside bodies either. With one secret, the HMAC of a
// standard request is also a valid body signature of the text "id.time.body",
// and the reverse. Wherever one secret serves several schemes, as it does in a
// Detector, send and accept only bodies that are JSON: an id, a time and a JSON
// text joined by dots are never a JSON text themselves.
//
// GitHub's form bodies are safe beside that only if the whole body is one field,
// payload=…, and its value is JSON. A form parser that looks for the field
// anywhere finds one inside the text of other events ("…&payload=…&…"), and the
// Content-Type that makes it look is not signed.
package signature
