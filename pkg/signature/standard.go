package signature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The family of Standard Webhooks: an id, a time and a list of versioned
// signatures in three headers, over "id.time.body". Version v1 is HMAC-SHA256,
// version v1a ed25519:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

const (
	// The specification's bounds on a decoded secret, in bytes.
	minStandardKey = 24
	maxStandardKey = 64

	// Svix itself makes secrets of 24 bytes, but its documentation has a shorter
	// one and its libraries take any. Below 16, secrets can be guessed.
	minSvixKey = 16
)

// standardHeaders are the names of the three headers, and the one version in
// the list of signatures that counts.
type standardHeaders struct {
	id, timestamp, signature string
	version                  string
	size                     int // bytes of a signature
}

func webhookHeaders() standardHeaders {
	return standardHeaders{
		id: "Webhook-Id", timestamp: "Webhook-Timestamp", signature: "Webhook-Signature",
		version: "v1", size: sha256.Size,
	}
}

// scheme lacks its keys.
func (n standardHeaders) scheme(name string) scheme {
	return scheme{
		name:      name,
		headers:   []string{n.signature},
		tolerance: 5 * time.Minute,
		read:      n.read,
		write:     n.write,
	}
}

func standard() scheme {
	s := webhookHeaders().scheme("standard")
	s.detected = true
	s.verifying, s.signing = standardVerifyingKey, standardSigningKey
	s.secret = standardSecret
	return s
}

// svix is the same under the names that Svix gives the headers:
// https://docs.svix.com/receiving/verifying-payloads/how-manual
//
// A request may carry the headers under both sets of names. Svix's own
// libraries then read the svix ones, and so does a Detector.
func svix() scheme {
	names := webhookHeaders()
	names.id, names.timestamp, names.signature = "Svix-Id", "Svix-Timestamp", "Svix-Signature"
	s := names.scheme("svix")
	s.detected = true
	s.besides = []string{"standard"}
	s.verifying = func(secret string) (verifyingKey, error) { return svixKey(secret) }
	s.signing = func(secret string) (signingKey, error) { return svixKey(secret) }
	s.secret = standardSecret
	return s
}

// standardEd25519 is version v1a. A request may carry signatures of both
// versions in one list: each scheme skips the other's.
func standardEd25519() scheme {
	names := webhookHeaders()
	names.version, names.size = "v1a", ed25519.SignatureSize
	s := names.scheme("standard-ed25519")
	s.verifying = standardPublicKey
	s.signing = func(secret string) (signingKey, error) {
		private, err := standardPrivateKey(secret)
		return newEd25519Signing(private), err
	}
	s.secret = func() string { return signingPrefix + base64.StdEncoding.EncodeToString(newEd25519Key()) }
	s.public = func(secret string) (string, error) {
		private, err := standardPrivateKey(secret)
		if err != nil {
			return "", err
		}
		return publicPrefix + base64.StdEncoding.EncodeToString(publicHalf(private)), nil
	}
	return s
}

// standardPublicKey takes whpk_ and base64 of 32 bytes.
func standardPublicKey(secret string) (verifyingKey, error) {
	key, err := prefixedKey(secret, publicPrefix, "to verify, the scheme takes the public half")
	if err != nil {
		return nil, err
	}
	return newEd25519Verifying(key)
}

// standardPrivateKey takes whsk_ and base64 of 64 bytes.
func standardPrivateKey(secret string) (ed25519.PrivateKey, error) {
	key, err := prefixedKey(secret, signingPrefix, "to sign, the scheme takes the private half")
	if err != nil {
		return nil, err
	}
	return parseEd25519Private(key)
}

// prefixedKey decodes what follows the prefix. What follows another is never
// guessed at: of the two halves, one may be published and one must not.
func prefixedKey(secret, prefix, purpose string) ([]byte, error) {
	encoded, found := strings.CutPrefix(secret, prefix)
	if !found {
		return nil, fmt.Errorf("%w: %s, which begins with %s", ErrInvalidSecret, purpose, prefix)
	}
	key, ok := decodeBase64(nil, encoded)
	if !ok {
		return nil, fmt.Errorf("%w: what follows %s is not base64", ErrInvalidSecret, prefix)
	}
	return key, nil
}

func standardSecret() string {
	return secretPrefix + base64.StdEncoding.EncodeToString(randomBytes())
}

func standardVerifyingKey(secret string) (verifyingKey, error) {
	key, err := standardKey(secret)
	if err != nil {
		return nil, err
	}
	return newHMACKey(sha256.New, key), nil
}

func standardSigningKey(secret string) (signingKey, error) {
	key, err := standardKey(secret)
	if err != nil {
		return nil, err
	}
	return newHMACKey(sha256.New, key), nil
}

func standardKey(secret string) ([]byte, error) { return sharedSecret(secret, minStandardKey) }

func svixKey(secret string) (*hmacKey, error) {
	key, err := sharedSecret(secret, minSvixKey)
	if err != nil {
		return nil, err
	}
	return newHMACKey(sha256.New, key), nil
}

