package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"time"
)

// sendgrid is the format of Twilio SendGrid's signed event webhook:
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
//
// The signature is ECDSA on P-256, and its two numbers (r, s) verify as (r, n-s)
// just as well: whoever holds a genuine request can spell its signature in a
// second way, but sign nothing else. Refusing one of the two would refuse half
// of what SendGrid sends, which is either. So never use a signature as an id.
//
// No tolerance is documented, nor whether a retry is signed anew; ten minutes
// leave room for a short retry that is not.
func sendgrid() scheme {
	return scheme{
		name:      "sendgrid",
		headers:   []string{sendgridSignature},
		tolerance: 10 * time.Minute,
		verifying: sendgridPublicKey,
		signing:   sendgridSigningKey,
		read:      readSendgrid,
		write:     writeSendgrid,
		secret:    newSendgridKey,
		public:    sendgridPublicHalf,
	}
}

const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"

	// The bounds of a DER sequence of two positive integers below 2^256.
	minP256Signature = 8
	maxP256Signature = 72
)

// p256Verifying is a public key.
type p256Verifying struct{ key *ecdsa.PublicKey }

func (k p256Verifying) matches(c *claim) int {
	sum := digest(c.message)
	for _, signature := range c.signatures {
		if ecdsa.VerifyASN1(k.key, sum, signature) {
			return 1
		}
	}
	return 0
}

// p256Signing holds the private key in a closure, where no formatting of a
// Signer can print it.
type p256Signing func(digest []byte) []byte

func (s p256Signing) sign(message ...[]byte) []byte { return s(digest(message)) }

func digest(message [][]byte) []byte {
	hash := sha256.New()
	for _, piece := range message {
		hash.Write(piece)
	}
	return hash.Sum(nil)
}

// sendgridPublicKey takes the base64 that SendGrid shows: the DER of a public
// key as X.509 has it, without the lines of PEM around it.
func sendgridPublicKey(secret string) (verifyingKey, error) {
	der, ok := decodeBase64(nil, secret)
	if !ok {
		return nil, fmt.Errorf("%w: the public key is not base64 on one line", ErrInvalidSecret)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return nil, fmt.Errorf("%w: to verify, the scheme takes the public key, not the private one", ErrInvalidSecret)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the public key is not the DER of one", ErrInvalidSecret)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the public key is not one of ECDSA on P-256", ErrInvalidSecret)
	}
	return p256Verifying{key}, nil
}

// parseSendgridPrivate takes base64 of the DER of a PKCS #8 private key.
// SendGrid shows its own to nobody; the format is ours.
func parseSendgridPrivate(secret string) (*ecdsa.PrivateKey, error) {
	der, ok := decodeBase64(nil, secret)
	if !ok {
		return nil, fmt.Errorf("%w: the private key is not base64 on one line", ErrInvalidSecret)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key is not the DER of PKCS #8", ErrInvalidSecret)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the private key is not one of ECDSA on P-256", ErrInvalidSecret)
	}
	return key, nil
}

// sendgridSigningKey signs without randomness, as RFC 6979 has it, so that
// nothing can fail once the key was parsed.
func sendgridSigningKey(secret string) (signingKey, error) {
	key, err := parseSendgridPrivate(secret)
	if err != nil {
		return nil, err
	}
	return p256Signing(func(digest []byte) []byte {
		signature, _ := key.Sign(nil, digest, crypto.SHA256)
		return signature
	}), nil
}

func sendgridPublicHalf(secret string) (string, error) {
	key, err := parseSendgridPrivate(secret)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidSecret, err)
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

func newSendgridKey() string {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // rand.Reader never fails, nor can the rest
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	return base64.StdEncoding.EncodeToString(der)
}

func readSendgrid(r Request, c *claim) error {
	value, err := required(r.Header, sendgridSignature)
	if err != nil {
		return err
	}
	if err := c.readTimeBeforeBody(r, sendgridTimestamp); err != nil {
		return err
	}
	start := len(c.scratch)
	if !c.decode(value, base64ed) {
		return fmt.Errorf("%w: the signature in %s is not base64", ErrMalformed, sendgridSignature)
	}
	if n := len(c.scratch) - start; n < minP256Signature || n > maxP256Signature {
		return fmt.Errorf("%w: the signature in %s has %d bytes, not %d to %d",
			ErrMalformed, sendgridSignature, n, minP256Signature, maxP256Signature)
	}
	c.signatures = append(c.signatures, c.scratch[start:])
	return nil
}

func writeSendgrid(out Outgoing, keys []signingKey, h HeaderSetter) error {
	seconds, err := timeBeforeBody(out)
	if err != nil {
		return err
	}
	h.Set(sendgridTimestamp, seconds)
	h.Set(sendgridSignature, base64.StdEncoding.EncodeToString(keys[0].sign([]byte(seconds), out.Body)))
	return nil
}
