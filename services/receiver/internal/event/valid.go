package event

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how many objects and arrays may stand in each other: as many as encoding/json takes.
const maxDepth = 10000

// scanner walks through JSON text and takes what encoding/json.Valid takes (RFC 8259; strings may hold bytes that are
// not UTF-8). Its methods report whether what they passed was JSON. That package's own scanner makes a call for each
// byte, and every webhook is scanned.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// next passes space and returns the byte after it without passing that; 0 at the end, which no text has in this place.
func (s *scanner) next() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\n', '\t', '\r':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) value() bool {
	switch s.next() {
	case '{':
		return s.object(nil)
	case '[':
		return s.array()
	case '"':
		_, ok := s.quoted()
		return ok
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// object passes an object, whose brace is next. The members are told to top, if there is one.
func (s *scanner) object(top *Envelope) bool {
	if !s.enter() {
		return false
	}
	if s.next() == '}' {
		return s.leave()
	}
	for s.next() == '"' {
		start := s.at
		escaped, ok := s.quoted()
		key := s.text[start:s.at]
		if !ok || s.next() != ':' {
			return false
		}
		s.at++
		s.next()
		if start = s.at; !s.value() {
			return false
		}
		if top != nil {
			top.note(key, escaped, s.text[start:s.at])
		}
		switch s.next() {
		case ',':
			s.at++
		case '}':
			return s.leave()
		default:
			return false
		}
	}
	return false
}

// array passes an array, whose bracket is next.
func (s *scanner) array() bool {
	if !s.enter() {
		return false
	}
	if s.next() == ']' {
		return s.leave()
	}
	for s.value() {
		switch s.next() {
		case ',':
			s.at++
		case ']':
			return s.leave()
		default:
			return false
		}
	}
	return false
}

func (s *scanner) enter() bool {
	s.at++
	s.depth++
	return s.depth <= maxDepth
}

func (s *scanner) leave() bool {
	s.at++
	s.depth--
	return true
}

func (s *scanner) word(w string) bool {
	if end := s.at + len(w); end <= len(s.text) && string(s.text[s.at:end]) == w {
		s.at = end
		return true
	}
	return false
}

// number passes -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?.
func (s *scanner) number() bool {
	if s.is('-') {
		s.at++
	}
	if s.is('0') {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.is('.') {
		if s.at++; !s.digits() {
			return false
		}
	}
	if s.is('e') || s.is('E') {
		if s.at++; s.is('+') || s.is('-') {
			s.at++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) is(c byte) bool { return s.at < len(s.text) && s.text[s.at] == c }

// digits passes at least one.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at > start
}

// quoted passes a string, whose quote is next, and says whether it has escapes.
func (s *scanner) quoted() (escaped, ok bool) {
	s.at++
	for {
		s.at += plain(s.text[s.at:])
		switch {
		case s.is('"'):
			s.at++
			return escaped, true
		case !s.is('\\') || !s.escape():
			return escaped, false
		}
		escaped = true
	}
}

// escape passes a backslash and what belongs to it.
func (s *scanner) escape() bool {
	rest := s.text[s.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		if len(rest) >= 6 && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]) && isHex(rest[5]) {
			s.at += 6
			return true
		}
	}
	return false
}

func isHex(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 5 }

// plain is how many bytes at the start of b stand for themselves within a string: all but quotes, backslashes and
// control characters. It looks at eight at a time, because most of an event is text. The tests for a byte in a word are
// those of https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord: they may also mark bytes above one that is
// rightly marked, so that only the lowest mark counts.
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(b[n:])
		quote, slash := word^ones*'"', word^ones*'\\'
		marks := (word-ones*' ')&^word | (quote-ones)&^quote | (slash-ones)&^slash
		if marks &= highs; marks != 0 {
			return n + bits.TrailingZeros64(marks)/8
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < ' ' || c == '"' || c == '\\' {
			return n
		}
	}
	return n
}
