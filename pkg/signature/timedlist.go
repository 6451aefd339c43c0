package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timedList is a single header of named parts: a Unix time in seconds, and the
// HMAC-SHA256 of that time and the body under each secret in use, written in
// hexadecimal. Names it does not know are skipped. The time holds digits only,
// so where it ends and the body begins is never in doubt.
type timedList struct {
	header    string
	separator string // between the parts
	time      string // the name of the time
	signature string // the name of each signature
	joint     string // between the time and the body, in what is signed
}

func (l timedList) scheme(name string, tolerance time.Duration) scheme {
	return scheme{
		name:      name,
		headers:   []string{l.header},
		tolerance: tolerance,
		read:      l.read,
		write:     l.write,
	}.keyed(sha256.New)
}

func (l timedList) read(r Request, c *claim) error {
	list, err := required(r.Header, l.header)
	if err != nil {
		return err
	}
	if !isVisible(list) {
		return fmt.Errorf("%w: a space or an unprintable character in %s", ErrMalformed, l.header)
	}
	seconds, err := l.readParts(list, c)
	if err != nil {
		return err
	}
	at, ok := parseSeconds(seconds)
	if !ok {
		return fmt.Errorf("%w: %s in %s is not a Unix time in seconds", ErrMalformed, l.time, l.header)
	}
	if len(c.signatures) == 0 {
		return fmt.Errorf("%w: no usable %s in %s", ErrMalformed, l.signature, l.header)
	}
	c.match.Timestamp = at
	start := len(c.scratch)
	c.scratch = append(append(c.scratch, seconds...), l.joint...)
	c.message = append(c.message, c.scratch[start:], r.Body)
	return nil
}

// readParts collects the signatures and returns the text of the time. A second
// time is refused: another reader could believe the other one. A signature that
// no key could have made is skipped, as the providers' own libraries do.
func (l timedList) readParts(list string, c *claim) (seconds string, err error) {
	timed := false
	for part := range strings.SplitSeq(list, l.separator) {
		name, value, found := strings.Cut(part, "=")
		switch {
		case !found:
			return "", fmt.Errorf("%w: a part of %s without =", ErrMalformed, l.header)
		case name == l.time && timed:
			return "", fmt.Errorf("%w: %s twice in %s", ErrMalformed, l.time, l.header)
		case name == l.time:
			seconds, timed = value, true
		case name == l.signature:
			err = c.addHex(l.header, value)
		}
		if err != nil {
			return "", err
		}
	}
	if !timed {
		return "", fmt.Errorf("%w: no %s in %s", ErrMalformed, l.time, l.header)
	}
	return seconds, nil
}

// addHex adds a signature of the header, unless it is not the hexadecimal form
// of an HMAC-SHA256.
func (c *claim) addHex(header, text string) error {
	start := len(c.scratch)
	if len(text) != hex.EncodedLen(sha256.Size) || !c.decode(text, hexadecimal) {
		c.scratch = c.scratch[:start] // decode leaves what came before the first wrong digit
		return nil
	}
	if len(c.signatures) == maxSignatures {
		return fmt.Errorf("%w: more than %d signatures in %s", ErrMalformed, maxSignatures, header)
	}
	c.signatures = append(c.signatures, c.scratch[start:])
	return nil
}

func (l timedList) write(out Outgoing, keys []signingKey, h HeaderSetter) error {
	value, err := l.value(out, keys)
	if err == nil {
		h.Set(l.header, value)
	}
	return err
}

// value is the header with a signature of every key.
func (l timedList) value(out Outgoing, keys []signingKey) (string, error) {
	seconds, err := out.seconds()
	if err != nil {
		return "", err
	}
	list := l.time + "=" + seconds
	for _, key := range keys {
		list += l.separator + l.signature + "=" + hex.EncodeToString(key.sign([]byte(seconds+l.joint), out.Body))
	}
	return list, nil
}

// seconds is the message's time in Unix seconds, where it has one that
// parseSeconds reads.
func (out Outgoing) seconds() (string, error) {
	at := out.Time.Unix()
	if at < 0 || at > lastSecond {
		return "", fmt.Errorf("%w: its time is not between 1970 and 9999", ErrUnsignable)
	}
	return strconv.FormatInt(at, 10), nil
}

// isVisible reports whether s is ASCII without spaces and control characters.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
