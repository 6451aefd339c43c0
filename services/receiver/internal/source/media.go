package source

import "strings"

// Media is what a body is, going by its Content-Type.
type Media int

// The kinds of body.
const (
	Refused    Media = iota // a media type the source does not take
	JSON                    // declared as JSON
	Undeclared              // no Content-Type at all: taken when it turns out to be JSON
	Form                    // GitHub's form, whose field "payload" is the JSON
)

// Media classifies the Content-Type of a request that was proven under the named scheme ("" when unsigned).
// Body signatures do not bind the media type, so nothing is taken that has a second reading: JSON everywhere,
// the form only from the one provider that sends it.
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
	case scheme == GitHub && strings.EqualFold(name, "application/x-www-form-urlencoded"):
		return Form
	}
	return Refused
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
