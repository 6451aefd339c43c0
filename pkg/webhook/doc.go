// Package webhook sends webhooks: signed, over HTTP, and again when that makes sense.
//
// There are two levels. A [Sender] makes exactly one attempt and says what came of it; a service with its own
// queue and schedule (Signet's producer) builds on that. A [Client] sends one payload from a program that has
// no queue: it retries in the caller's goroutine, with exponential backoff and jitter, and honours Retry-After.
//
//	client, err := webhook.New(webhook.WithSecret("whsec_…"))
//	…
//	delivery, err := client.Send(ctx, "https://example.com/webhook", payload)
//
// The bytes that are signed are the bytes that are sent. Redirects are never followed: a signed body must not
// wander to a host nobody chose, and a receiver that moved has to say so to its owner.
//
// The package keeps nothing: what must survive the process belongs into a store. It does not restrict the
// addresses it connects to either; a program that sends to URLs of strangers passes an [http.Client] whose
// dialer does.
package webhook
