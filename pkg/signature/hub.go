package signature

import (
	"crypto/sha256"
	"strings"
)

// The family of X-Hub-Signature: HMAC over the body and nothing else, written
// with the algorithm's name before hexadecimal. A secret is used as its bytes.

const hubPrefix = "sha256="

// github is GitHub's format:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func github() scheme {
	s := bodySignature{
		header: "X-Hub-Signature-256",
		hash:   sha256.New,
		prefix: hubPrefix,
		event:  "X-Github-Event",
		id:     "X-Github-Delivery",
	}.scheme("github")
	s.detected = true
	s.forms = true
	s.maxBody = 25 << 20
	return s
}

// generic is the same signature under the names that hand-written senders use,
// with or without the prefix.
func generic() scheme {
	first := bodySignature{header: "X-Signature-256", hash: sha256.New, prefix: hubPrefix}
	s := first.scheme("generic")
	s.detected = true
	s.headers = []string{first.header, "Signature"}
	s.read = func(r Request, c *claim) error {
		name := s.headers[0]
		if len(r.Header.Values(name)) == 0 {
			name = s.headers[1]
		}
		value, err := required(r.Header, name)
		if err != nil {
			return err
		}
		c.message = append(c.message, r.Body)
		return c.readSignature(name, strings.TrimPrefix(value, hubPrefix), hexadecimal, sha256.Size)
	}
	return s
}
