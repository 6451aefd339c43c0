package command

import (
	"sync"
	"sync/atomic"

	"example.com/signet/pkg/signature"
)

// maxSigners is how many are kept ready. A batch mostly has one secret, or a few.
const maxSigners = 1000

// signers makes a signer once for each secret and scheme, as some take their time to be made.
type signers struct {
	whole  keys // of the batch
	scheme string

	unsigned atomic.Int64 // how many were asked for that have no secret

	mu    sync.Mutex
	ready map[[2]string]*signature.Signer
}

// Signer finds the signer of an entry. Its errors name the entry's field, or the flag.
func (s *signers) Signer(secret, scheme string) (*signature.Signer, error) {
	found := s.whole
	if secret != "" {
		found = keys{{secret, "secret"}}
	}
	named := "scheme"
	if scheme == "" {
		scheme, named = s.scheme, schemeFlag
	}
	if len(found) == 0 && scheme == "" {
		s.unsigned.Add(1)
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	signer, ok := s.ready[[2]string{secret, scheme}]
	if ok {
		return signer, nil
	}
	made, err := found.signing(scheme, named)
	if err != nil {
		return nil, err
	}
	if len(s.ready) >= maxSigners || s.ready == nil {
		s.ready = map[[2]string]*signature.Signer{}
	}
	s.ready[[2]string{secret, scheme}] = made.signer
	return made.signer, nil
}
