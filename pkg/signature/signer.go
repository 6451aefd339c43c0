package signature

import (
	"fmt"
	"time"
)

// HeaderSetter receives the headers of an outgoing request; http.Header
// satisfies it. Names are passed in the canonical form of net/http.
type HeaderSetter interface {
	// Set replaces every value of the named header.
	Set(name, value string)
}

// Outgoing is a message about to be sent.
type Outgoing struct {
	// ID names the message and stays the same when it is sent again. standard
	// requires it: 1 to 256 bytes of printable ASCII without space . " and %.
	// github carries it, unsigned, when there is one. generic ignores it.
	ID string
	// Time is when this attempt is made, used in whole seconds. standard
	// requires it.
	Time time.Time
	// Method and URL are needed by schemes that sign them.
	Method, URL string
	// ContentType is needed by twilio, which signs the fields of a form.
	ContentType string
	// Body is what is signed, and so must be what is sent, byte for byte.
	Body []byte
}

// Signer adds the headers of one scheme to outgoing requests. It never changes
// after it was made and is safe for concurrent use.
type Signer struct {
	scheme scheme
	keys   []signingKey
}

// NewSigner makes a signer for the named scheme. The first secret is the
// current one. With several, standard signs with each, so that a receiver
// verifies with whichever it has; github and generic carry one signature and
// sign with the first. There may be at most 16, which is what a Verifier tries.
//
// Errors are ErrUnknownScheme, ErrEmptySecret, ErrInvalidSecret and, for schemes
// that only their provider can sign, ErrUnsignable.
func NewSigner(scheme string, secrets ...string) (*Signer, error) {
	s, err := find(scheme)
	if err != nil {
		return nil, err
	}
	if s.write == nil {
		return nil, fmt.Errorf("%s: %w: only the provider can", s.name, ErrUnsignable)
	}
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	if len(secrets) > maxSignatures {
		return nil, fmt.Errorf("%s: %w: %d of them, more than %d", s.name, ErrInvalidSecret, len(secrets), maxSignatures)
	}
	signer := &Signer{scheme: s}
	for i, secret := range secrets {
		key, err := s.signing(secret)
		if err != nil {
			return nil, fmt.Errorf("%s: secret %d of %d: %w", s.name, i+1, len(secrets), err)
		}
		signer.keys = append(signer.keys, key)
	}
	return signer, nil
}

// Sign sets the scheme's headers for the message: X-Hub-Signature-256 and, when
// there is an id, X-GitHub-Delivery for github; X-Signature-256 for generic;
// webhook-id, webhook-timestamp and webhook-signature for standard. The only
// errors are ErrUnsignable and, from a zero Signer, ErrEmptySecret; no header
// is set then.
func (s *Signer) Sign(out Outgoing, h HeaderSetter) error {
	if len(s.keys) == 0 {
		return fmt.Errorf("signer not made by NewSigner: %w", ErrEmptySecret)
	}
	if err := s.scheme.write(out, s.keys, h); err != nil {
		return fmt.Errorf("%s: %w", s.scheme.name, err)
	}
	return nil
}