// sharedSecret decodes a secret that says it is encoded and takes any other as
// its bytes. One that says so and cannot be decoded is never taken as its
// bytes: that would turn a slip of the pen into a secret nobody else has.
func sharedSecret(secret string, minimum int) ([]byte, error) {
	if err := checkShared(secret); err != nil {
		return nil, err
	}
	encoded, found := strings.CutPrefix(secret, secretPrefix)
	if !found {
		return []byte(secret), nil
	}
	key, ok := decodeBase64(nil, encoded)
	if !ok {
		return nil, fmt.Errorf("%w: what follows %s is not base64", ErrInvalidSecret, secretPrefix)
	}
	if len(key) < minimum || len(key) > maxStandardKey {
		return nil, fmt.Errorf("%w: what follows %s holds %d bytes, not %d to %d",
			ErrInvalidSecret, secretPrefix, len(key), minimum, maxStandardKey)
	}
	return key, nil
}

// decodeBase64 appends the bytes that s encodes in the standard alphabet, with
// its padding or without. The package base64 skips line breaks, and they are
// refused here: a secret or signature has one spelling, or two with padding.
func decodeBase64(dst []byte, s string) ([]byte, bool) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return dst, false
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(s, "=") {
		encoding = base64.StdEncoding
	}
	decoded, err := encoding.Strict().AppendDecode(dst, []byte(s))
	if err != nil {
		return dst, false
	}
	return decoded, true
}

func (n standardHeaders) read(r Request, c *claim) error {
	list, err := required(r.Header, n.signature)
	if err != nil {
		return err
	}
	id, err := required(r.Header, n.id)
	if err != nil {
		return err
	}
	seconds, err := required(r.Header, n.timestamp)
	if err != nil {
		return err
	}
	if !isStandardID(id) {
		return fmt.Errorf("%w: %s is not 1 to %d printable characters without . \" %%", ErrMalformed, n.id, maxToken)
	}
	at, ok := parseSeconds(seconds)
	if !ok {
		return fmt.Errorf("%w: %s is not a Unix time in seconds", ErrMalformed, n.timestamp)
	}
	c.match.ID, c.match.IDSigned, c.match.Timestamp = id, true, at
	c.scratch = appendStandardPrefix(c.scratch, id, seconds)
	c.message = append(c.message, c.scratch, r.Body)
	return n.readVersions(list, c)
}

// readVersions collects the signatures of our version. Others are skipped, and
// so is an entry that no key could have made: a sender that adds a version we
// cannot read must not break the one we can.
func (n standardHeaders) readVersions(list string, c *claim) error {
	for entry := range strings.SplitSeq(list, " ") {
		version, encoded, _ := strings.Cut(entry, ",")
		if version != n.version {
			continue
		}
		start := len(c.scratch)
		decoded, ok := decodeBase64(c.scratch, encoded)
		if !ok || len(decoded)-start != n.size {
			continue
		}
		if len(c.signatures) == maxSignatures {
			return fmt.Errorf("%w: more than %d signatures in %s", ErrMalformed, maxSignatures, n.signature)
		}
		c.scratch = decoded
		c.signatures = append(c.signatures, decoded[start:])
	}
	if len(c.signatures) == 0 {
		return fmt.Errorf("%w: no usable %s signature in %s", ErrMalformed, n.version, n.signature)
	}
	return nil
}

func (n standardHeaders) write(out Outgoing, keys []signingKey, h HeaderSetter) error {
	if !isStandardID(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters without . \" %%", ErrUnsignable, maxToken)
	}
	at := out.Time.Unix()
	if at < 0 || at > lastSecond {
		return fmt.Errorf("%w: its time is not between 1970 and 9999", ErrUnsignable)
	}
	seconds := strconv.FormatInt(at, 10)
	prefix := appendStandardPrefix(make([]byte, 0, len(out.ID)+len(seconds)+2), out.ID, seconds)
	list := make([]byte, 0, len(keys)*(len(n.version)+2+base64.StdEncoding.EncodedLen(n.size)))
	for i, key := range keys {
		if i > 0 {
			list = append(list, ' ')
		}
		list = append(append(list, n.version...), ',')
		list = base64.StdEncoding.AppendEncode(list, key.sign(prefix, out.Body))
	}
	h.Set(n.id, out.ID)
	h.Set(n.timestamp, seconds)
	h.Set(n.signature, string(list))
	return nil
}

// isStandardID refuses the dot because it separates the signed parts: with it,
// one signature would fit several divisions into id, time and body. It refuses
// the quote and the percent sign because an id chosen with them could make
// "id.time.body" a JSON text, or a form field that holds one, for which the same
// HMAC would count under a scheme that signs the body alone. Without them the
// dots stand outside every JSON string, and no JSON text has two around digits.
func isStandardID(id string) bool {
	for i := range len(id) {
		if id[i] == '.' || id[i] == '"' || id[i] == '%' {
			return false
		}
	}
	return isToken(id)
}

func appendStandardPrefix(dst []byte, id, seconds string) []byte {
	dst = append(dst, id...)
	dst = append(dst, '.')
	dst = append(dst, seconds...)
	return append(dst, '.')
}
