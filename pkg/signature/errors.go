package signature

import "errors"

// Why a request was refused. Errors carry further detail for a log, never a
// secret and never the signature that would have been right; test them with
// errors.Is. Do not tell the sender which one it was.
var (
	// ErrMissing: a header the scheme needs is absent.
	ErrMissing = errors.New("signature missing")
	// ErrMalformed: a header is present but not in the scheme's format, is
	// longer than the scheme can need, or arrived more than once.
	ErrMalformed = errors.New("signature malformed")
	// ErrMismatch: no secret makes any of the signatures sent.
	ErrMismatch = errors.New("signature mismatch")
	// ErrTooOld: the signature is genuine, its time too long ago.
	ErrTooOld = errors.New("signature too old")
	// ErrTooNew: the signature is genuine, its time too far ahead.
	ErrTooNew = errors.New("signature too new")
	// ErrAmbiguous: a Detector found the signature headers of two schemes.
	ErrAmbiguous = errors.New("signatures of several schemes")
)

// Why a constructor or Sign refused its arguments.
var (
	// ErrUnknownScheme: the name is not among Schemes, or a Detector was asked
	// for a scheme that no header announces.
	ErrUnknownScheme = errors.New("unknown signature scheme")
	// ErrEmptySecret: there is no secret, or one is empty or blank.
	ErrEmptySecret = errors.New("empty secret")
	// ErrInvalidSecret: a secret is not in the format its scheme prescribes, or
	// there are more secrets than the scheme can sign with.
	ErrInvalidSecret = errors.New("invalid secret")
	// ErrInvalidTolerance: a tolerance is negative.
	ErrInvalidTolerance = errors.New("invalid tolerance")
	// ErrUnsignable: the message lacks something the scheme signs, or holds
	// something its format cannot carry.
	ErrUnsignable = errors.New("message cannot be signed")
)
