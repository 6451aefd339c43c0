package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/subtle"
	"hash"
	"sync"
)

// hmacKey signs and verifies with one secret. It keeps keyed states ready, so
// that a verification hashes the message and not the key again.
type hmacKey struct {
	states sync.Pool // of *hmacState
}

type hmacState struct {
	mac hash.Hash
	sum []byte
}

// newHMACKey takes a copy of the key, and keeps it in a closure only, where no
// formatting of a Verifier or Signer can print it.
func newHMACKey(newHash func() hash.Hash, key []byte) *hmacKey {
	key = bytes.Clone(key)
	k := &hmacKey{}
	k.states.New = func() any {
		s := &hmacState{mac: hmac.New(newHash, key)}
		s.mac.Reset() // the first Reset saves the keyed state, later ones load it
		return s
	}
	return k
}

func (k *hmacKey) matches(c *claim) int {
	s := k.states.Get().(*hmacState)
	defer k.states.Put(s)
	found := s.matches(c.message, c.signatures)
	for _, message := range c.also {
		if found == 1 { // the answer tells that anyway; what does not fit has every spelling tried
			break
		}
		found = s.matches(message, c.signatures)
	}
	return found
}

func (s *hmacState) matches(message, signatures [][]byte) int {
	sum := s.digest(message)
	found := 0
	for _, candidate := range signatures {
		found |= subtle.ConstantTimeCompare(sum, candidate)
	}
	return found
}

func (k *hmacKey) sign(message ...[]byte) []byte {
	s := k.states.Get().(*hmacState)
	defer k.states.Put(s)
	return bytes.Clone(s.digest(message))
}

// digest returns the message's HMAC, valid until the next call.
func (s *hmacState) digest(message [][]byte) []byte {
	for _, piece := range message {
		s.mac.Write(piece)
	}
	s.sum = s.mac.Sum(s.sum[:0])
	s.mac.Reset()
	return s.sum
}
