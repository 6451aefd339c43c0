package signature

import (
	"slices"
	"time"
)

// Info describes a scheme, for programs that must know before the first request
// what to ask for and what to expect.
type Info struct {
	// Name is what NewVerifier and NewSigner take.
	Name string
	// Headers carry the signature, any of them; none when the body does. In the
	// canonical form of net/http.
	Headers []string
	// Detected says that a Detector tries the scheme when none is named.
	Detected bool
	// Tolerance is the default for the signed time, or zero when none is signed.
	Tolerance time.Duration
	// SignsURL says that Request.URL and Outgoing.URL must be the public URL.
	SignsURL bool
	// SignsBody says that the signature covers the body.
	SignsBody bool
	// PublicKey says that requests are verified with a public key, which
	// PublicKey makes of the secret to sign with.
	PublicKey bool
	// CanSign says that a Signer can be made.
	CanSign bool
	// Forms says that the provider also posts application/x-www-form-urlencoded.
	Forms bool
	// BodyID names the top-level field of the JSON body that identifies the
	// event, when no header does. Empty: none is documented.
	BodyID string
	// MaxBody is the largest body the provider documents, in bytes, or zero.
	MaxBody int
	// Handshake says that the provider tests an endpoint before it uses it: see
	// Verifier.Handshake.
	Handshake bool
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

// Describe returns what is known of a scheme. The only error is
// ErrUnknownScheme.
func Describe(scheme string) (Info, error) {
	s, err := find(scheme)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Name:      s.name,
		Headers:   slices.Clone(s.headers),
		Detected:  s.detected,
		Tolerance: s.tolerance,
		SignsURL:  s.signsURL,
		SignsBody: !s.signsNoBody,
		PublicKey: s.public != nil,
		CanSign:   s.write != nil,
		Forms:     s.forms,
		BodyID:    s.bodyID,
		MaxBody:   s.maxBody,
		Handshake: s.handshake != nil,
	}, nil
}
