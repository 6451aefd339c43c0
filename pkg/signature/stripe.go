package signature

import "time"

// stripe is Stripe's format: https://docs.stripe.com/webhooks/signature
//
// A secret is used whole, its prefix whsec_ included. The list may carry
// signatures of other versions, of which v0 is for test events only, and several
// of v1 while one secret replaces another. Stripe's libraries bound the past
// only; here a time too far ahead is refused as well.
func stripe() scheme {
	s := timedList{
		header:    "Stripe-Signature",
		separator: ",",
		time:      "t",
		signature: "v1",
		joint:     ".",
	}.scheme("stripe", 5*time.Minute)
	s.detected = true
	s.bodyID = "id"
	return s
}
