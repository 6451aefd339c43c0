package signature

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Explanation is what Explain found out about one request.
type Explanation struct {
	// Match is that of Verify. It means nothing beside an Err.
	Match Match
	// Err is what Verify said, or what kept a Verifier from being made of these
	// secrets. Nil: the request is valid.
	Err error
	// Findings say what is wrong, the most likely cause first. Empty exactly when
	// the request is valid.
	Findings []Finding
}

// Finding is one thing that is, or may be, wrong with a request.
type Finding struct {
	Cause Cause
	// Detail is a sentence for people. It holds no secret, no signature and
	// nothing of the body.
	Detail string
}

// Cause names a reason why a request does not verify. Names are stable.
type Cause string

// The causes. Most are proven: Explain undid that one change, and the request
// verified. The others are signs, and follow where nothing was proven.
const (
	CauseSecretWrong       Cause = "secret_wrong"           // nothing else explains it
	CauseSecretUnusable    Cause = "secret_unusable"        // not in the scheme's format, or blank
	CauseSecretOtherFormat Cause = "secret_of_other_scheme" // whsec_, whsk_ or whpk_ where the scheme has none
	CauseSecretWhitespace  Cause = "secret_whitespace"      // space or a line's end around it, or missing there
	CauseSecretQuoted      Cause = "secret_quoted"          // quotes around it
	CauseSecretPrefix      Cause = "secret_prefix"          // whsec_ lost or added
	CauseSecretNotDecoded  Cause = "secret_not_decoded"     // used as text, is base64 or hexadecimal
	CauseSecretDecoded     Cause = "secret_decoded"         // decoded, the sender uses the text
	CauseSecretPrivateKey  Cause = "secret_private_key"     // the private half where the public one belongs

	CauseBodyEmpty           Cause = "body_empty"
	CauseBodyTrailingNewline Cause = "body_trailing_newline" // lost or added, or other space at an end
	CauseBodyLineEndings     Cause = "body_line_endings"     // CRLF for LF, or the reverse
	CauseBodyBOM             Cause = "body_bom"              // the UTF-8 byte order mark lost or added
	CauseBodyReencoded       Cause = "body_reencoded"        // JSON parsed and written again
	CauseBodyFormReencoded   Cause = "body_form_reencoded"   // a form parsed and written again
	CauseBodyDecompressed    Cause = "body_decompressed"     // by a proxy or a server, before verifying
	CauseBodyCompressed      Cause = "body_compressed"       // the sender signed it before compressing
	CauseContentType         Cause = "content_type"          // lost, where it decides what is signed

	CauseSignatureEncoding Cause = "signature_encoding" // hexadecimal for base64, and so on
	CauseSignaturePrefix   Cause = "signature_prefix"   // such as sha256=, lost or added
	CauseSignatureHash     Cause = "signature_hash"     // such as SHA-1 for SHA-256
	CauseNoSignature       Cause = "no_signature"       // no header that could carry it
	CauseHeaderMissing     Cause = "header_missing"     // another part that the scheme needs
	CauseHeaderMalformed   Cause = "header_malformed"
	CauseHeaderRepeated    Cause = "header_repeated" // twice, or joined by a comma
	CauseOtherScheme       Cause = "other_scheme"    // the request is one of another scheme
	CauseSeveralSchemes    Cause = "several_schemes" // a Detector cannot tell which

	CauseURLMissing Cause = "url_missing" // the scheme signs it, and none was given
	CauseURLScheme  Cause = "url_scheme"  // http for https, or the reverse
	CauseURLHost    Cause = "url_host"
	CauseURLPort    Cause = "url_port"
	CauseURLPath    Cause = "url_path" // a slash at its end, escapes
	CauseURLQuery   Cause = "url_query"
	CauseMethod     Cause = "method"

	CauseTooOld        Cause = "timestamp_too_old"
	CauseTooNew        Cause = "timestamp_too_new"
	CauseTimestampUnit Cause = "timestamp_unit" // milliseconds for seconds, or the reverse
)

