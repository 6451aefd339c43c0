package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The family of Standard Webhooks: an id, a time and a list of versioned
// signatures in three headers, over "id.time.body". The version here is v1,
// HMAC-SHA256:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

const (
	standardVersion = "v1"

	// The specification's bounds on a decoded secret, in bytes.
	minStandardKey = 24
	maxStandardKey = 64
)

// standardHeaders are the names of the three headers.
type standardHeaders struct{ id, timestamp, signature string }

func standard() scheme {
	names := standardHeaders{id: "Webhook-Id", timestamp: "Webhook-Timestamp", signature: "Webhook-Signature"}
	return scheme{
		name:      "standard",
		headers:   []string{names.signature},
		detected:  true,
		tolerance: 5 * time.Minute,
		verifying: standardVerifyingKey,
		signing:   standardSigningKey,
		read:      names.read,
		write:     names.write,
		secret:    func() string { return secretPrefix + base64.StdEncoding.EncodeToString(randomBytes()) },
	}
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

// standardKey decodes a secret that says it is encoded and takes any other as
// its bytes. One that says so and cannot be decoded is never taken as its
// bytes: that would turn a slip of the pen into a secret nobody else has.
func standardKey(secret string) ([]byte, error) {
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
	if len(key) < minStandardKey || len(key) > maxStandardKey {
		return nil, fmt.Errorf("%w: what follows %s holds %d bytes, not %d to %d",
			ErrInvalidSecret, secretPrefix, len(key), minStandardKey, maxStandardKey)
	}
	return key, nil
}

// decodeBase64 appends the bytes that s encodes in the standard alphabet, with
// its padding or without. The package base64 skips line breaks, and they are
// refused here: a secret or signature has one spelling, or two with padding.
func decodeBase64(dst []byte, s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
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
	return c.readVersions(n.signature, list)
}

// readVersions collects the signatures of our version. Others are skipped, and
// so is an entry that no key could have made: a sender that adds a version we
// cannot read must not break the one we can.
func (c *claim) readVersions(name, list string) error {
	for entry := range strings.SplitSeq(list, " ") {
		version, encoded, _ := strings.Cut(entry, ",")
		if version != standardVersion {
			continue
		}
		start := len(c.scratch)
		decoded, ok := decodeBase64(c.scratch, encoded)
		if !ok || len(decoded)-start != sha256.Size {
			continue
		}
		if len(c.signatures) == maxSignatures {
			return fmt.Errorf("%w: more than %d signatures in %s", ErrMalformed, maxSignatures, name)
		}
		c.scratch = decoded
		c.signatures = append(c.signatures, decoded[start:])
	}
	if len(c.signatures) == 0 {
		return fmt.Errorf("%w: no usable %s signature in %s", ErrMalformed, standardVersion, name)
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
	prefix := appendStandardPrefix(nil, out.ID, seconds)
	entries := make([]string, len(keys))
	for i, key := range keys {
		entries[i] = standardVersion + "," + base64.StdEncoding.EncodeToString(key.sign(prefix, out.Body))
	}
	h.Set(n.id, out.ID)
	h.Set(n.timestamp, seconds)
	h.Set(n.signature, strings.Join(entries, " "))
	return nil
}

// isStandardID refuses the dot because it separates the signed parts: with it,
// one signature would fit several divisions into id, time and body. It refuses
// the quote and the percent sign because an id chosen with them could make
// "id.time.body" a JSON text, or a form field that holds one, for which the same
// HMAC would count under a scheme that signs the body alone. Without them the
// dots stand outside every JSON string, and no JSON text has two around digits.
func isStandardID(id string) bool {
	return isToken(id) && !strings.ContainsAny(id, `."%`)
}

func appendStandardPrefix(dst []byte, id, seconds string) []byte {
	dst = append(dst, id...)
	dst = append(dst, '.')
	dst = append(dst, seconds...)
	return append(dst, '.')
}
