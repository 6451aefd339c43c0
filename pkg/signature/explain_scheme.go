package signature

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Faults of the choice of scheme.

// explainDetected explains as of the scheme that a Detector of all finds.
func explainDetected(r Request, secrets []string, now time.Time, o options) Explanation {
	schemes, _ := detectable(nil)
	d, err := newDetector(schemes, nil, o)
	if err != nil {
		return Explanation{Err: err, Findings: []Finding{finding(CauseSecretUnusable, "No scheme can be detected.")}}
	}
	var unusable error
	for n, secret := range secrets {
		err := usable(secret, func() error { return d.add(n, secret, len(secrets)) })
		if errors.Is(err, ErrEmptySecret) {
			err = fmt.Errorf("secret %d of %d: %w", n+1, len(secrets), err)
		}
		if err != nil {
			unusable = both(unusable, err)
		}
	}
	v, err := d.choose(r)
	if err != nil {
		i := newInquiry(newVerifier(scheme{}, o), r, secrets, now)
		return Explanation{Err: cmp.Or(unusable, err), Findings: i.undetected(err, o)}
	}
	if unusable != nil { // a receiver would not start
		return Explanation{Err: unusable, Findings: newInquiry(v, r, secrets, now).findings()}
	}
	match, err := v.Verify(r, now)
	return explained(match, err, newInquiry(v, r, secrets, now))
}

// undetected is for requests whose scheme cannot be told.
func (i *inquiry) undetected(err error, o options) []Finding {
	i.verifier.tolerance = o.tolerance
	if !errors.Is(err, ErrAmbiguous) {
		if proven := i.try((*inquiry).otherSchemes); len(proven) > 0 {
			return proven
		}
		return i.signs(err)
	}
	var names, verified []string
	for _, s := range registry() {
		if !s.detected || !s.present(i.request.Header) {
			continue
		}
		names = append(names, s.name)
		if _, err := i.genuine(i.verifierOf(s), i.request); err == nil {
			verified = append(verified, s.name)
		}
	}
	also := "it verifies as none of them"
	if len(verified) > 0 {
		also = "by itself the signature of " + strings.Join(verified, " and that of ") + " is right"
	}
	return []Finding{finding(CauseSeveralSchemes, "The request carries signature headers of %s, so that its scheme has to be named; %s.", strings.Join(names, " and "), also)}
}

// verifierOf gives another scheme those secrets that it can use.
func (i *inquiry) verifierOf(s scheme) *Verifier {
	v := newVerifier(s, options{})
	for n, secret := range i.secrets {
		if strings.TrimSpace(secret) != "" {
			_ = v.add(n, secret) // one that it cannot use is not tried
		}
	}
	return v
}

// otherSchemes supposes that the request is one of another scheme, whose headers
// it carries.
func (i *inquiry) otherSchemes(yield func(variant) bool) {
	var names []string
	for _, s := range i.carried() {
		if _, err := i.genuine(i.verifierOf(s), i.request); err == nil {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 {
		return
	}
	s, _ := find(names[0])
	yield(variant{request: i.request, verifier: i.verifierOf(s), finding: func(m Match) Finding {
		own := ""
		if i.scheme.name != "" {
			own = ", not of " + i.scheme.name
		}
		return finding(CauseOtherScheme, "The request is one of %s%s: it verifies as such with %s.", strings.Join(names, " or "), own, i.secretLabel(m.Secret))
	}})
}

// carried are the other schemes whose signature the request seems to have.
func (i *inquiry) carried() []scheme {
	return slices.DeleteFunc(registry(), func(s scheme) bool {
		if s.name == i.scheme.name {
			return true
		}
		if len(s.headers) > 0 {
			return !s.present(i.request.Header)
		}
		return s.read(i.request, new(claim)) != nil // the signature is in the body
	})
}

// missingSigns say what is not there: the signature, and then perhaps because
// the request is one of another scheme, or another part of it.
func (i *inquiry) missingSigns(err error) (found []Finding) {
	if !errors.Is(err, ErrMissing) {
		return nil
	}
	if i.scheme.name != "" && (len(i.scheme.headers) == 0 || i.scheme.present(i.request.Header)) {
		return []Finding{finding(CauseHeaderMissing, "The request lacks a part of what %s needs: %s.", i.scheme.name, reason(err))}
	}
	if names := i.carriedNames(); len(names) > 0 {
		found = append(found, finding(CauseOtherScheme,
			"The request carries a signature of %s, but does not verify as such with these secrets.", strings.Join(names, " or ")))
	}
	if i.scheme.name == "" {
		return append(found, finding(CauseNoSignature, "The request has no signature header of any scheme that is known by its headers: the sender does not sign, or something has removed the header."))
	}
	return append(found, finding(CauseNoSignature, "The request has no header %s: the sender does not sign as %s, or something has removed the header.",
		strings.Join(i.scheme.headers, " or "), i.scheme.name))
}

func (i *inquiry) carriedNames() (names []string) {
	for _, s := range i.carried() {
		names = append(names, fmt.Sprintf("%s (%s)", s.name, strings.Join(s.headers, ", ")))
	}
	return names
}
