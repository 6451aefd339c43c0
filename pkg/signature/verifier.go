package signature

import (
	"crypto/subtle"
	"fmt"
	"sync"
	"time"
)

// Verifier checks requests of one scheme against one or more secrets. It never
// changes after it was made and is safe for concurrent use.
type Verifier struct {
	scheme    scheme
	keys      []indexedKey
	tolerance time.Duration
	// unusable says which secrets the scheme cannot use. Only a Detector's
	// verifiers have any.
	unusable error
	claims   sync.Pool // of *claim
}

// indexedKey remembers which of the caller's secrets a key was made from.
type indexedKey struct {
	verifyingKey

	index int
}

// Option changes how a Verifier or Detector is made.
type Option func(*options)

type options struct {
	tolerance time.Duration
}

// WithTolerance sets how far the signed time may lie from now, before or after;
// exactly that far is accepted. Zero means the scheme's default, which is five
// minutes for standard. Negative values are refused with ErrInvalidTolerance.
// Schemes that sign no time ignore it.
func WithTolerance(d time.Duration) Option {
	return func(o *options) { o.tolerance = d }
}

// NewVerifier makes a verifier for the named scheme. Several secrets are all
// accepted, for as long as one replaces another. A secret is used as its bytes;
// for standard, one that begins with whsec_ is decoded, and must be base64 of
// 24 to 64 bytes.
//
// Errors are ErrUnknownScheme, ErrEmptySecret, ErrInvalidSecret and
// ErrInvalidTolerance.
func NewVerifier(scheme string, secrets []string, opts ...Option) (*Verifier, error) {
	s, err := find(scheme)
	if err != nil {
		return nil, err
	}
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	v := newVerifier(s, o)
	for i, secret := range secrets {
		if err := v.add(i, secret); err != nil {
			return nil, fmt.Errorf("%s: secret %d of %d: %w", s.name, i+1, len(secrets), err)
		}
	}
	return v, nil
}

func collect(opts []Option) (options, error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	if o.tolerance < 0 {
		return o, fmt.Errorf("%w: %s is negative", ErrInvalidTolerance, o.tolerance)
	}
	return o, nil
}

// newVerifier makes a verifier that has no key yet, and so verifies nothing.
func newVerifier(s scheme, o options) *Verifier {
	v := &Verifier{scheme: s, tolerance: s.tolerance}
	if o.tolerance > 0 {
		v.tolerance = o.tolerance
	}
	v.claims.New = func() any { return new(claim) }
	return v
}

func (v *Verifier) add(index int, secret string) error {
	key, err := v.scheme.verifying(secret)
	if err != nil {
		return err
	}
	v.keys = append(v.keys, indexedKey{verifyingKey: key, index: index})
	return nil
}

// Verify checks a request as of now. The signature comes first: ErrTooOld and
// ErrTooNew are said of genuine requests only. The other errors are ErrMissing,
// ErrMalformed and ErrMismatch. A zero Verifier refuses everything.
//
// How long it takes depends on the request's size and the number of secrets,
// not on which secret matches or how much of a signature is right.
func (v *Verifier) Verify(r Request, now time.Time) (Match, error) {
	if v.scheme.read == nil {
		return Match{}, fmt.Errorf("verifier not made by NewVerifier: %w", ErrEmptySecret)
	}
	if r.Header == nil {
		return Match{}, fmt.Errorf("%s: %w: no headers", v.scheme.name, ErrMissing)
	}
	c := v.claims.Get().(*claim)
	defer v.release(c)
	err := v.scheme.read(r, c)
	if err == nil {
		err = v.prove(c, now)
	}
	if err != nil {
		return Match{}, fmt.Errorf("%s: %w", v.scheme.name, err)
	}
	c.match.Scheme = v.scheme.name
	return c.match, nil
}

func (v *Verifier) release(c *claim) {
	c.reset()
	v.claims.Put(c)
}

// prove tries every key, so that the time taken does not tell which one fits.
func (v *Verifier) prove(c *claim, now time.Time) error {
	found := 0
	for _, key := range v.keys {
		matches := key.matches(c)
		c.match.Secret = subtle.ConstantTimeSelect(matches&^found, key.index, c.match.Secret)
		found |= matches
	}
	if found != 1 {
		return v.mismatch()
	}
	if c.match.Timestamp.IsZero() {
		return nil
	}
	return v.checkAge(now.Sub(c.match.Timestamp))
}

func (v *Verifier) mismatch() error {
	if v.unusable == nil {
		return ErrMismatch
	}
	return fmt.Errorf("%w (not tried: %w)", ErrMismatch, v.unusable)
}

func (v *Verifier) checkAge(age time.Duration) error {
	switch {
	case age > v.tolerance:
		return fmt.Errorf("%w: by %s beyond the tolerance of %s", ErrTooOld, age-v.tolerance, v.tolerance)
	case age < -v.tolerance:
		return fmt.Errorf("%w: by %s beyond the tolerance of %s", ErrTooNew, -(age + v.tolerance), v.tolerance)
	}
	return nil
}
