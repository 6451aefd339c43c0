// Package source holds the receiver's sources: who may send, how their requests are proven genuine, how large
// they may be and which media types they may have.
//
// The intake asks it about every request. It does not read requests itself, and it remembers none.
package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/signet/pkg/signature"
)

// Default is the name of the source at POST /webhook.
const Default = "default"

// ErrNoSecret says that the source has no secret, so it refuses everything.
var ErrNoSecret = errors.New("source has no secret")

// Spec describes a source as it is configured.
type Spec struct {
	Name      string        // lower case; part of the path and of every message
	Schemes   []string      // which signature schemes may prove a request; empty: those that headers announce
	Secrets   []string      // tried in this order; empty: everything is refused, unless Unsigned
	Unsigned  bool          // take requests without any proof
	MaxBody   int           // bytes
	Tolerance time.Duration // of signed times; 0: each scheme's own
	// ReplayGuard makes two requests with one body one event, whatever unsigned ids they carry.
	ReplayGuard bool
}

// verifier is what the two kinds of signature.Verifier and signature.Detector have in common.
type verifier interface {
	Verify(r signature.Request, now time.Time) (signature.Match, error)
	Handshake(r signature.Request, now time.Time) (signature.Reply, bool, error)
}

// Source is one configured source. It never changes and is safe for concurrent use.
type Source struct {
	spec     Spec
	schemes  map[string]signature.Info // those that may prove a request, by name
	verifier verifier
	warning  error
}

// New makes a source. Its errors are those of the signature package: an unknown scheme, an unusable secret.
func New(spec Spec) (*Source, error) {
	s := &Source{spec: spec}
	err := s.describe()
	if err == nil && len(spec.Secrets) > 0 {
		err = s.prove()
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", spec.Name, err)
	}
	return s, nil
}

// describe looks the schemes up once, because that is too slow to do for every request.
func (s *Source) describe() error {
	names := s.spec.Schemes
	if len(names) == 0 {
		names = signature.Schemes()
	}
	s.schemes = make(map[string]signature.Info, len(names))
	for _, name := range names {
		info, err := signature.Describe(name)
		if err != nil {
			return err
		}
		if len(s.spec.Schemes) > 0 || info.Detected {
			s.schemes[name] = info
		}
	}
	return nil
}

// prove makes the verifier.
func (s *Source) prove() error {
	tolerance := signature.WithTolerance(s.spec.Tolerance)
	if !s.detects() {
		v, err := signature.NewVerifier(s.spec.Schemes[0], s.spec.Secrets, tolerance)
		if err != nil {
			return err
		}
		s.verifier = v
		return nil
	}
	d, err := signature.NewDetector(s.spec.Schemes, s.spec.Secrets, tolerance)
	if err != nil {
		return err
	}
	s.verifier, s.warning = d, d.Unusable()
	return nil
}

// detects reports whether the headers choose the scheme.
func (s *Source) detects() bool { return len(s.spec.Schemes) != 1 }

// Name returns the source's name.
func (s *Source) Name() string { return s.spec.Name }

// MaxBody returns the most bytes a body may have.
func (s *Source) MaxBody() int { return s.spec.MaxBody }

// Unsigned reports whether requests are taken without proof.
func (s *Source) Unsigned() bool { return s.spec.Unsigned }

// Refuses reports whether the source refuses everything, for want of a secret.
func (s *Source) Refuses() bool { return s.verifier == nil && !s.spec.Unsigned }

// Warning says which secrets some of the schemes cannot use, or nil. It never holds a secret.
func (s *Source) Warning() error { return s.warning }

// Caution says what a request of the source does not prove although it verifies, or is empty. It never holds a
// secret.
func (s *Source) Caution() string {
	if s.Refuses() || s.detects() || s.spec.Unsigned {
		return ""
	}
	scheme := s.spec.Schemes[0]
	token := func(secret string) bool { return !strings.HasPrefix(secret, "whsec_") }
	switch {
	case !s.schemes[scheme].SignsBody:
		return "the signature of " + scheme + " does not cover the body: whoever captures a request can send any event with it"
	case scheme == "gitlab" && slices.ContainsFunc(s.spec.Secrets, token):
		return "a secret token of GitLab signs nothing and is sent along with each event: whoever sees one can make others; a signing token (whsec_…) does better"
	}
	return ""
}

