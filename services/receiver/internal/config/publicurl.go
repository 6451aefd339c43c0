package config

import (
	"net/url"
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
			if info, err := signature.Describe(scheme); err == nil && info.SignsURL && len(s.Secrets) > 0 {
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
