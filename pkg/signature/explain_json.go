package signature

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Writing JSON the way other libraries do, token by token: numbers and the order
// of members stay as they are.

// jsonLayout is the space between tokens.
type jsonLayout struct {
	name         string
	kept         bool // all space stays as it is
	lines        bool // each member stands on a line of its own
	indent       string
	comma, colon string
}

// jsonEscapes is which characters of strings are escaped.
type jsonEscapes int

const (
	escapesKept    jsonEscapes = iota
	escapesMinimal             // JavaScript's, and of most others
	escapesASCII               // Python's
	escapesHTML                // Go's, Rails'
	escapesPHP                 // PHP's
	escapesSlash               // PHP's with JSON_UNESCAPED_UNICODE
)

type jsonStyle struct {
	jsonLayout

	escapes jsonEscapes
}

func (s jsonStyle) String() string {
	escapes := map[jsonEscapes]string{
		escapesMinimal: "characters unescaped", escapesASCII: `other than ASCII as \uXXXX`, escapesHTML: `< > & as \u003c \u003e \u0026`,
		escapesPHP: `/ as \/ and other than ASCII as \uXXXX`, escapesSlash: `/ as \/`,
	}[s.escapes]
	if escapes == "" {
		return s.name
	}
	return s.name + ", " + escapes
}

// jsonStyles are the common ways, the likeliest first.
func jsonStyles() []jsonStyle {
	compact := jsonLayout{name: "compact JSON", comma: ",", colon: ":"}
	python := jsonLayout{name: `JSON with ", " and ": "`, comma: ", ", colon: ": "}
	indented := func(indent, name string) jsonLayout {
		return jsonLayout{name: "JSON indented with " + name, lines: true, indent: indent, comma: ",", colon: ": "}
	}
	two, four, tab := indented("  ", "2 spaces"), indented("    ", "4 spaces"), indented("\t", "a tab")
	kept := jsonLayout{name: "the same JSON", kept: true}
	var styles []jsonStyle
	for _, layout := range []jsonLayout{compact, python, two, four, tab} {
		styles = append(styles, jsonStyle{layout, escapesKept})
	}
	add := func(layout jsonLayout, escapes ...jsonEscapes) {
		for _, e := range escapes {
			styles = append(styles, jsonStyle{layout, e})
		}
	}
	add(kept, escapesMinimal, escapesASCII, escapesHTML, escapesPHP, escapesSlash)
	add(compact, escapesMinimal, escapesASCII, escapesHTML, escapesPHP, escapesSlash)
	add(python, escapesASCII, escapesMinimal)
	add(two, escapesMinimal, escapesASCII, escapesHTML)
	add(four, escapesMinimal, escapesPHP)
	add(tab, escapesMinimal)
	return styles
}

// explainMaxWritten bounds what JSON may grow to: indenting can make much of
// little.
const explainMaxWritten = 4 * explainMaxBody

// jsonWriter writes one text anew.
type jsonWriter struct {
	style jsonStyle
	text  []byte // what is left to read
	out   []byte
	depth int
}

// writeJSON writes valid JSON in another style, without the space around it. It
// fails only when that grows too large.
func writeJSON(text []byte, style jsonStyle) ([]byte, bool) {
	w := jsonWriter{style: style, text: bytes.TrimSpace(text)}
	for len(w.text) > 0 {
		w.token()
		if len(w.out) > explainMaxWritten {
			return nil, false
		}
	}
	return w.out, true
}

func (w *jsonWriter) token() {
	b := w.text[0]
	switch b {
	case '"':
		w.quoted()
		return
	case ' ', '\t', '\r', '\n':
		if w.style.kept {
			w.out = append(w.out, b)
		}
	case '{', '[':
		w.open(b)
	case '}', ']':
		w.depth--
		w.line()
		w.out = append(w.out, b)
	case ',':
		w.separate(b, w.style.comma)
		w.line()
	case ':':
		w.separate(b, w.style.colon)
	default:
		w.out = append(w.out, b)
	}
	w.text = w.text[1:]
}

// separate writes a separator with the space that belongs to it.
func (w *jsonWriter) separate(b byte, text string) {
	if w.style.kept {
		text = string(b)
	}
	w.out = append(w.out, text...)
}

// open writes an opening bracket; what is empty stays on one line.
func (w *jsonWriter) open(b byte) {
	w.out = append(w.out, b)
	if !w.style.kept {
		rest := bytes.TrimLeft(w.text[1:], " \t\r\n")
		if len(rest) > 0 && (rest[0] == '}' || rest[0] == ']') {
			w.out = append(w.out, rest[0])
			w.text = rest // its first byte is passed by token
			return
		}
	}
	w.depth++
	w.line()
}

// line begins a new line. Depth is at most 10,000, so one is never very long.
func (w *jsonWriter) line() {
	if !w.style.lines {
		return
	}
	w.out = append(w.out, '\n')
	for range w.depth {
		w.out = append(w.out, w.style.indent...)
	}
}

// quoted writes a string.
func (w *jsonWriter) quoted() {
	end := 1
	for end < len(w.text) && w.text[end] != '"' {
		if w.text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(w.text)-1)
	inside := w.text[1:end]
	w.out = append(w.out, '"')
	if w.style.escapes == escapesKept {
		w.out = append(w.out, inside...)
	} else {
		for len(inside) > 0 {
			inside = w.character(inside)
		}
	}
	w.out = append(w.out, '"')
	w.text = w.text[end+1:]
}

// character writes the first character of a string and returns the others. What
// is no character, a lone surrogate or invalid UTF-8, stays as it is written.
func (w *jsonWriter) character(s []byte) []byte {
	r, size := utf8.DecodeRune(s)
	if s[0] == '\\' && len(s) > 1 {
		r, size = unescaped(s)
	}
	if r == utf8.RuneError && size != 3 {
		w.out = append(w.out, s[:size]...)
	} else {
		w.escape(r)
	}
	return s[size:]
}

// unescaped reads an escape. utf8.RuneError and a size other than 3: it is none.
func unescaped(s []byte) (rune, int) {
	if s[1] != 'u' {
		if at := bytes.IndexByte([]byte(`bfnrt`), s[1]); at >= 0 {
			return rune("\b\f\n\r\t"[at]), 2
		}
		return rune(s[1]), 2
	}
	first, ok := hexRune(s)
	if !ok {
		return utf8.RuneError, min(2, len(s))
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := hexRune(s[6:]); ok {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

// hexRune reads \uXXXX.
func hexRune(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	value, err := strconv.ParseUint(string(s[2:6]), 16, 32)
	return rune(value), err == nil
}

func (w *jsonWriter) escape(r rune) {
	e := w.style.escapes
	switch {
	case r == '"' || r == '\\' || r == '/' && (e == escapesPHP || e == escapesSlash):
		w.out = append(w.out, '\\', byte(r))
	case r == '\b' || r == '\f' || r == '\n' || r == '\r' || r == '\t':
		w.out = append(w.out, '\\', "btn?fr"[r-'\b'])
	case r < ' ',
		e == escapesHTML && (r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029'),
		(e == escapesASCII || e == escapesPHP) && r > '~' && r <= 0xffff:
		w.out = fmt.Appendf(w.out, `\u%04x`, r)
	case (e == escapesASCII || e == escapesPHP) && r > 0xffff:
		high, low := utf16.EncodeRune(r)
		w.out = fmt.Appendf(w.out, `\u%04x\u%04x`, high, low)
	default:
		w.out = utf8.AppendRune(w.out, r)
	}
}
