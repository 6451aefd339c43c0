package signature

import (
	"bytes"
	"fmt"
)

// Two schemes keep what they sign, or its time, in the JSON body. This reader
// finds one member there without decoding the rest and without allocating.
//
// It checks the outermost object only: its keys, colons and commas. What is
// nested is skipped by counting brackets outside strings. Of a JSON text it
// finds what every parser finds. Of other bytes it may find something where a
// parser gives up, so whoever takes the body for JSON has to check that it is.

// member returns the value of the object's member of that name as it is written
// there, or nil when there is none. Errors are ErrMalformed: text that is no
// object, and a name that stands there twice or written with escapes, because
// two readers of one body could then each believe a different value. The name
// is to be of ASCII letters and hyphens.
func member(text []byte, name string) (value []byte, err error) {
	c := cursor{text: text}
	if !c.take('{') {
		return nil, fmt.Errorf("%w: the body has no JSON object where one belongs", ErrMalformed)
	}
	for first := true; !c.take('}'); first = false {
		key, found, ok := c.member(first)
		if !ok {
			return nil, fmt.Errorf("%w: the body is not JSON", ErrMalformed)
		}
		if !spells(key, name) {
			continue
		}
		if value != nil || len(key) != len(name) {
			return nil, fmt.Errorf("%w: the body has the member %s twice, or written with escapes", ErrMalformed, name)
		}
		value = found
	}
	if c.space(); c.at != len(text) {
		return nil, fmt.Errorf("%w: something follows the JSON object", ErrMalformed)
	}
	return value, nil
}

// cursor walks through JSON text.
type cursor struct {
	text []byte
	at   int
}

func (c *cursor) space() {
	for c.at < len(c.text) && isJSONSpace(c.text[c.at]) {
		c.at++
	}
}

func isJSONSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// take passes space and then b, if b comes next.
func (c *cursor) take(b byte) bool {
	c.space()
	if c.at == len(c.text) || c.text[c.at] != b {
		return false
	}
	c.at++
	return true
}

// member passes one member, and the comma before it unless it is the first.
func (c *cursor) member(first bool) (key, value []byte, ok bool) {
	if !first && !c.take(',') {
		return nil, nil, false
	}
	if key, ok = c.quoted(); !ok || !c.take(':') {
		return nil, nil, false
	}
	value, ok = c.value()
	return key, value, ok
}

// quoted passes a string and returns what stands between its quotes.
func (c *cursor) quoted() ([]byte, bool) {
	if !c.take('"') {
		return nil, false
	}
	start := c.at
	for {
		length := bytes.IndexByte(c.text[c.at:], '"')
		if length < 0 {
			return nil, false
		}
		c.at += length + 1
		if inside := c.text[start : c.at-1]; !endsEscaped(inside) {
			return inside, true
		}
	}
}

// endsEscaped reports whether an odd number of backslashes comes last.
func endsEscaped(s []byte) bool {
	slashes := 0
	for slashes < len(s) && s[len(s)-1-slashes] == '\\' {
		slashes++
	}
	return slashes%2 == 1
}

// value passes a value of any kind and returns its text.
func (c *cursor) value() ([]byte, bool) {
	c.space()
	start := c.at
	if start == len(c.text) {
		return nil, false
	}
	switch c.text[start] {
	case '"':
		_, ok := c.quoted()
		return c.text[start:c.at], ok
	case '{', '[':
		ok := c.nested()
		return c.text[start:c.at], ok
	}
	for c.at < len(c.text) && !endsScalar(c.text[c.at]) {
		c.at++
	}
	return c.text[start:c.at], c.at > start
}

// endsScalar knows what may not stand in a number, true, false or null.
func endsScalar(b byte) bool {
	return isJSONSpace(b) || b == ',' || b == ':' || b == '"' || b == '{' || b == '}' || b == '[' || b == ']'
}

// nested passes an object or array.
func (c *cursor) nested() bool {
	for depth := 0; c.at < len(c.text); {
		switch c.text[c.at] {
		case '"':
			if _, ok := c.quoted(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return true
		}
	}
	return false
}

// spells reports whether a key means name, be it by way of escapes. Of these
// only \u00xx spells a letter or hyphen.
func spells(key []byte, name string) bool {
	const escape = len(`\u0000`)
	for i := range len(name) {
		switch {
		case len(key) == 0:
			return false
		case key[0] == name[i]:
			key = key[1:]
		case len(key) >= escape && isEscapeOf(key[:escape], name[i]):
			key = key[escape:]
		default:
			return false
		}
	}
	return len(key) == 0
}

func isEscapeOf(text []byte, b byte) bool {
	const digits = "0123456789abcdef"
	return text[0] == '\\' && text[1] == 'u' && text[2] == '0' && text[3] == '0' &&
		text[4] == digits[b>>4] && text[5]|0x20 == digits[b&0xf]|0x20
}

// unquoted returns what a string's text stands for, if it has no escapes.
func unquoted(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil, false
	}
	return value[1 : len(value)-1], true
}
