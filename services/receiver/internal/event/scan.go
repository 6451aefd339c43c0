package event

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// member finds a member of a JSON object by its exact name; of several with that name, the last, as
// encoding/json has it. The document must be valid JSON; one that is not an object has no members. Nothing is
// allocated: the value is a part of the document.
func member(document []byte, name string) (value json.RawMessage, found bool) {
	at := skipSpace(document, 0)
	if at >= len(document) || document[at] != '{' {
		return nil, false
	}
	at = skipSpace(document, at+1)
	for at < len(document) && document[at] == '"' {
		end := skipString(document, at)
		key := document[at:end]
		start := skipSpace(document, skipSpace(document, end)+1) // past the colon
		at = skipValue(document, start)
		if isString(key, name) {
			value, found = json.RawMessage(document[start:at]), true
		}
		at = skipSpace(document, at)
		if at < len(document) && document[at] == ',' {
			at = skipSpace(document, at+1)
		}
	}
	return value, found
}

// isString reports whether a JSON string says s.
func isString(quoted []byte, s string) bool {
	if len(quoted) == len(s)+2 && string(quoted[1:len(quoted)-1]) == s {
		return true
	}
	if len(quoted) < len(s)+2 { // an escape is never shorter than what it stands for
		return false
	}
	for _, c := range quoted {
		if c == '\\' {
			decoded, ok := text(quoted)
			return ok && decoded == s
		}
	}
	return false
}

// text decodes a JSON string; false for every other value.
func text(value []byte) (string, bool) {
	s, ok := textBytes(value)
	return string(s), ok
}

// textBytes is text without a copy where the string stands in the document as it is: without escapes, and without bytes
// that are not UTF-8, which encoding/json replaces.
func textBytes(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner, true
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// skipString returns the index after the string that begins at b[at].
func skipString(b []byte, at int) int {
	for at++; at < len(b); at++ {
		switch b[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(b)
}

// skipValue returns the index after the value that begins at b[at].
func skipValue(b []byte, at int) int {
	for depth := 0; at < len(b); {
		switch b[at] {
		case '"':
			at = skipString(b, at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case ',', ':', ' ', '\n', '\t', '\r':
			at++
		default:
			at = skipScalar(b, at)
		}
		if depth == 0 {
			return at
		}
	}
	return len(b)
}

// skipScalar returns the index after a number, true, false or null.
func skipScalar(b []byte, at int) int {
	for at < len(b) {
		switch b[at] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return at
		}
		at++
	}
	return at
}
