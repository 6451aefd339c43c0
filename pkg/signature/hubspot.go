package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	hubspotSignature = "X-Hubspot-Signature-V3"
	hubspotTimestamp = "X-Hubspot-Request-Timestamp"

	// millisecondDigits are those of every Unix time in milliseconds from 2001
	// to 2286.
	millisecondDigits = 13
	firstMillisecond  = 1_000_000_000_000
	lastMillisecond   = 9_999_999_999_999

	maxMethod = 16 // bytes
)

// hubspot is the third version of HubSpot's format, the secret being the app's
// client secret:
// https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
//
// Signed are method, URL, body and time, with nothing in between, and so each is
// held to a form that shows where it ends: the method is upper case and the URL
// begins with http in lower case; the URL has no bracket or brace, with which
// every body begins that is not empty; the time has thirteen digits.
//
// HubSpot's documentation decodes some escapes of the URL before it signs, its
// libraries none, so both spellings count. A captured request therefore fits
// every URL whose escapes, once decoded, give the signed one.
func hubspot() scheme {
	return scheme{
		name:      "hubspot",
		headers:   []string{hubspotSignature},
		tolerance: 5 * time.Minute,
		signsURL:  true,
		read:      readHubspot,
		write:     writeHubspot,
	}.keyed(sha256.New)
}

func readHubspot(r Request, c *claim) error {
	value, err := required(r.Header, hubspotSignature)
	if err != nil {
		return err
	}
	text, err := required(r.Header, hubspotTimestamp)
	if err != nil {
		return err
	}
	at, ok := parseMilliseconds(text)
	if !ok {
		return fmt.Errorf("%w: %s is not a Unix time of %d digits, in milliseconds", ErrMalformed, hubspotTimestamp, millisecondDigits)
	}
	if reason := unfitForHubspot(r.Method, r.URL, r.Body); reason != "" {
		return fmt.Errorf("%w: %s", ErrMalformed, reason)
	}
	c.match.Timestamp = at
	c.scratch = append(append(append(c.scratch, r.Method...), r.URL...), text...)
	ends := len(r.Method) + len(r.URL)
	prefix, suffix := c.scratch[:ends], c.scratch[ends:]
	c.message = append(c.message, prefix, r.Body, suffix)
	if decoded := decodeHubspotURL(r.URL); decoded != r.URL {
		c.also = append(c.also, [][]byte{[]byte(r.Method + decoded), r.Body, suffix})
	}
	return c.readSignature(hubspotSignature, value, base64ed, sha256.Size)
}

// unfitForHubspot says what keeps a message from having one reading only, or
// nothing.
func unfitForHubspot(method, url string, body []byte) string {
	switch {
	case !isMethod(method):
		return "the method is not upper case letters"
	case !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://"):
		return "the URL is not that of an HTTP server"
	case len(url) > maxURL:
		return fmt.Sprintf("the URL is longer than %d bytes", maxURL)
	case !isVisible(url) || strings.ContainsAny(url, "[]{}"):
		return "a bracket, a brace, a space or an unprintable character in the URL, unescaped"
	case len(body) > 0 && body[0] != '[' && body[0] != '{':
		return "the body is neither a JSON array nor an object"
	}
	return ""
}

func isMethod(s string) bool {
	if s == "" || len(s) > maxMethod {
		return false
	}
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// decodeHubspotURL decodes the escapes that HubSpot's documentation lists, and
// no others. It reads the URL once, so that what is decoded is not decoded again.
func decodeHubspotURL(url string) string {
	if !strings.Contains(url, "%") {
		return url
	}
	var decoded bytes.Buffer
	for {
		before, after, found := strings.Cut(url, "%")
		decoded.WriteString(before)
		if !found {
			return decoded.String()
		}
		if c := hubspotEscape(after); c != 0 {
			decoded.WriteByte(c)
			url = after[2:]
			continue
		}
		decoded.WriteByte('%')
		url = after
	}
}

// hubspotEscape is the character whose escape, less the percent sign, text
// begins with, or zero.
func hubspotEscape(text string) byte {
	if len(text) < 2 {
		return 0
	}
	c, err := strconv.ParseUint(text[:2], 16, 8)
	if err != nil || !strings.ContainsRune(":/?@!$'()*,;", rune(c)) {
		return 0
	}
	return byte(c)
}

// parseMilliseconds reads a Unix time of thirteen digits, which is one between
// 2001 and 2286.
func parseMilliseconds(s string) (time.Time, bool) {
	if len(s) != millisecondDigits || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, false
	}
	milliseconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(milliseconds).UTC(), true
}

// writeHubspot signs the URL as it is given, which is what HubSpot's libraries
// verify.
func writeHubspot(out Outgoing, keys []signingKey, h HeaderSetter) error {
	if reason := unfitForHubspot(out.Method, out.URL, out.Body); reason != "" {
		return fmt.Errorf("%w: %s", ErrUnsignable, reason)
	}
	milliseconds := out.Time.UnixMilli()
	if milliseconds < firstMillisecond || milliseconds > lastMillisecond {
		return fmt.Errorf("%w: its time is not between 2001 and 2286", ErrUnsignable)
	}
	text := strconv.FormatInt(milliseconds, 10)
	sum := keys[0].sign([]byte(out.Method+out.URL), out.Body, []byte(text))
	h.Set(hubspotSignature, base64.StdEncoding.EncodeToString(sum))
	h.Set(hubspotTimestamp, text)
	return nil
}
