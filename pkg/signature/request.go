package signature

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Bounds on what a sender may make us read. Real headers stay far below them.
const (
	maxHeader     = 4096     // bytes of one header's value
	maxURL        = 8 << 10  // bytes of a public URL
	maxToken      = 256      // bytes of an id or an event type
	maxSignatures = 16       // signatures tried in one request, or made for one
	maxSpellings  = 4        // messages tried in one request besides the first
	maxScratch    = 64 << 10 // bytes of scratch kept for the next request
)

// lastSecond is the end of the year 9999. Beyond it a time.Time no longer has
// an RFC 3339 form, and far beyond it time.Unix wraps around.
const lastSecond = 253402300799

// Header reads the headers of a request; http.Header satisfies it. Names are
// passed in the canonical form of net/http. The strings returned become part of
// the Match, so they must stay valid for as long as it is used.
type Header interface {
	// Values returns every value of the named header, in the order received,
	// and none when the header is absent. The slice may be used again by the
	// next call.
	Values(name string) []string
}

// Request is what a sender sent, as far as signatures are concerned.
type Request struct {
	// Method and URL are needed by schemes that sign them. URL is the public
	// one, as the sender wrote it, with scheme, host, path and query.
	Method, URL string
	Header      Header
	// Body is the raw body: the bytes as they arrived.
	Body []byte
}

// Match describes a request that verified. It means nothing beside an error.
type Match struct {
	// Scheme is the name of the scheme that verified.
	Scheme string
	// Secret is the index, in the list given to the constructor, of the first
	// secret that matched.
	Secret int
	// ID is the message's id from the scheme's own header (mailgun: its token, from
	// the body), or empty. At most 256 bytes of printable ASCII without spaces. An
	// id that stands in a signed JSON body is left to the caller: Info.BodyID.
	ID string
	// IDSigned says that the signature covers ID.
	IDSigned bool
	// Timestamp is the signed time, in UTC, or zero where the scheme has none.
	Timestamp time.Time
	// EventType is the type from the scheme's own header, or empty. Bounded as ID
	// is, but that GitLab's may hold spaces; no scheme here signs it.
	EventType string
}

// valuesOf asks net/http's own type directly: its Values brings the name into the
// canonical form first, in which all names here are, and that takes as long as
// all the rest of reading a header.
func valuesOf(h Header, name string) []string {
	if direct, ok := h.(http.Header); ok {
		return direct[name]
	}
	return h.Values(name)
}

// single reads a header that may appear once. Two values are refused, because
// two readers of one request could each believe a different one.
func single(h Header, name string) (value string, present bool, err error) {
	values := valuesOf(h, name)
	switch {
	case len(values) == 0:
		return "", false, nil
	case len(values) > 1:
		return "", true, fmt.Errorf("%w: %d values of %s", ErrMalformed, len(values), name)
	case len(values[0]) > maxHeader:
		return "", true, fmt.Errorf("%w: %s is longer than %d bytes", ErrMalformed, name, maxHeader)
	}
	return values[0], true, nil
}

// required reads a header that must appear exactly once.
func required(h Header, name string) (string, error) {
	value, present, err := single(h, name)
	if err == nil && !present {
		err = fmt.Errorf("%w: no %s header", ErrMissing, name)
	}
	return value, err
}

// label reads an optional id or event type.
func label(h Header, name string) (string, error) {
	value, present, err := single(h, name)
	if err == nil && present && !isToken(value) {
		err = fmt.Errorf("%w: %s is not 1 to %d printable characters", ErrMalformed, name, maxToken)
	}
	return value, err
}

// isToken reports whether s is 1 to maxToken bytes of visible ASCII.
func isToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// parseSeconds reads a Unix time in whole seconds. Only digits are taken: what
// strconv allows besides (a sign, or with base 0 underscores) no sender sends.
func parseSeconds(s string) (time.Time, bool) {
	if s == "" || len(s) > len("253402300799") {
		return time.Time{}, false
	}
	var seconds int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, false
		}
		seconds = seconds*10 + int64(s[i]-'0')
	}
	if seconds > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}

// isPrintable reports whether s is ASCII without control characters.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkPublicURL refuses what stands for a URL where nobody configured one, so
// that the log tells this fault from a wrong secret.
func checkPublicURL(url string) error {
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return fmt.Errorf("%w: the request has no public URL (Request.URL), which is part of what is signed", ErrMissing)
	}
	if len(url) > maxURL {
		return fmt.Errorf("%w: the URL is longer than %d bytes", ErrMalformed, maxURL)
	}
	return nil
}
