package signature

import (
	"crypto/sha256"
	"fmt"
)

// square is HMAC-SHA256 over the notification URL and the body, in base64:
// https://developer.squareup.com/docs/webhooks/step3validate
//
// Nothing separates the two parts. Another division of the same text would need
// a body that is the end of the genuine one, or the genuine one with the end of
// the URL before it; neither is JSON where the genuine body is a JSON object.
// So a receiver that takes JSON only, as it should here, cannot be misled.
func square() scheme {
	base := bodySignature{header: "X-Square-Hmacsha256-Signature", hash: sha256.New, encoding: base64ed}
	s := base.scheme("square")
	s.signsURL = true
	s.bodyID = "event_id"
	s.read = func(r Request, c *claim) error {
		text, err := required(r.Header, base.header)
		if err != nil {
			return err
		}
		if err := checkPublicURL(r.URL); err != nil {
			return err
		}
		c.scratch = append(c.scratch, r.URL...)
		c.message = append(c.message, c.scratch, r.Body)
		return c.readSignature(base.header, text, base.encoding, sha256.Size)
	}
	s.write = func(out Outgoing, keys []signingKey, h HeaderSetter) error {
		if err := checkPublicURL(out.URL); err != nil {
			return fmt.Errorf("%w: %s", ErrUnsignable, err.Error())
		}
		h.Set(base.header, base.encoding.encode(keys[0].sign([]byte(out.URL), out.Body)))
		return nil
	}
	return s
}
