package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// mailgun signs a time and a random token, HMAC-SHA256 in hexadecimal, and puts
// all three into the body's member "signature":
// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
//
// It does not sign the event itself. Whoever captured one genuine request can
// put any other event in its place, and only two things stop that: the time,
// which may be fifteen minutes off because Mailgun says deliveries are delayed,
// and a receiver that takes each token once. Signer cannot make it, because the
// signature belongs into a body that Signer must not touch.
func mailgun() scheme {
	s := scheme{
		name:        "mailgun",
		tolerance:   15 * time.Minute,
		signsNoBody: true,
		read:        readMailgun,
	}.keyed(sha256.New)
	s.signing = nil
	return s
}

const mailgunTime = "timestamp"

// mailgunTimeSize is the length of every Unix time from 2001 to 2286. Time and
// token are signed without a separator, so one of them needs a fixed length.
const mailgunTimeSize = 10

func readMailgun(r Request, c *claim) error {
	object, err := member(r.Body, "signature")
	if err != nil {
		return err
	}
	if object == nil {
		return fmt.Errorf("%w: the body has no signature", ErrMissing)
	}
	if err := c.readMailgunMessage(object); err != nil {
		return err
	}
	if err := c.readMailgunSignature(object, "signature", true); err != nil {
		return err
	}
	// Events of a subaccount have a signature under the key of the account above
	// it too, so that a receiver needs one key for all.
	return c.readMailgunSignature(object, "parent-signature", false)
}

// mailgunString returns a member that is a string without escapes, which none of
// Mailgun's values needs, or nil when there is none and none is required. The
// time may also be a number: Mailgun's page calls it one and shows a string.
func mailgunString(object []byte, name string, required bool) ([]byte, error) {
	value, err := member(object, name)
	if err == nil && value == nil && required {
		err = fmt.Errorf("%w: the body's signature has no %s", ErrMissing, name)
	}
	if err != nil || value == nil {
		return nil, err
	}
	text, ok := unquoted(value)
	if !ok && name == mailgunTime && isDigits(value) {
		return value, nil
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s is not a plain string", ErrMalformed, name)
	}
	return text, nil
}

func (c *claim) readMailgunMessage(object []byte) error {
	seconds, err := mailgunString(object, mailgunTime, true)
	if err != nil {
		return err
	}
	token, err := mailgunString(object, "token", true)
	if err != nil {
		return err
	}
	if len(seconds) != mailgunTimeSize {
		seconds = nil
	}
	at, ok := parseSeconds(string(seconds))
	if !ok {
		return fmt.Errorf("%w: timestamp is not a Unix time of %d digits", ErrMalformed, mailgunTimeSize)
	}
	if !isAlphanumeric(token) {
		return fmt.Errorf("%w: token is not 1 to %d letters and digits", ErrMalformed, maxToken)
	}
	c.match.ID, c.match.IDSigned, c.match.Timestamp = string(token), true, at
	c.scratch = append(append(c.scratch, seconds...), token...)
	c.message = append(c.message, c.scratch)
	return nil
}

func isDigits(text []byte) bool {
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(text) > 0
}

// isAlphanumeric bounds a token to what Mailgun makes. A dot, colon or brace in
// it would let what another scheme signed after a time, under the same secret,
// count as a token.
func isAlphanumeric(token []byte) bool {
	for _, b := range token {
		if !isLetterOrDigit(b) {
			return false
		}
	}
	return len(token) > 0 && len(token) <= maxToken
}

func (c *claim) readMailgunSignature(object []byte, name string, required bool) error {
	digits, err := mailgunString(object, name, required)
	if err != nil || digits == nil {
		return err
	}
	start := len(c.scratch)
	sum, err := hex.AppendDecode(c.scratch, digits)
	if err != nil || len(sum)-start != sha256.Size {
		return fmt.Errorf("%w: %s is not %d hexadecimal digits", ErrMalformed, name, 2*sha256.Size)
	}
	c.scratch = sum
	c.signatures = append(c.signatures, sum[start:len(sum):len(sum)])
	return nil
}