// Untidy reports whether a secret looks as if more was copied than the secret.
func (s *Source) Untidy() bool {
	return slices.ContainsFunc(s.spec.Secrets, func(secret string) bool {
		return strings.TrimSpace(secret) != secret || len(secret) > 1 && strings.ContainsRune(`"'`, rune(secret[0])) && secret[0] == secret[len(secret)-1]
	})
}

// ReplayGuard reports whether a body counts once, whatever unsigned ids it comes with.
func (s *Source) ReplayGuard() bool { return s.spec.ReplayGuard }

// BodyID names the top-level field of the JSON body that identifies an event proven under the named scheme.
// Empty: none does, or none that is signed.
func (s *Source) BodyID(scheme string) string {
	if info := s.schemes[scheme]; info.SignsBody {
		return info.BodyID
	}
	return ""
}

// Path returns where the source takes its requests.
func (s *Source) Path() string {
	if s.spec.Name == Default {
		return "/webhook"
	}
	return "/webhook/" + s.spec.Name
}

// Proof says in words how requests are proven, for people.
func (s *Source) Proof() string {
	switch {
	case s.spec.Unsigned:
		return "unsigned"
	case s.Refuses():
		return "no secret: refuses everything"
	case len(s.spec.Schemes) == 0:
		return "detected from the headers"
	}
	return strings.Join(s.spec.Schemes, ", ")
}

// Verify proves a request as of now. An unsigned source proves nothing and answers an empty match. The errors
// are ErrNoSecret and those of signature.Verifier and signature.Detector.
func (s *Source) Verify(r signature.Request, now time.Time) (signature.Match, error) {
	switch {
	case s.spec.Unsigned:
		return signature.Match{}, nil
	case s.verifier == nil:
		return signature.Match{}, ErrNoSecret
	}
	return s.verifier.Verify(r, now)
}

// Handshake answers the request by which a provider tests the source: see signature.Verifier.Handshake. A source
// without a verifier has none.
func (s *Source) Handshake(r signature.Request, now time.Time) (signature.Reply, bool, error) {
	if s.verifier == nil {
		return signature.Reply{}, false, nil
	}
	return s.verifier.Handshake(r, now)
}

// Set is all sources by name. It never changes and is safe for concurrent use.
type Set struct {
	byName map[string]*Source
	sorted []*Source
}

// NewSet makes the sources described. Names are unique.
func NewSet(specs []Spec) (*Set, error) {
	set := &Set{byName: make(map[string]*Source, len(specs))}
	for _, spec := range specs {
		if _, taken := set.byName[spec.Name]; taken {
			return nil, fmt.Errorf("source %s is described twice", spec.Name)
		}
		s, err := New(spec)
		if err != nil {
			return nil, err
		}
		set.byName[spec.Name] = s
		set.sorted = append(set.sorted, s)
	}
	slices.SortFunc(set.sorted, func(a, b *Source) int { return strings.Compare(a.Path(), b.Path()) })
	return set, nil
}

// Get finds a source by its exact name.
func (s *Set) Get(name string) (*Source, bool) {
	found, ok := s.byName[name]
	return found, ok
}

// All returns every source, the default one first.
func (s *Set) All() []*Source { return s.sorted }

// Sharing lists, in pairs, the sources that have a secret in common. What was sent to one of them may then verify at
// the other: two schemes can sign the same text.
func (s *Set) Sharing() [][2]string {
	var pairs [][2]string
	for i, a := range s.sorted {
		for _, b := range s.sorted[i+1:] {
			common := func(secret string) bool { return slices.Contains(b.spec.Secrets, secret) }
			if slices.ContainsFunc(a.spec.Secrets, common) {
				pairs = append(pairs, [2]string{a.Name(), b.Name()})
			}
		}
	}
	return pairs
}

// MaxBody returns the largest limit of all sources: no request may be larger whatever its path.
func (s *Set) MaxBody() int {
	most := 0
	for _, one := range s.sorted {
		most = max(most, one.MaxBody())
	}
	return most
}
