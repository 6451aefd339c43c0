package webhook

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// ErrInvalidURL is wrapped by the error of a URL that no webhook can go to. The error never quotes the URL,
// because a password in the wrong place is a common reason for it being invalid.
var ErrInvalidURL = errors.New("webhook: invalid URL")

const hidden = "xxxxx"

// Redact makes a URL fit for logs and error messages: user info is left out and every query value is hidden,
// as either may be a credential. What cannot be parsed becomes "(invalid URL)".
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Opaque != "" {
		return "(invalid URL)"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		shown.RawQuery = redactQuery(u.RawQuery)
	}
	return shown.String()
}

func redactQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, found := strings.Cut(pair, "="); found {
			pairs[i] = url.QueryEscape(plain(name)) + "=" + hidden
		} else if pair != "" {
			pairs[i] = hidden // a bare word may be the token itself
		}
	}
	return strings.Join(pairs, "&")
}

// plain undoes the escapes of a name, where it has any that can be.
func plain(name string) string {
	if text, err := url.QueryUnescape(name); err == nil {
		return text
	}
	return name
}

// withoutURL takes the URL off an error of net/http, which repeats it whole.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// CheckURL reports with [ErrInvalidURL] whether a webhook can go to a URL: it must be absolute, http or https, and have a host
// and no impossible port.
func CheckURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil || !isHTTP(u) {
		return ErrInvalidURL
	}
	return nil
}

func isHTTP(u *url.URL) bool {
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	return u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}
