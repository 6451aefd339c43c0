package signature

import (
	"fmt"
	"strconv"
)

// Where time and body are joined with nothing between them, a time of another
// length would let digits move from one to the other under the same signature.
// So it has ten digits, as from 2001 to 2286, and the first ten bytes of the
// signed text are the time.
const (
	firstTenDigits = 1_000_000_000
	lastTenDigits  = 9_999_999_999
)

// readTimeBeforeBody reads the time, and makes time and body the message.
func (c *claim) readTimeBeforeBody(r Request, name string) error {
	seconds, err := required(r.Header, name)
	if err != nil {
		return err
	}
	at, ok := parseSeconds(seconds)
	if !ok || len(seconds) != len("1700000000") || at.Unix() < firstTenDigits {
		return fmt.Errorf("%w: %s is not a Unix time of ten digits", ErrMalformed, name)
	}
	c.match.Timestamp = at
	c.scratch = append(c.scratch, seconds...)
	c.message = append(c.message, c.scratch, r.Body)
	return nil
}

// timeBeforeBody writes the time as readTimeBeforeBody reads it.
func timeBeforeBody(out Outgoing) (string, error) {
	at := out.Time.Unix()
	if at < firstTenDigits || at > lastTenDigits {
		return "", fmt.Errorf("%w: its time is not between September 2001 and 2286", ErrUnsignable)
	}
	return strconv.FormatInt(at, 10), nil
}
