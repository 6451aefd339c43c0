package signature

import "crypto/sha256"

// shopify is HMAC-SHA256 over the body, in base64:
// https://shopify.dev/docs/apps/build/webhooks/subscribe/https
//
// Shopify's webhooks have headers that begin with "X-Shopify-", its newer events
// the same names without "X-". Where a request has both signatures the newer
// decides, as in Shopify's own library.
func shopify() scheme {
	webhook, event := shopifyHeaders("X-Shopify-"), shopifyHeaders("Shopify-")
	s := webhook.scheme("shopify")
	s.headers = []string{webhook.header, event.header}
	s.read = func(r Request, c *claim) error {
		if len(valuesOf(r.Header, event.header)) > 0 {
			return event.read(r, c)
		}
		return webhook.read(r, c)
	}
	return s
}

// shopifyHeaders prefers the event's id, which is the same in every webhook that
// one event causes, to the webhook's.
func shopifyHeaders(prefix string) eitherID {
	return eitherID{
		bodySignature: bodySignature{
			header:   prefix + "Hmac-Sha256",
			hash:     sha256.New,
			encoding: base64ed,
			event:    prefix + "Topic",
			id:       prefix + "Event-Id",
			size:     sha256.Size,
		},
		second: prefix + "Webhook-Id",
	}
}
