package config

import (
	"net/url"
	"strconv"
	"strings"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
)

// publicURL checks a base URL and takes the slashes off its end. The text stays as it is otherwise: senders sign
// their spelling of it.
func publicURL(text string) (clean, problem string) {
	if text == "" {
		return "", ""
	}
	u, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") ||
		u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?# ") {
		return "", "must be an http or https URL with a host, without user, query and fragment, such as https://hooks.example.com"
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"<>\^`+"`"+`{|},`, c) }) {
		return "", "must be written with the characters of a URL, others percent-encoded"
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); strings.HasSuffix(u.Host, ":") || u.Port() != "" && (err != nil || port == 0) {
		return "", "must have a port from 1 to 65535, or none"
	}
	if path := strings.TrimRight(u.Path, "/"); strings.HasSuffix(path, "/webhook") || strings.Contains(path+"/", "/webhook/") {
		return "", "must be the base, without /webhook: the path of each request is appended to it"
	}
	return strings.TrimRight(text, "/"), ""
}

// checkPublicURL wants a public URL where the URL is signed: what a request says of its own host is not believed.
func (c *Config) checkPublicURL() service.Faults {
	if c.PublicURL != "" {
		return nil
	}
	var needing []string
	for _, s := range c.Sources {
		for _, scheme := range s.Schemes {
			if info, err := signature.Describe(scheme); err == nil && info.SignsURL {
				needing = append(needing, s.Name+" ("+scheme+")")
			}
		}
	}
	if len(needing) == 0 {
		return nil
	}
	return service.Faults{{
		Variable: "RECEIVER_PUBLIC_URL",
		Problem:  "must be set, because the senders of " + strings.Join(needing, ", ") + " sign the URL they know the receiver by",
	}}
}
