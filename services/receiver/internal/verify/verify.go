// Package verify checks one captured request offline and says in words what came of it, for people who set up a
// sender. It reads no environment and no network: the command line gives it everything.
package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/source"
)

// Question is one request, and what it is to be verified with.
type Question struct {
	Request signature.Request
	// Source has the schemes, secrets and tolerance. No scheme: the headers tell, as for the default source. One
	// with a name is the receiver's own, and of a valid request the notes then say whether the receiver would
	// refuse it all the same.
	Source  source.Spec
	At      time.Time // as of when
	Explain bool      // say why not
	Notes   []string  // about reading the request; they become the verdict's
}

// Verdict is the answer.
type Verdict struct {
	Valid    bool      `json:"valid"`
	Unsigned bool      `json:"unsigned,omitempty"` // valid because nothing has to be proven
	Scheme   string    `json:"scheme,omitempty"`
	Secret   int       `json:"secret,omitempty"` // which one matched, from 1
	Secrets  int       `json:"secrets,omitempty"`
	ID       string    `json:"id,omitempty"`
	IDSigned bool      `json:"id_signed,omitempty"`
	Type     string    `json:"event_type,omitempty"`
	SignedAt time.Time `json:"signed_at,omitzero"`
	At       time.Time `json:"verified_at"` // as of when
	Error    string    `json:"error,omitempty"`
	Findings []Finding `json:"findings,omitempty"` // why not, the likeliest first
	Notes    []string  `json:"notes,omitempty"`

	err error // what Error words
}

// SecretUnusable reports whether a secret is at fault and not the request, of which nothing can be said then: one
// that is empty, or not in the format of its scheme.
func (v Verdict) SecretUnusable() bool {
	return errors.Is(v.err, signature.ErrEmptySecret) || errors.Is(v.err, signature.ErrInvalidSecret)
}

// Finding is one reason why a request does not verify.
type Finding struct {
	Cause  signature.Cause `json:"cause"` // of stable names
	Detail string          `json:"detail"`
}

// causeSchemeExcluded is the one reason that only a source knows.
const causeSchemeExcluded signature.Cause = "scheme_not_of_source"

// Ask verifies. The errors are those of signature.Explain and of source.New, for arguments that cannot be used.
func Ask(q Question) (Verdict, error) {
	v, err := verified(q)
	if err != nil || !v.Valid || q.Source.Name == "" {
		return v, err
	}
	src, err := source.New(q.Source)
	if err != nil {
		return v, err
	}
	if why := refusal(src, q, v.Scheme); why != "" {
		v.Notes = append(slices.Clone(v.Notes), why)
	}
	return v, nil
}

// verified asks about the signature alone.
func verified(q Question) (Verdict, error) {
	v := Verdict{At: q.At.UTC(), Secrets: len(q.Source.Secrets), Notes: q.Notes}
	switch {
	case q.Source.Unsigned:
		v.Valid, v.Unsigned = true, true
		return v, nil
	case len(q.Source.Secrets) == 0:
		v.refuse(source.ErrNoSecret, nil)
		return v, nil
	}
	scheme := ""
	if len(q.Source.Schemes) == 1 {
		scheme = q.Source.Schemes[0]
	}
	why, err := signature.Explain(q.Request, scheme, q.Source.Secrets, q.At, signature.WithTolerance(q.Source.Tolerance))
	if err != nil {
		return v, err
	}
	if len(q.Source.Schemes) > 1 {
		if why, err = limited(q, why); err != nil {
			return v, err
		}
	}
	if why.Err == nil {
		v.accept(why.Match)
	} else if v.refuse(why.Err, nil); q.Explain {
		v.refuse(why.Err, why.Findings)
	}
	return v, nil
}

// limited asks a source that takes some schemes only, which an explanation does not know.
func limited(q Question, why signature.Explanation) (signature.Explanation, error) {
	src, err := source.New(q.Source)
	if err != nil {
		return why, err
	}
	match, err := src.Verify(q.Request, q.At)
	if err != nil && why.Err == nil {
		why.Findings = []signature.Finding{{
			Cause:  causeSchemeExcluded,
			Detail: fmt.Sprintf("The request is a valid one of %s, which is not among the schemes of this source.", why.Match.Scheme),
		}}
	}
	if err == nil {
		why.Findings = nil
	}
	why.Match, why.Err = match, err
	return why, nil
}

func (v *Verdict) accept(m signature.Match) {
	v.Valid, v.Scheme, v.Secret, v.ID, v.IDSigned, v.Type, v.SignedAt = true, m.Scheme, m.Secret+1, m.ID, m.IDSigned, m.EventType, m.Timestamp
}

func (v *Verdict) refuse(err error, findings []signature.Finding) {
	v.Error, v.err = err.Error(), err
	v.Findings = nil
	for _, f := range findings {
		v.Findings = append(v.Findings, Finding{f.Cause, f.Detail})
	}
}
