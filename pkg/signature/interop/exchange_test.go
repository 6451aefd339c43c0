package interop_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// rounds is how many random messages each library is given.
const rounds = 100

var errRefused = errors.New("refused")

// library is a provider's own code for one of our schemes.
type library struct {
	scheme string
	// verify and sign are the library's. A nil sign: it only verifies.
	verify func(secret string, out signature.Outgoing, h http.Header) error
	sign   func(secret string, out signature.Outgoing, h http.Header) error
	// compose makes a message the provider could send of random bytes. Nil: the
	// bytes are the body.
	compose func(out signature.Outgoing) signature.Outgoing
	// spoil changes a message so that its signature no longer fits. Nil: a bit
	// of the body.
	spoil func(random *rand.Rand, out signature.Outgoing) signature.Outgoing
}

// exchange sends random messages both ways.
func exchange(t *testing.T, l library) {
	t.Parallel()
	random := seeded()
	for range rounds {
		key, stranger := newKey(t, random, l.scheme), newKey(t, random, l.scheme)
		out := l.message(random)
		t.Run("ours to theirs", func(t *testing.T) {
			h := http.Header{}
			if err := signer(t, l.scheme, key.signing).Sign(out, h); err != nil {
				t.Fatal(err)
			}
			l.check(t, random, out, h, key, stranger)
		})
		if l.sign == nil {
			continue
		}
		t.Run("theirs to ours", func(t *testing.T) {
			h := http.Header{}
			if err := l.sign(key.signing, out, h); err != nil {
				t.Fatal(err)
			}
			l.check(t, random, out, h, key, stranger)
		})
	}
}

// message is random, of now: most libraries look at the clock themselves.
func (l library) message(random *rand.Rand) signature.Outgoing {
	out := signature.Outgoing{
		ID: fmt.Sprintf("msg_%x", random.Uint64()), Time: time.Now(), Method: http.MethodPost,
		URL: "https://hooks.example.com/in?b=2&a=1", ContentType: "application/json",
		Body: randomBytes(random, random.IntN(500)),
	}
	if l.compose != nil {
		return l.compose(out)
	}
	return out
}

// check wants both sides to take the message, and neither to take a changed one
// or one under another key.
func (l library) check(t *testing.T, random *rand.Rand, out signature.Outgoing, h http.Header, key, stranger keys) {
	t.Helper()
	l.agree(t, "as sent", key.verifying, out, h, true)
	l.agree(t, "under another key", stranger.verifying, out, h, false)
	spoil := l.spoil
	if spoil == nil {
		spoil = changeABit
	}
	l.agree(t, "changed", key.verifying, spoil(random, out), h, false)
}

func (l library) agree(t *testing.T, what, secret string, out signature.Outgoing, h http.Header, want bool) {
	t.Helper()
	if err := l.verify(secret, out, h); (err == nil) != want {
		t.Errorf("%s, theirs: %v, for %q with %v", what, err, out.Body, h)
	}
	if err := verify(t, l.scheme, secret, out, h); (err == nil) != want {
		t.Errorf("%s, ours: %v, for %q with %v", what, err, out.Body, h)
	}
}

func changeABit(random *rand.Rand, out signature.Outgoing) signature.Outgoing {
	if len(out.Body) == 0 {
		out.Body = []byte("x")
		return out
	}
	out.Body = bytes.Clone(out.Body)
	out.Body[random.IntN(len(out.Body))] ^= 1 << random.IntN(8)
	return out
}

// verify is our side, as of now.
func verify(t *testing.T, scheme, secret string, out signature.Outgoing, h http.Header) error {
	t.Helper()
	v, err := signature.NewVerifier(scheme, []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(signature.Request{Method: out.Method, URL: out.URL, Header: incoming(out, h).Header, Body: out.Body}, time.Now())
	return err
}

// incoming is the message as a server has it.
func incoming(out signature.Outgoing, h http.Header) *http.Request {
	h = h.Clone()
	h.Set("Content-Type", out.ContentType)
	return &http.Request{Method: out.Method, Header: h, Body: io.NopCloser(bytes.NewReader(out.Body))}
}

func signer(t *testing.T, scheme string, secrets ...string) *signature.Signer {
	t.Helper()
	s, err := signature.NewSigner(scheme, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed returns the headers of a message signed with all of the secrets.
func signed(t *testing.T, scheme string, out signature.Outgoing, secrets ...string) http.Header {
	t.Helper()
	h := http.Header{}
	if err := signer(t, scheme, secrets...).Sign(out, h); err != nil {
		t.Fatal(err)
	}
	return h
}

// keys are what signs and what verifies: the same where both ends share one.
type keys struct{ signing, verifying string }

// newKey makes a key of the scheme's kind.
func newKey(t *testing.T, random *rand.Rand, scheme string) keys {
	t.Helper()
	secret := fmt.Sprintf("secret-%x", randomBytes(random, 1+random.IntN(60)))
	switch scheme {
	case "standard", "svix":
		secret = "whsec_" + base64.StdEncoding.EncodeToString(randomBytes(random, 24+random.IntN(41)))
	case "standard-ed25519":
		secret = "whsk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(randomBytes(random, 32)))
	case "discord":
		secret = hex.EncodeToString(ed25519.NewKeyFromSeed(randomBytes(random, 32)))
	case "sendgrid":
		secret = p256Key(t, random)
	default:
		return keys{secret, secret}
	}
	if strings.HasPrefix(secret, "whsec_") {
		return keys{secret, secret}
	}
	public, err := signature.PublicKey(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	return keys{secret, public}
}

// p256Key is a private key in PKCS #8.
func p256Key(t *testing.T, random *rand.Rand) string {
	t.Helper()
	number := randomBytes(random, 32)
	number[0] &= 0x7f // below the order of the curve
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), number)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// seeded gives every test the same numbers each time.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.UintN(256))
	}
	return b
}

// message is one that needs no randomness.
func message() signature.Outgoing {
	return signature.Outgoing{
		ID: "msg_1", Time: time.Now(), Method: http.MethodPost, URL: "https://hooks.example.com/in",
		ContentType: "application/json", Body: []byte(`{"type":"order.completed"}`),
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (want == nil) != (got == nil) {
		t.Errorf("error %v, want %v", got, want)
	}
}
