package signature

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
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
	// announces holds the signature headers by any of which a Detector knows
	// the scheme. A scheme without them is never detected: it must be named.
	announces []string
	// besides names schemes whose headers the same provider sends along with
	// its own. Of two schemes present, one that names the other wins; naming
	// must therefore not be mutual.
	besides []string
	// tolerance is how far the signed time may be from now by default. Zero
	// for schemes without a time.
	tolerance time.Duration
	// verifying and signing turn a secret into a key, or say with
	// ErrInvalidSecret why they cannot.
	verifying func(secret string) (verifyingKey, error)
	signing   func(secret string) (signingKey, error)
	// read fills the claim from a request, or fails with ErrMissing or
	// ErrMalformed. It proves nothing.
	read func(r Request, c *claim) error
	// write signs with one or more keys, the current one first, and sets the
	// headers only when nothing can fail any more.
	write func(out Outgoing, keys []signingKey, h HeaderSetter) error
	// secret writes random bytes as a secret of this scheme.
	secret func(random []byte) string
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
	// signatures are the decoded signatures, at most maxSignatures.
	signatures [][]byte
	// match has every field but Scheme and Secret.
	match Match
	// scratch holds the bytes that message and signatures point into, body
	// excepted.
	scratch []byte
}

// reset forgets the request, whose body must not live on in a pool.
func (c *claim) reset() {
	clear(c.message)
	clear(c.signatures)
	*c = claim{message: c.message[:0], signatures: c.signatures[:0], scratch: c.scratch[:0]}
}

// Schemes returns the names of all schemes, sorted.
func Schemes() []string {
	var names []string
	for _, s := range registry() {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return names
}

// NewSecret makes a secret of 32 random bytes in the scheme's format: whsec_
// and base64 for standard, 64 hexadecimal characters for the others. The only
// error is ErrUnknownScheme.
func NewSecret(scheme string) (string, error) {
	s, err := lookup(scheme)
	if err != nil {
		return "", err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: it ends the process instead
	return s.secret(random), nil
}

// lookup finds a scheme by its exact name.
func lookup(name string) (scheme, error) {
	all := registry()
	for _, s := range all {
		if s.name == name {
			return s, nil
		}
	}
	return scheme{}, fmt.Errorf("%w: %q is none of %s", ErrUnknownScheme, name, strings.Join(Schemes(), ", "))
}

// present reports whether the request carries a signature header of the scheme,
// be it empty or repeated.
func (s scheme) present(h Header) bool {
	for _, name := range s.announces {
		if len(h.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// checkSecrets refuses what would make a key that anybody can guess.
func checkSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return fmt.Errorf("%w: no secret given", ErrEmptySecret)
	}
	for i, secret := range secrets {
		if strings.TrimSpace(secret) == "" {
			return fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), ErrEmptySecret)
		}
	}
	return nil
}

// byName orders schemes for messages and for building detectors.
func byName(a, b scheme) int { return cmp.Compare(a.name, b.name) }

// hexSecret writes a secret as hexadecimal, for schemes that use its text.
func hexSecret(random []byte) string { return hex.EncodeToString(random) }
