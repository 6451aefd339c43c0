package signature

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/big"
	"slices"
)

// ed25519Verifying is a public key.
type ed25519Verifying struct{ key ed25519.PublicKey }

// newEd25519Verifying takes a copy of the key.
func newEd25519Verifying(key []byte) (verifyingKey, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: the public key has %d bytes instead of %d", ErrInvalidSecret, len(key), ed25519.PublicKeySize)
	}
	if err := checkEd25519Point(key); err != nil {
		return nil, err
	}
	return ed25519Verifying{bytes.Clone(key)}, nil
}

// matches needs the message in one piece, because ed25519 reads it twice. No
// scheme with key pairs has several spellings of its message.
func (k ed25519Verifying) matches(c *claim) int {
	start := len(c.scratch)
	for _, piece := range c.message {
		c.scratch = append(c.scratch, piece...)
	}
	message := c.scratch[start:]
	c.scratch = c.scratch[:start]
	for _, signature := range c.signatures {
		if len(signature) == ed25519.SignatureSize && ed25519.Verify(k.key, message, signature) {
			return 1
		}
	}
	return 0
}

// ed25519Signing holds the private key in a closure, where no formatting of a
// Signer can print it.
type ed25519Signing func(message []byte) []byte

func newEd25519Signing(private ed25519.PrivateKey) signingKey {
	return ed25519Signing(func(message []byte) []byte { return ed25519.Sign(private, message) })
}

func (s ed25519Signing) sign(message ...[]byte) []byte { return s(bytes.Join(message, nil)) }

// newEd25519Key makes a private key: the seed and the public half of it.
func newEd25519Key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(randomBytes()) }

// publicHalf returns the last 32 bytes of a private key.
func publicHalf(private ed25519.PrivateKey) []byte { return private[ed25519.SeedSize:] }

// parseEd25519Private takes a seed and the public key that belongs to it. With
// another public key beside it, the seed would leak through its signatures.
func parseEd25519Private(key []byte) (ed25519.PrivateKey, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: the private key has %d bytes instead of %d", ErrInvalidSecret, len(key), ed25519.PrivateKeySize)
	}
	private := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
	if !bytes.Equal(private, key) {
		return nil, fmt.Errorf("%w: the two halves of the private key do not belong together", ErrInvalidSecret)
	}
	return private, nil
}

// checkEd25519Point refuses public keys that no seed has: those that are no
// point of the curve, or one in a second spelling, or one of the eight points
// for which anybody can make a signature without a private key. crypto/ed25519
// takes the last two (RFC 8032, sections 5.1.3 and 5.1.7). A genuine key with
// one of the eight points added is not told apart; it still takes that key's
// owner to sign for it.
func checkEd25519Point(key []byte) error {
	encoded := bytes.Clone(key)
	slices.Reverse(encoded)
	encoded[0] &= 0x7f // the highest bit is the sign of x
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y := new(big.Int).SetBytes(encoded)
	if y.Cmp(p) >= 0 {
		return fmt.Errorf("%w: the public key is not in its one spelling", ErrInvalidSecret)
	}
	for range 3 { // eight times a point is neutral for those eight only
		var onCurve bool
		if y, onCurve = doubled(y, p); !onCurve {
			return fmt.Errorf("%w: the public key is no point of ed25519", ErrInvalidSecret)
		}
	}
	if y.Cmp(big.NewInt(1)) == 0 {
		return fmt.Errorf("%w: anybody can sign for this public key", ErrInvalidSecret)
	}
	return nil
}

// doubled returns the y of twice the point that has this y, for either sign of
// x, and whether there is such a point. On the curve, x² = (y²-1)/(dy²+1) with
// d = -121665/121666, and y of the double is (y²+x²)/(1-dx²y²).
func doubled(y, p *big.Int) (*big.Int, bool) {
	one := big.NewInt(1)
	mul := func(a, b *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Mul(a, b), p) }
	divide := func(a, b *big.Int) *big.Int { return mul(a, new(big.Int).ModInverse(new(big.Int).Mod(b, p), p)) }
	d := divide(big.NewInt(-121665), big.NewInt(121666))
	y2 := mul(y, y)
	dy2 := mul(d, y2)
	x2 := divide(new(big.Int).Sub(y2, one), new(big.Int).Add(dy2, one))
	if big.Jacobi(x2, p) < 0 {
		return nil, false
	}
	return divide(new(big.Int).Add(y2, x2), new(big.Int).Sub(one, mul(dy2, x2))), true
}
