package signature

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// encoding is how a signature is written in a header.
type encoding int

const (
	hexadecimal encoding = iota // either case is taken, lower case is written
	base64ed                    // the standard alphabet, with padding or without
)

func (e encoding) encode(sum []byte) string {
	if e == base64ed {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}

// bodySignature is the commonest form of all: one header with the HMAC of the
// body, and of nothing else. What stands in other headers is not signed.
type bodySignature struct {
	header   string
	hash     func() hash.Hash
	prefix   string // required before the signature
	encoding encoding
	event    string // the header with the event type, or empty
	id       string // the header with the event's id, or empty
	size     int    // bytes of the hash; scheme fills it in
}

func (b bodySignature) scheme(name string) scheme {
	b.size = b.hash().Size()
	return scheme{
		name:    name,
		headers: []string{b.header},
		read:    b.read,
		write:   b.write,
	}.keyed(b.hash)
}

// keyed makes the scheme's keys HMACs under a secret used as its bytes.
func (s scheme) keyed(newHash func() hash.Hash) scheme {
	s.verifying = func(secret string) (verifyingKey, error) { return sharedKey(newHash, secret) }
	s.signing = func(secret string) (signingKey, error) { return sharedKey(newHash, secret) }
	s.secret = hexSecret
	return s
}

func sharedKey(newHash func() hash.Hash, secret string) (*hmacKey, error) {
	if err := checkShared(secret); err != nil {
		return nil, err
	}
	return newHMACKey(newHash, []byte(secret)), nil
}

func (b bodySignature) read(r Request, c *claim) error {
	value, err := required(r.Header, b.header)
	if err != nil {
		return err
	}
	text, found := strings.CutPrefix(value, b.prefix)
	if !found {
		return fmt.Errorf("%w: %s does not begin with %s", ErrMalformed, b.header, b.prefix)
	}
	if err := c.readLabels(r.Header, b.event, b.id); err != nil {
		return err
	}
	c.message = append(c.message, r.Body)
	return c.readSignature(b.header, text, b.encoding, b.size)
}

// readLabels reads the event type and the id from the headers of those names,
// of which either may be empty. Neither counts as signed.
func (c *claim) readLabels(h Header, event, id string) (err error) {
	if event != "" {
		if c.match.EventType, err = label(h, event); err != nil {
			return err
		}
	}
	if id != "" {
		c.match.ID, err = label(h, id)
	}
	return err
}

// readSignature decodes the one signature of a header, of size bytes.
func (c *claim) readSignature(name, text string, e encoding, size int) error {
	start := len(c.scratch)
	if !c.decode(text, e) {
		c.scratch = c.scratch[:start]
		return fmt.Errorf("%w: the signature in %s is not %s", ErrMalformed, name, e)
	}
	if len(c.scratch)-start != size {
		return fmt.Errorf("%w: the signature in %s has %d bytes instead of %d", ErrMalformed, name, len(c.scratch)-start, size)
	}
	c.signatures = append(c.signatures, c.scratch[start:len(c.scratch):len(c.scratch)])
	return nil
}

// decode appends the bytes that text spells to the scratch.
func (c *claim) decode(text string, e encoding) (ok bool) {
	if e == base64ed {
		c.scratch, ok = decodeBase64(c.scratch, text)
		return ok
	}
	var err error
	c.scratch, err = hex.AppendDecode(c.scratch, []byte(text))
	return err == nil
}

func (e encoding) String() string {
	if e == base64ed {
		return "base64"
	}
	return "hexadecimal"
}

func (b bodySignature) write(out Outgoing, keys []signingKey, h HeaderSetter) error {
	carried := b.id != "" && out.ID != ""
	if carried && !isToken(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
	}
	h.Set(b.header, b.prefix+b.encoding.encode(keys[0].sign(out.Body)))
	if carried {
		h.Set(b.id, out.ID)
	}
	return nil
}
