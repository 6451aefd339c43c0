package signature

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// twilio is HMAC-SHA1, in base64, over the public URL and, of a form, its fields
// in order, each name followed by its value:
// https://www.twilio.com/docs/usage/security#validating-requests
//
// Of any other body the URL carries the SHA-256, in its parameter bodySHA256. The
// Content-Type, which is not signed, tells the two apart: another one leads to
// another message or to a body that nothing covers, and both are refused.
//
// Nothing separates URL, names and values, so a signature fits every other
// division of the same text: "Body=1&To=2" counts as "Bod=y1To2" too, and fields
// may be moved into the URL's query. Whoever captured a genuine request can send
// it in such a division and, having also chosen a value in it (the text of an
// SMS, say), give other fields values of their choice. No check here can tell:
// only TLS, which keeps requests from being captured, stands before that.
func twilio() scheme {
	return scheme{
		name:     "twilio",
		headers:  []string{twilioHeader},
		signsURL: true,
		forms:    true,
		read:     readTwilio,
		write:    writeTwilio,
	}.keyed(sha1.New)
}

const (
	twilioHeader = "X-Twilio-Signature"
	// twilioID stays the same when Twilio sends a request again. Not signed.
	twilioID = "I-Twilio-Idempotency-Token"

	bodyDigestParameter = "bodySHA256"
	formType            = "application/x-www-form-urlencoded"
)

func readTwilio(r Request, c *claim) error {
	text, err := required(r.Header, twilioHeader)
	if err != nil {
		return err
	}
	if err := checkPublicURL(r.URL); err != nil {
		return err
	}
	contentType, _, err := single(r.Header, "Content-Type")
	if err != nil {
		return err
	}
	if err := c.readLabels(r.Header, "", twilioID); err != nil {
		return err
	}
	if err := c.readTwilioMessage(r, contentType); err != nil {
		return err
	}
	return c.readSignature(twilioHeader, text, base64ed, sha1.Size)
}

// readTwilioMessage builds in the scratch the URL, the fields and the URL's other
// spelling, and slices it when it no longer moves.
func (c *claim) readTwilioMessage(r Request, contentType string) (err error) {
	c.scratch = append(c.scratch, r.URL...)
	var start int
	if c.scratch, start, err = appendTwilioBody(c.scratch, r.URL, contentType, r.Body); err != nil {
		return err
	}
	end := len(c.scratch)
	c.scratch = appendOtherPort(c.scratch, r.URL)
	url, fields, other := c.scratch[:len(r.URL)], c.scratch[start:end], c.scratch[end:]
	c.message = append(c.message, url, fields)
	c.also = otherSpelling(other, fields)
	return nil
}

// otherSpelling is one more message of two pieces, in a single allocation.
func otherSpelling(url, fields []byte) [][][]byte {
	held := &struct {
		messages [1][][]byte
		pieces   [2][]byte
	}{pieces: [2][]byte{url, fields}}
	held.messages[0] = held.pieces[:]
	return held.messages[:]
}

func writeTwilio(out Outgoing, keys []signingKey, h HeaderSetter) error {
	if err := checkPublicURL(out.URL); err != nil {
		return fmt.Errorf("%w: %s", ErrUnsignable, err.Error())
	}
	text, start, err := appendTwilioBody(nil, out.URL, out.ContentType, out.Body)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrUnsignable, err.Error())
	}
	if out.ID != "" && !isToken(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
	}
	h.Set(twilioHeader, base64ed.encode(keys[0].sign([]byte(out.URL), text[start:])))
	if out.ID != "" {
		h.Set(twilioID, out.ID)
	}
	return nil
}

// appendTwilioBody appends what is signed after the URL, which begins at start:
// the fields of a form, or nothing where the URL has the body's digest or there
// is no body.
func appendTwilioBody(dst []byte, url, contentType string, body []byte) (extended []byte, start int, err error) {
	if isForm(contentType) {
		return appendFormFields(dst, body)
	}
	digest, count := queryParameter(url, bodyDigestParameter)
	switch {
	case count > 1:
		err = fmt.Errorf("%w: the URL has %d values of %s", ErrMalformed, count, bodyDigestParameter)
	case count == 1:
		err = checkBodyDigest(digest, body)
	case len(body) > 0:
		err = fmt.Errorf("%w: the body is not a form, and the URL has no %s", ErrMissing, bodyDigestParameter)
	}
	return dst, len(dst), err
}

func checkBodyDigest(digits string, body []byte) error {
	var digest [sha256.Size]byte
	if len(digits) != 2*sha256.Size {
		return fmt.Errorf("%w: %s has %d digits instead of %d", ErrMalformed, bodyDigestParameter, len(digits), 2*sha256.Size)
	}
	if _, err := hex.Decode(digest[:], []byte(digits)); err != nil {
		return fmt.Errorf("%w: %s is not hexadecimal", ErrMalformed, bodyDigestParameter)
	}
	// No secret is in it: the sender of the request wrote both.
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], digest[:]) {
		return fmt.Errorf("%w: the body is not the one that %s in the URL stands for", ErrMismatch, bodyDigestParameter)
	}
	return nil
}

// queryParameter returns the last value of a parameter as it is written, and how
// many there are. A name written with escapes is another name: that request is
// then refused for want of the parameter.
func queryParameter(url, name string) (value string, count int) {
	url, _, _ = strings.Cut(url, "#")
	_, query, _ := strings.Cut(url, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if key, text, found := strings.Cut(pair, "="); found && key == name {
			value = text
			count++
		}
	}
	return value, count
}

func isForm(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), formType)
}

// appendOtherPort appends the URL without its port or, where it has none, with
// its scheme's. Twilio signs now the one and now the other, and its libraries
// accept both.
func appendOtherPort(dst []byte, url string) []byte {
	scheme, rest, _ := strings.Cut(url, "://")
	end := len(url) - len(rest) + len(authority(rest))
	port := portOf(authority(rest))
	if port != "" {
		dst = append(dst, url[:end-len(port)]...)
		return append(dst, url[end:]...)
	}
	dst = append(dst, url[:end]...)
	if scheme == "https" {
		dst = append(dst, ":443"...)
	} else {
		dst = append(dst, ":80"...)
	}
	return append(dst, url[end:]...)
}

// authority is what stands before the path, query or fragment.
func authority(rest string) string {
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// portOf returns a port with its colon. The colons of an IPv6 address stand in
// brackets, and that of a password before the at sign.
func portOf(authority string) string {
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return ""
	}
	return host[colon:]
}
