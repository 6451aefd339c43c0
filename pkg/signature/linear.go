package signature

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// linearTimeMember is where the body has the time it was sent at, as a number
// of milliseconds. It is signed because the body is.
const linearTimeMember = "webhookTimestamp"

// linear is HMAC-SHA256 over the body, in hexadecimal, with the time in the body:
// https://linear.app/developers/webhooks#securing-webhooks
func linear() scheme {
	base := bodySignature{
		header: "Linear-Signature",
		hash:   sha256.New,
		event:  "Linear-Event",
		id:     "Linear-Delivery",
	}
	s := base.scheme("linear")
	s.tolerance = time.Minute
	readBody, writeBody := s.read, s.write
	s.read = func(r Request, c *claim) (err error) {
		if err := readBody(r, c); err != nil {
			return err
		}
		c.match.Timestamp, err = linearTime(r.Body)
		return err
	}
	s.write = func(out Outgoing, keys []signingKey, h HeaderSetter) error {
		if _, err := linearTime(out.Body); err != nil {
			return fmt.Errorf("%w: %s", ErrUnsignable, err.Error())
		}
		return writeBody(out, keys, h)
	}
	return s
}

func linearTime(body []byte) (time.Time, error) {
	value, err := member(body, linearTimeMember)
	if err != nil {
		return time.Time{}, err
	}
	if value == nil {
		return time.Time{}, fmt.Errorf("%w: the body has no %s", ErrMissing, linearTimeMember)
	}
	at, ok := parseWholeMillis(value)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: %s is not a Unix time in whole milliseconds", ErrMalformed, linearTimeMember)
	}
	return at, nil
}

// parseWholeMillis reads a JSON number without sign, fraction or exponent, up to
// the end of the year 9999.
func parseWholeMillis(digits []byte) (time.Time, bool) {
	if len(digits) == 0 || len(digits) > len("253402300799999") || digits[0] == '0' && len(digits) > 1 {
		return time.Time{}, false
	}
	var millis int64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return time.Time{}, false
		}
		millis = millis*10 + int64(d-'0')
	}
	if millis/1000 > lastSecond {
		return time.Time{}, false
	}
	return time.UnixMilli(millis).UTC(), true
}
