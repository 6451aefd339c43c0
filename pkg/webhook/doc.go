// Package webhook sends webhooks: signed, over HTTP, and again when that makes sense.
//
// There are three levels. A [Sender] makes exactly one attempt and says what came of it; a service with its own
// queue and schedule (Signet's producer) builds on that. A [Client] sends payloads from a program that has no
// queue: it retries in the caller's goroutine, with exponential backoff and jitter, honours Retry-After, and
// remembers what became of the latest deliveries. An [Emitter] sends an [Event] to everybody who is subscribed to
// its type.
//
//	client, err := webhook.New(webhook.WithSecret("whsec_…"))
//	…
//	defer client.Close()
//	delivery, err := client.Send(ctx, "https://example.com/webhook", payload)
//
// The bytes that are signed are the bytes that are sent, and every attempt sends the same ones under the same id;
// only the time that a scheme signs is the attempt's own, as receivers refuse old ones. An attempt is one request:
// what net/http would send a second time by itself is counted here, or not sent. Redirects are never followed: a
// signed body must not wander to a host nobody chose, and a receiver that moved has to say so to its owner.
//
// What is remembered is in memory, bounded and gone with the process: what must survive it belongs into a store.
// The package does not restrict the addresses it connects to either; a program that sends to URLs of strangers
// passes an [http.Client] whose dialer does.
//
// Nothing of the package writes anywhere unless [WithLogger] says so. net/http itself remarks on connections to the
// standard logger, such as on bytes that a receiver sends unasked; a program that wants none of that sets its output
// (log.SetOutput), as Signet's producer does.
package webhook
