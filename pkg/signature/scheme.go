package signature

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// registry lists every scheme: one line each. A scheme is defined in the file
// of its family and nowhere else.
func registry() []scheme {
	return []scheme{
		generic(),
		github(),
		standard(),
	}
}

// scheme is one wire format: where its parts stand in a request, what it signs,
// and how its secrets are written.
type scheme struct {
	name string
	// headers are those that carry a signature, any of which makes a request
	// one of this scheme. None: the signature is in the body.
	headers []string
	// detected schemes are known by their headers alone. The others must be
	// named, because they sign too little, or something else than a body.
	detected bool
	// besides names schemes whose headers the same provider sends along with
	// its own. Of two schemes present, one that names the other wins; naming
	// must therefore not be mutual.
	besides []string
	// tolerance is how far the signed time may be from now by default. Zero
	// for schemes without a time.
	tolerance time.Duration
	// signsURL says that the signature covers the public URL.
	signsURL bool
	// signsNoBody says that the body is not covered at all.
	signsNoBody bool
	// forms says that the provider also posts HTML forms.
	forms bool
	// bodyID names the field of a signed JSON body that identifies the event.
	bodyID string
	// maxBody is the largest body the provider documents, in bytes, or zero.
	maxBody int
	// verifying and signing turn a secret into a key, or say with
	// ErrInvalidSecret why they cannot.
	verifying func(secret string) (verifyingKey, error)
	signing   func(secret string) (signingKey, error)
	// read fills the claim from a request, or fails with ErrMissing or
	// ErrMalformed. It proves nothing.
	read func(r Request, c *claim) error
	// write signs with one or more keys, the current one first, and sets the
	// headers only when nothing can fail any more. Nil: the scheme cannot sign.
	write func(out Outgoing, keys []signingKey, h HeaderSetter) error
	// secret makes a new secret to sign with.
	secret func() string
	// public returns what a receiver is given of a secret to sign with. Nil:
	// both ends share one secret.
	public func(secret string) (string, error)
	// handshake is how the provider makes sure of an endpoint, or nil.
	handshake *handshake
}

// verifyingKey recognises the signatures made with its counterpart.
type verifyingKey interface {
	// matches returns 1 when one of the claim's signatures is this key's over
	// the claim's message, otherwise 0, in a time that does not depend on how
	// much of a signature is right.
	matches(c *claim) int
}

// signingKey signs a message given in pieces.
type signingKey interface {
	sign(message ...[]byte) []byte
}

// claim is what a request says of itself, before any of it is proven. Claims
// are pooled, so that verifying allocates nothing.
type claim struct {
	// message is the signed content in pieces, so that no body is copied.
	message [][]byte
	// also holds other messages that count as well: a few providers sign one of
	// several spellings of a URL. At most maxSpellings.
	also [][][]byte
	// signatures are the decoded signatures, at most maxSignatures.
	signatures [][]byte
	// token is a secret sent as it is, for the scheme that does so.
	token []byte
	// match has every field but Scheme and Secret.
	match Match
	// scratch holds the bytes that message and signatures point into, body
	// excepted.
	scratch []byte
}

// reset forgets the request, whose body must not live on in a pool. Scratch
// that grew with a large request is given back.
func (c *claim) reset() {
	clear(c.message)
	clear(c.signatures)
	if cap(c.scratch) > maxScratch {
		c.scratch = nil
	}
	*c = claim{message: c.message[:0], signatures: c.signatures[:0], scratch: c.scratch[:0]}
}

// byName orders schemes for messages and for building detectors.
func byName(a, b scheme) int { return cmp.Compare(a.name, b.name) }

// find looks a scheme up by its exact name.
func find(name string) (scheme, error) {
	for _, s := range registry() {
		if s.name == name {
			return s, nil
		}
	}
	return scheme{}, fmt.Errorf("%w: %q is none of %s", ErrUnknownScheme, name, strings.Join(Schemes(), ", "))
}

// present reports whether the request carries a signature header of the scheme,
// be it empty or repeated.
func (s scheme) present(h Header) bool {
	for _, name := range s.headers {
		if len(h.Values(name)) > 0 {
			return true
		}
	}
	return false
}
