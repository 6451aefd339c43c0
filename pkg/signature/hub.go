package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The family of X-Hub-Signature: HMAC over the body and nothing else, written
// "sha256=" and hexadecimal. A secret is used as its bytes.

const (
	hubPrefix = "sha256="

	headerHub256       = "X-Hub-Signature-256"
	headerHubEvent     = "X-Github-Event"
	headerHubDelivery  = "X-Github-Delivery"
	headerSignature256 = "X-Signature-256"
	headerSignature    = "Signature"
)

// github is GitHub's format:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func github() scheme {
	return scheme{
		name:      "github",
		announces: []string{headerHub256},
		verifying: hubVerifyingKey,
		signing:   hubSigningKey,
		read:      readGitHub,
		write:     writeGitHub,
		secret:    hexSecret,
	}
}

// generic is the same signature under the names that hand-written senders use,
// with or without the prefix.
func generic() scheme {
	return scheme{
		name:      "generic",
		announces: []string{headerSignature256, headerSignature},
		verifying: hubVerifyingKey,
		signing:   hubSigningKey,
		read:      readGeneric,
		write:     writeGeneric,
		secret:    hexSecret,
	}
}

func hubVerifyingKey(secret string) (verifyingKey, error) {
	return newHMACKey(sha256.New, []byte(secret)), nil
}

func hubSigningKey(secret string) (signingKey, error) {
	return newHMACKey(sha256.New, []byte(secret)), nil
}

func readGitHub(r Request, c *claim) error {
	value, err := required(r.Header, headerHub256)
	if err != nil {
		return err
	}
	digits, found := strings.CutPrefix(value, hubPrefix)
	if !found {
		return fmt.Errorf("%w: %s does not begin with %s", ErrMalformed, headerHub256, hubPrefix)
	}
	if c.match.EventType, err = label(r.Header, headerHubEvent); err != nil {
		return err
	}
	if c.match.ID, err = label(r.Header, headerHubDelivery); err != nil {
		return err
	}
	return c.readBodyHex(headerHub256, digits, r.Body)
}

func readGeneric(r Request, c *claim) error {
	name := headerSignature256
	if len(r.Header.Values(name)) == 0 {
		name = headerSignature
	}
	value, err := required(r.Header, name)
	if err != nil {
		return err
	}
	return c.readBodyHex(name, strings.TrimPrefix(value, hubPrefix), r.Body)
}

// readBodyHex claims that the body has the HMAC-SHA256 written in digits.
// Either case is taken: it is the number that is compared.
func (c *claim) readBodyHex(name, digits string, body []byte) error {
	if len(digits) != hex.EncodedLen(sha256.Size) {
		return fmt.Errorf("%w: %s has %d hexadecimal digits instead of %d",
			ErrMalformed, name, len(digits), hex.EncodedLen(sha256.Size))
	}
	start := len(c.scratch)
	var err error
	if c.scratch, err = hex.AppendDecode(c.scratch, []byte(digits)); err != nil {
		return fmt.Errorf("%w: %s is not hexadecimal", ErrMalformed, name)
	}
	c.signatures = append(c.signatures, c.scratch[start:])
	c.message = append(c.message, body)
	return nil
}

func writeGitHub(out Outgoing, keys []signingKey, h HeaderSetter) error {
	if out.ID != "" && !isToken(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
	}
	h.Set(headerHub256, hubPrefix+hex.EncodeToString(keys[0].sign(out.Body)))
	if out.ID != "" {
		h.Set(headerHubDelivery, out.ID)
	}
	return nil
}

func writeGeneric(out Outgoing, keys []signingKey, h HeaderSetter) error {
	h.Set(headerSignature256, hubPrefix+hex.EncodeToString(keys[0].sign(out.Body)))
	return nil
}