const (
	// explainMaxBody is the largest body that is written anew, in bytes.
	explainMaxBody = 1 << 20
	// explainMaxTries bounds the verifications for one explanation, and
	// explainMaxTriesLarge those of larger bodies.
	explainMaxTries      = 96
	explainMaxTriesLarge = 32
)

// Explain verifies a request as Verify would, and says why it does not verify.
// The scheme is a name that NewVerifier takes; when empty, it is the one that a
// Detector of all schemes finds. Secrets and options are those of NewVerifier.
//
// It supposes one fault at a time, beside a time out of tolerance, and takes
// some dozens of verifications at most. Of bodies above 1 MiB it tries no other
// spelling. It is meant for people at work on an integration and too slow to be
// asked about every refused request. Never show a Finding to the sender.
//
// Errors are ErrUnknownScheme, ErrInvalidTolerance, and ErrEmptySecret when the
// list of secrets is empty. A secret that the scheme cannot use is a Finding.
func Explain(r Request, scheme string, secrets []string, now time.Time, opts ...Option) (Explanation, error) {
	o, err := collect(opts)
	if err != nil {
		return Explanation{}, err
	}
	if len(secrets) == 0 {
		return Explanation{}, checkSecrets(secrets)
	}
	if scheme == "" {
		return explainDetected(r, secrets, now, o), nil
	}
	s, err := find(scheme)
	if err != nil {
		return Explanation{}, err
	}
	return explainScheme(s, r, secrets, now, o), nil
}

func explainScheme(s scheme, r Request, secrets []string, now time.Time, o options) Explanation {
	v := newVerifier(s, o)
	for i, secret := range secrets {
		if err := usable(secret, func() error { return v.add(i, secret) }); err != nil {
			v.unusable = both(v.unusable, fmt.Errorf("%s: secret %d of %d: %w", s.name, i+1, len(secrets), err))
		}
	}
	if v.unusable != nil { // a receiver would not start
		return Explanation{Err: v.unusable, Findings: newInquiry(v, r, secrets, now).findings()}
	}
	match, err := v.Verify(r, now)
	return explained(match, err, newInquiry(v, r, secrets, now))
}

// usable refuses a blank secret, or else asks.
func usable(secret string, use func() error) error {
	if strings.TrimSpace(secret) == "" {
		return ErrEmptySecret
	}
	return use()
}

func explained(match Match, err error, i *inquiry) Explanation {
	if err == nil {
		return Explanation{Match: match}
	}
	return Explanation{Err: err, Findings: i.findings()}
}

// inquiry is the search for what is wrong with one request.
type inquiry struct {
	verifier *Verifier // with each secret that the scheme can use
	scheme   scheme
	request  Request
	secrets  []string
	now      time.Time
	sample   sample
	tries    int // verifications so far
}

func newInquiry(v *Verifier, r Request, secrets []string, now time.Time) *inquiry {
	if r.Header == nil {
		r.Header = headerSet{}
	}
	return &inquiry{verifier: v, scheme: v.scheme, request: r, secrets: secrets, now: now, sample: newSample(v.scheme)}
}

// variant is the request as it would be if one thing had not gone wrong.
type variant struct {
	request  Request
	verifier *Verifier // nil: the inquiry's own
	finding  func(m Match) Finding
}

// hypothesis supposes one kind of fault and yields what undoes it.
type hypothesis func(i *inquiry, yield func(variant) bool)

// hypotheses are tried in this order, the likely ones first. What was changed
// on the way rarely has two explanations, so the order is mostly one of cost.
func hypotheses() []hypothesis {
	return []hypothesis{
		(*inquiry).repeatedHeaders,
		(*inquiry).paddedHeaders,
		(*inquiry).otherSpellings,
		(*inquiry).otherSecrets,
		(*inquiry).otherSchemes,
		(*inquiry).otherEnds,
		(*inquiry).otherJSON,
		(*inquiry).otherForms,
		(*inquiry).decompressed,
		(*inquiry).otherURLs,
		(*inquiry).otherMethods,
		(*inquiry).otherUnits,
		(*inquiry).otherHashes,
	}
}

