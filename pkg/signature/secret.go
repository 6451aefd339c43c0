package signature

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// secretSize is how many random bytes a new secret holds.
const secretSize = 32

// Prefixes by which secrets of Standard Webhooks say what they are.
const (
	secretPrefix  = "whsec_" // a shared secret
	signingPrefix = "whsk_"  // the private half of a key pair
	publicPrefix  = "whpk_"  // the public half
)

// NewSecret makes a secret to sign with, of 32 random bytes, in the scheme's
// format: whsec_ and base64 for standard and its kin, a private key where the
// scheme has key pairs, otherwise 64 hexadecimal characters. Errors are
// ErrUnknownScheme, and ErrUnsignable where only the provider has what signs.
func NewSecret(scheme string) (string, error) {
	s, err := find(scheme)
	if err != nil {
		return "", err
	}
	if s.secret == nil {
		return "", fmt.Errorf("%s: %w: only the provider makes its secrets", s.name, ErrUnsignable)
	}
	return s.secret(), nil
}

// PublicKey returns what a Verifier needs of a secret to sign with. Errors are
// ErrUnknownScheme and ErrInvalidSecret, the latter also for schemes whose two
// ends share one secret: such a secret has no public half.
func PublicKey(scheme, secret string) (string, error) {
	s, err := find(scheme)
	if err != nil {
		return "", err
	}
	if s.public == nil {
		return "", fmt.Errorf("%s: %w: both ends share one secret, there is no public key", s.name, ErrInvalidSecret)
	}
	public, err := s.public(secret)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.name, err)
	}
	return public, nil
}

func randomBytes() []byte {
	random := make([]byte, secretSize)
	_, _ = rand.Read(random) // never fails: it ends the process instead
	return random
}

// hexSecret makes a secret for schemes that use its text.
func hexSecret() string { return hex.EncodeToString(randomBytes()) }

// checkSecrets refuses what would make a key that anybody can guess.
func checkSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return fmt.Errorf("%w: no secret given", ErrEmptySecret)
	}
	for i, secret := range secrets {
		if strings.TrimSpace(secret) == "" {
			return fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), ErrEmptySecret)
		}
	}
	return nil
}

// checkShared refuses a key of a pair where a shared secret belongs: everybody
// may know the public half, and whoever knows a shared secret can sign.
func checkShared(secret string) error {
	for _, prefix := range []string{publicPrefix, signingPrefix} {
		if strings.HasPrefix(secret, prefix) {
			return fmt.Errorf("%w: %s… is half of an ed25519 key pair, for which the scheme is standard-ed25519", ErrInvalidSecret, prefix)
		}
	}
	return nil
}
