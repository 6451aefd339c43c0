// Package jsontext reads JSON where it stands: it checks a text and finds its parts, without decoding what nobody
// asked for.
//
// What it takes and refuses is what encoding/json does (RFC 8259, at most 10,000 levels deep), at a fraction of the
// time: an event is looked at several times between its request and its delivery. Parts are slices of the text, not
// copies. Use encoding/json wherever time does not matter: it also says what is wrong.
package jsontext

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Valid reports whether text is one JSON value.
func Valid(text []byte) bool {
	_, rest, ok := value(text, 0)
	return ok && len(rest) == 0
}

// Object calls member with the name and the value of each of an object's members, in their order; the name is decoded,
// the value is as it stands. False: text is not one JSON object, or member said so; it may have been called by then.
func Object(text []byte, member func(name, value []byte) bool) bool {
	text = space(text)
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	rest, ok := object(text[1:], 1, member)
	return ok && len(space(rest)) == 0
}

// Array calls element with each of an array's elements. False: text is not one JSON array, or element said so.
func Array(text []byte, element func(value []byte) bool) bool {
	text = space(text)
	if len(text) == 0 || text[0] != '[' {
		return false
	}
	rest, ok := array(text[1:], 1, element)
	return ok && len(space(rest)) == 0
}

// String is the text that a valid JSON string stands for; false for any other value.
func String(value []byte) (s string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if inner := value[1 : len(value)-1]; plain(inner) {
		return string(inner), true
	}
	return s, json.Unmarshal(value, &s) == nil
}

// plain holds for what stands for itself within quotes: it has no escape, nor anything that may not be UTF-8.
func plain(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// maxDepth is the most arrays and objects within each other.
const maxDepth = 10_000

func space(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// value splits a text into the value at its beginning and what follows, with the space around either left out.
func value(b []byte, depth int) (v, rest []byte, ok bool) {
	b = space(b)
	if len(b) == 0 {
		return nil, nil, false
	}
	switch b[0] {
	case '"':
		rest, ok = quoted(b[1:])
	case '{':
		rest, ok = object(b[1:], depth+1, nil)
	case '[':
		rest, ok = array(b[1:], depth+1, nil)
	case 't':
		rest, ok = bytes.CutPrefix(b, []byte("true"))
	case 'f':
		rest, ok = bytes.CutPrefix(b, []byte("false"))
	case 'n':
		rest, ok = bytes.CutPrefix(b, []byte("null"))
	default:
		rest, ok = number(b)
	}
	if !ok {
		return nil, nil, false
	}
	return b[:len(b)-len(rest)], space(rest), true
}

// object reads what follows an opening brace, up to the closing one.
func object(b []byte, depth int, member func(name, value []byte) bool) (rest []byte, ok bool) {
	if b = space(b); depth > maxDepth {
		return nil, false
	}
	if len(b) > 0 && b[0] == '}' {
		return b[1:], true
	}
	for {
		if b = space(b); len(b) == 0 || b[0] != '"' {
			return nil, false
		}
		after, ok := quoted(b[1:])
		if !ok {
			return nil, false
		}
		name := b[:len(b)-len(after)]
		if after = space(after); len(after) == 0 || after[0] != ':' {
			return nil, false
		}
		v, after, ok := value(after[1:], depth)
		if !ok || len(after) == 0 || (member != nil && !member(unquoted(name), v)) {
			return nil, false
		}
		b = after[1:]
		switch after[0] {
		case ',':
		case '}':
			return b, true
		default:
			return nil, false
		}
	}
}

func unquoted(name []byte) []byte {
	if inner := name[1 : len(name)-1]; plain(inner) {
		return inner
	}
	decoded, _ := String(name)
	return []byte(decoded)
}

// array reads what follows an opening bracket, up to the closing one.
func array(b []byte, depth int, element func(value []byte) bool) (rest []byte, ok bool) {
	if b = space(b); depth > maxDepth {
		return nil, false
	}
	if len(b) > 0 && b[0] == ']' {
		return b[1:], true
	}
	for {
		v, after, ok := value(b, depth)
		if !ok || len(after) == 0 || (element != nil && !element(v)) {
			return nil, false
		}
		b = after[1:]
		switch after[0] {
		case ',':
		case ']':
			return b, true
		default:
			return nil, false
		}
	}
}

// quoted reads what follows an opening quote, up to the closing one.
func quoted(b []byte) (rest []byte, ok bool) {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return b[i+1:], true
		case c < ' ':
			return nil, false
		case c == '\\':
			n := escape(b[i+1:])
			if n == 0 {
				return nil, false
			}
			i += n
		}
	}
	return nil, false
}

// escape is the length of what follows a backslash; 0: nothing that may.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		const digits = 4
		if len(b) <= digits {
			return 0
		}
		for _, c := range b[1 : digits+1] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return digits + 1
	}
	return 0
}

// number reads a number: a whole part without leading zeros, then perhaps a fraction and an exponent.
func number(b []byte) (rest []byte, ok bool) {
	b = bytes.TrimPrefix(b, []byte("-"))
	switch {
	case len(b) == 0:
		return nil, false
	case b[0] == '0':
		b = b[1:]
	default:
		if b, ok = digits(b); !ok {
			return nil, false
		}
	}
	if len(b) > 0 && b[0] == '.' {
		if b, ok = digits(b[1:]); !ok {
			return nil, false
		}
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		return digits(b)
	}
	return b, true
}

// digits reads one digit or more.
func digits(b []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return b[n:], n > 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