// findings of a request that does not verify are never empty.
func (i *inquiry) findings() []Finding {
	match, err := i.genuine(i.verifier, i.request)
	if err == nil {
		found := append(i.timeFindings(i.verifier, match.Timestamp, true), i.unusableSecrets(true)...)
		if len(found) == 0 {
			found = append(found, finding(CauseHeaderMissing, "The request has no headers at all."))
		}
		return found
	}
	for _, supposed := range hypotheses() {
		if found := i.try(supposed); len(found) > 0 {
			return found
		}
	}
	return i.signs(err)
}

// try returns findings when a variant of the hypothesis verifies.
func (i *inquiry) try(supposed hypothesis) (found []Finding) {
	supposed(i, func(v variant) bool {
		verifier := v.verifier
		if verifier == nil {
			verifier = i.verifier
		}
		match, err := i.genuine(verifier, v.request)
		if err != nil {
			return i.tries < i.maxTries()
		}
		found = append([]Finding{v.finding(match)}, i.timeFindings(verifier, match.Timestamp, false)...)
		return false
	})
	return found
}

func (i *inquiry) large() bool { return len(i.request.Body) > explainMaxBody }

func (i *inquiry) maxTries() int {
	if i.large() {
		return explainMaxTriesLarge
	}
	return explainMaxTries
}

// genuine verifies a request as of its own time, so that none is too old.
func (i *inquiry) genuine(v *Verifier, r Request) (Match, error) {
	if v.scheme.read == nil {
		return Match{}, ErrMissing
	}
	c := v.claims.Get().(*claim)
	defer v.release(c)
	if err := v.scheme.read(r, c); err != nil {
		return Match{}, err
	}
	i.tries++
	err := v.prove(c, c.match.Timestamp)
	if err != nil && !errors.Is(err, ErrTooOld) && !errors.Is(err, ErrTooNew) { // a key may set the time
		return Match{}, err
	}
	c.match.Scheme = v.scheme.name
	return c.match, nil
}

// signs are what can be said when nothing was proven. The error is what reading
// or verifying the request gave.
func (i *inquiry) signs(err error) []Finding {
	found := i.missingURL()
	if len(found) == 0 {
		found = i.missingSigns(err)
	}
	found = append(found, i.headerSigns(err)...)
	found = append(found, i.secretSigns()...)
	found = append(found, i.bodySigns()...)
	if !errors.Is(err, ErrMissing) && !errors.Is(err, ErrMalformed) {
		found = append(found, i.wrongSecret())
		found = append(found, i.urlSigns()...)
	}
	return append(found, i.claimedTime()...)
}

func (i *inquiry) wrongSecret() Finding {
	var text strings.Builder
	if len(i.secrets) == 1 {
		text.WriteString("The secret does not make this signature")
	} else {
		fmt.Fprintf(&text, "None of the %d secrets makes this signature", len(i.secrets))
	}
	text.WriteString(", and nothing that was tried explains it: the sender probably signs with another secret, or what it signed was changed on the way")
	if i.large() {
		fmt.Fprintf(&text, " (the body is larger than %d KiB, so other spellings of it were not tried)", explainMaxBody>>10)
	}
	return Finding{CauseSecretWrong, text.String() + "."}
}

// found makes the finding of a variant that is about one thing only.
func found(cause Cause, format string, args ...any) func(Match) Finding {
	return func(Match) Finding { return finding(cause, format, args...) }
}

func finding(cause Cause, format string, args ...any) Finding {
	return Finding{Cause: cause, Detail: fmt.Sprintf(format, args...)}
}
