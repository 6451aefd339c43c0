package signature

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schemes that no provider here has are described by a string in place of a name:
//
//	hmac-sha256:header=X-Acme-Signature,encoding=hex,prefix=sha256=
//
// A description begins with hmac-sha1, hmac-sha256, hmac-sha384 or hmac-sha512
// and a colon. Options follow, in any order, separated by commas:
//
//   - header: the header with the signature. Required.
//   - encoding: hex, the default, or base64.
//   - prefix: what stands before the signature in the header.
//   - id, type: the headers with the event's id and type.
//   - timestamp: the header with the time, in seconds since 1970, in ten digits.
//   - signed: what is signed, {body} by default: text in which {body} stands once
//     and {timestamp} and {id} at most once. A timestamp has to be in it. An id
//     that is in it counts as signed.
//
// No value is empty or holds a comma.
const describedPrefix = "hmac-"

// maxDescription bounds a description, in bytes.
const maxDescription = 4096

// describedTolerance is how far the time may be off where the caller says nothing.
const describedTolerance = 5 * time.Minute

// describedTimeSize is the length of every Unix time from 2001 to 2286. A time of
// one length needs no separator beside it.
const describedTimeSize = 10

// description is the form of one header with an HMAC, over a template.
type description struct {
	bodySignature

	timestamp string // the header with the time, or empty
	template  template
}

// described makes the scheme of a description, named by the description itself.
// The only error is ErrUnknownScheme, with the option and its fault.
func described(text string) (scheme, error) {
	if len(text) > maxDescription {
		return scheme{}, fmt.Errorf("%w: a description longer than %d bytes", ErrUnknownScheme, maxDescription)
	}
	d, err := parseDescription(text)
	if err != nil {
		return scheme{}, fmt.Errorf("%w: %q: %w", ErrUnknownScheme, text, err)
	}
	s := d.scheme(text)
	d.size = d.hash().Size()
	s.read, s.write = d.read, d.write
	if d.timestamp != "" {
		s.tolerance = describedTolerance
	}
	return s, nil
}

func (d description) read(r Request, c *claim) error {
	value, err := required(r.Header, d.header)
	if err != nil {
		return err
	}
	text, found := strings.CutPrefix(value, d.prefix)
	if !found {
		return fmt.Errorf("%w: %s does not begin with %s", ErrMalformed, d.header, d.prefix)
	}
	if err := c.readLabels(r.Header, d.event, d.id); err != nil {
		return err
	}
	if err := d.readSigned(r, c); err != nil {
		return err
	}
	return c.readSignature(d.header, text, d.encoding, d.size)
}

// readSigned fills the message, and checks the parts that stand beside the body.
func (d description) readSigned(r Request, c *claim) (err error) {
	if c.match.IDSigned = d.template.signsID(); c.match.IDSigned && !d.template.allows(c.match.ID) {
		if c.match.ID == "" {
			return fmt.Errorf("%w: no %s header", ErrMissing, d.id)
		}
		return fmt.Errorf("%w: %s has %q in it, where the id would end", ErrMalformed, d.id, d.template.idEnd)
	}
	var seconds string
	if d.timestamp != "" {
		if seconds, err = required(r.Header, d.timestamp); err != nil {
			return err
		}
		at, ok := parseSeconds(seconds)
		if !ok || len(seconds) != describedTimeSize {
			return fmt.Errorf("%w: %s is not a Unix time of %d digits", ErrMalformed, d.timestamp, describedTimeSize)
		}
		c.match.Timestamp = at
	}
	c.scratch = append(append(c.scratch, seconds...), c.match.ID...)
	c.message = d.template.append(c.message, c.scratch[len(seconds):], c.scratch[:len(seconds)], r.Body)
	return nil
}

func (d description) write(out Outgoing, keys []signingKey, h HeaderSetter) error {
	carried := d.id != "" && (out.ID != "" || d.template.signsID())
	if carried && !isToken(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
	}
	if !d.template.allows(out.ID) {
		return fmt.Errorf("%w: its id has %q in it, where it would end", ErrUnsignable, d.template.idEnd)
	}
	seconds := strconv.FormatInt(out.Time.Unix(), 10)
	if d.timestamp != "" && (len(seconds) != describedTimeSize || seconds[0] == '-') {
		return fmt.Errorf("%w: its time is not between 2001 and 2286", ErrUnsignable)
	}
	message := d.template.append(nil, []byte(out.ID), []byte(seconds), out.Body)
	h.Set(d.header, d.prefix+d.encoding.encode(keys[0].sign(message...)))
	if carried {
		h.Set(d.id, out.ID)
	}
	if d.timestamp != "" {
		h.Set(d.timestamp, seconds)
	}
	return nil
}
