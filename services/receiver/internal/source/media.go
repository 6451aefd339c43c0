package source

import "strings"

// Media is what a body is, going by its Content-Type.
type Media int

// The kinds of body.
const (
	Refused    Media = iota // a media type the source does not take
	JSON                    // declared as JSON
	Undeclared              // no Content-Type at all: taken when it turns out to be JSON
	Payload                 // a form whose one field "payload" is the JSON, as GitHub sends it
	Fields                  // a form of other fields, which is stored as it is
)

// Media classifies the Content-Type of a request that was proven under the named scheme ("" when unsigned).
// Body signatures do not bind the media type, so nothing is taken that has a second reading: JSON everywhere,
// forms only from the providers that send them, and where the headers choose the scheme only GitHub's.
func (s *Source) Media(contentType, scheme string) Media {
	name, _, _ := strings.Cut(contentType, ";")
	name = strings.Trim(name, " \t")
	switch {
	case name == "" && contentType == "":
		return Undeclared
	case strings.EqualFold(name, "application/json"):
		return JSON
	case hasSuffixFold(name, "+json") && strings.Count(name, "/") == 1:
		return JSON
	case strings.EqualFold(name, "application/x-www-form-urlencoded"):
		return s.form(scheme)
	}
	return Refused
}

// form is what the scheme's provider posts as a form.
func (s *Source) form(scheme string) Media {
	switch {
	case !s.schemes[scheme].Forms:
		return Refused
	case scheme == "github", scheme == "github-sha1":
		return Payload
	case s.detects():
		return Refused
	}
	return Fields
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
