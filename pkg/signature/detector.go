package signature

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Detector verifies requests whose scheme it finds from the signature headers
// they carry. It never changes after it was made and is safe for concurrent
// use.
//
// A scheme is never a second try: the headers choose exactly one, and what that
// one refuses is refused. Headers of schemes outside its list are not looked at.
type Detector struct {
	verifiers []*Verifier
	// besides has, for each verifier, a bit for every other whose headers its
	// provider sends too.
	besides []uint64
	// greeting are those whose scheme has a handshake.
	greeting []*Verifier
}

// NewDetector makes a detector for the named schemes, or, when none is named,
// for all that can be detected. Naming one twice changes nothing. The secrets
// and options are those of NewVerifier, and each secret serves every scheme.
//
// A secret that no scheme can use is an error. One that some schemes cannot use
// is left out for those: a whsec_ secret that is not base64 signs for github,
// where it counts as its bytes, and never for standard. Requests of a scheme
// left without a secret are still recognised as its own, and refused with
// ErrMismatch and the reason. Ask Unusable whether anything was left out.
func NewDetector(schemes, secrets []string, opts ...Option) (*Detector, error) {
	chosen, err := detectable(schemes)
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
	return newDetector(chosen, secrets, o)
}

func detectable(names []string) ([]scheme, error) {
	var chosen []scheme
	if len(names) == 0 {
		chosen = slices.DeleteFunc(registry(), func(s scheme) bool { return !s.detected })
	}
	for _, name := range names {
		s, err := find(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, s)
	}
	slices.SortFunc(chosen, byName)
	return slices.CompactFunc(chosen, func(a, b scheme) bool { return a.name == b.name }), nil
}

func newDetector(schemes []scheme, secrets []string, o options) (*Detector, error) {
	d := &Detector{}
	for _, s := range schemes {
		if !s.detected {
			return nil, fmt.Errorf("%w: %s cannot be detected, only named", ErrUnknownScheme, s.name)
		}
		v := newVerifier(s, o)
		d.verifiers = append(d.verifiers, v)
		if s.handshake != nil {
			d.greeting = append(d.greeting, v)
		}
		d.besides = append(d.besides, positions(schemes, s.besides))
	}
	for i, secret := range secrets {
		if err := d.add(i, secret, len(secrets)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// positions has a bit for each scheme that is named.
func positions(schemes []scheme, names []string) uint64 {
	var set uint64
	for i, s := range schemes {
		if slices.Contains(names, s.name) {
			set |= 1 << i
		}
	}
	return set
}

// add gives one secret to every scheme that can use it.
func (d *Detector) add(index int, secret string, total int) error {
	var refusals []error
	for _, v := range d.verifiers {
		err := v.add(index, secret)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: secret %d of %d: %w", v.scheme.name, index+1, total, err)
		refusals = append(refusals, err)
		v.unusable = both(v.unusable, err)
	}
	if len(refusals) == len(d.verifiers) {
		return errors.Join(refusals...)
	}
	return nil
}

// both joins two errors on one line, for messages that go into a log.
func both(a, b error) error {
	if a == nil {
		return b
	}
	return fmt.Errorf("%w; %w", a, b)
}

// Unusable says which secrets were left out for which schemes, wrapping
// ErrInvalidSecret, or is nil when every scheme uses every secret. It is worth a
// warning at start.
func (d *Detector) Unusable() error {
	var all error
	for _, v := range d.verifiers {
		if v.unusable != nil {
			all = both(all, v.unusable)
		}
	}
	return all
}

// Verify finds the request's scheme and verifies it as of now. Besides the
// errors of Verifier.Verify it returns ErrMissing when no scheme's signature
// header is present, and ErrAmbiguous when those of several are, unless they
// are ones that a single provider sends together.
func (d *Detector) Verify(r Request, now time.Time) (Match, error) {
	v, err := d.choose(r)
	if err != nil {
		return Match{}, err
	}
	return v.Verify(r, now)
}

// choose finds the one verifier that the headers call for.
func (d *Detector) choose(r Request) (*Verifier, error) {
	if r.Header == nil {
		return nil, fmt.Errorf("%w: no headers", ErrMissing)
	}
	var present, implied uint64
	for i, v := range d.verifiers {
		if v.scheme.present(r.Header) {
			present |= 1 << i
			implied |= d.besides[i]
		}
	}
	switch left := present &^ implied; bits.OnesCount64(left) {
	case 1:
		return d.verifiers[bits.TrailingZeros64(left)], nil
	case 0:
		return nil, fmt.Errorf("%w: no header of %s", ErrMissing, d.names(^uint64(0)))
	default:
		return nil, fmt.Errorf("%w: %s", ErrAmbiguous, d.names(left))
	}
}

// names lists the schemes of a set.
func (d *Detector) names(set uint64) string {
	var names []string
	for i, v := range d.verifiers {
		if set&(1<<i) != 0 {
			names = append(names, v.scheme.name)
		}
	}
	return strings.Join(names, ", ")
}
