package webhook

import "strings"

// MaxType is the most bytes an event type, or a pattern of them, may have.
const MaxType = 256

// ValidType reports whether an event can have this type: 1 to 256 bytes of letters, digits and . _ - / :
func ValidType(eventType string) bool {
	if eventType == "" || len(eventType) > MaxType {
		return false
	}
	for _, c := range []byte(eventType) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == '-', c == '/', c == ':':
		default:
			return false
		}
	}
	return true
}

// ValidPattern reports whether a pattern is "*", a type, or a type's beginning that ends in ".*".
func ValidPattern(pattern string) bool {
	if pattern == "*" {
		return true
	}
	if beginning, ok := strings.CutSuffix(pattern, ".*"); ok {
		return ValidType(beginning) && len(pattern) <= MaxType
	}
	return ValidType(pattern)
}

// Match reports whether a pattern takes a type: "*" takes every one, "order.*" those that begin with "order."
// and go on after it, any other pattern itself.
func Match(pattern, eventType string) bool {
	if pattern == "*" {
		return true
	}
	if beginning, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(eventType) > len(beginning) && strings.HasPrefix(eventType, beginning)
	}
	return pattern == eventType
}
