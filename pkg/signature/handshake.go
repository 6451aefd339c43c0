package signature

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxChallenge bounds what an endpoint is made to repeat, in bytes.
const maxChallenge = 1024

// Reply is what a provider wants to hear in answer to a handshake.
type Reply struct {
	// Status is the HTTP status code.
	Status int
	// ContentType is to be sent even where there is no body. Empty: send none.
	ContentType string
	// Body is memory of its own, and no part of the request.
	Body []byte
}

// handshake is a scheme's way to make sure that an endpoint is its owner's.
type handshake struct {
	// unsigned says that the provider does not sign it.
	unsigned bool
	// asks tells cheaply, and for any request, whether it may be a handshake.
	asks func(r Request) bool
	// answer makes the reply to a request that was proven with key, where the
	// scheme signs handshakes. Errors are errOrdinary and ErrMalformed.
	answer func(r Request, key verifyingKey) (Reply, error)
}

// errOrdinary says that a request is an event after all.
var errOrdinary = errors.New("not a handshake")

// Handshake answers the request by which a provider tests an endpoint before it
// sends events there. Ask it about every request, those with GET included,
// before Verify: ok says that the request was a handshake, proven as far as the
// provider signs it, and that its sender awaits the reply and nothing else. For
// ordinary requests, and for schemes without a handshake, ok is false and
// nothing was proven.
//
// An error means the request asks for a handshake that must not be answered:
// those of Verify, and ErrMalformed for a challenge no provider would send. A
// reply is never longer than a few kilobytes, and for zoom holds the signature
// of letters, digits, - and _ only, so that no event can be signed with it.
func (v *Verifier) Handshake(r Request, now time.Time) (reply Reply, ok bool, err error) {
	h := v.scheme.handshake
	if h == nil || r.Header == nil && !h.unsigned || !h.asks(r) {
		return Reply{}, false, nil
	}
	var key verifyingKey
	if !h.unsigned {
		match, err := v.Verify(r, now)
		if err != nil {
			return Reply{}, false, err
		}
		key = v.keyOf(match.Secret)
	}
	reply, err = h.answer(r, key)
	switch {
	case errors.Is(err, errOrdinary):
		return Reply{}, false, nil
	case err != nil:
		return Reply{}, false, fmt.Errorf("%s: %w", v.scheme.name, err)
	}
	return reply, true, nil
}

// keyOf returns the key that was made of the caller's secret of that index.
func (v *Verifier) keyOf(secret int) verifyingKey {
	for _, key := range v.keys {
		if key.index == secret {
			return key.verifyingKey
		}
	}
	return nil
}

// Handshake is Verifier.Handshake for the scheme that the headers announce.
// Requests whose scheme cannot be told are not handshakes: Verify says why.
func (d *Detector) Handshake(r Request, now time.Time) (reply Reply, ok bool, err error) {
	if !d.greets(r.Header) { // as few do, so that nearly every request is looked through once, by Verify
		return Reply{}, false, nil
	}
	v, err := d.choose(r)
	if err != nil {
		return Reply{}, false, nil
	}
	return v.Handshake(r, now)
}

// greets tells cheaply whether the scheme that headers announce can be one with
// a handshake.
func (d *Detector) greets(h Header) bool {
	return h != nil && slices.ContainsFunc(d.greeting, func(v *Verifier) bool { return v.scheme.present(h) })
}
