package signature

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// maxFields bounds the fields of a signed form, which are sorted before anything
// is proven. Real ones have a few dozen.
const maxFields = 1024

// fewFields is how many are sorted without allocating.
const fewFields = 48

// formField is where a decoded field stands in a buffer: its name from start to
// middle, its value from there to end.
type formField struct{ start, middle, end int }

// appendFormFields appends a form's fields, decoded and sorted by name and value,
// each value right after its name, from start on. A field that stands there twice
// with one value counts once, as in Twilio's libraries. What is in dst between its
// length and start is of no use to the caller.
func appendFormFields(dst, form []byte) (extended []byte, start int, err error) {
	var few [fewFields]formField
	fields := few[:0]
	for len(form) > 0 {
		var pair []byte
		pair, form, _ = bytes.Cut(form, []byte("&"))
		if len(pair) == 0 {
			continue
		}
		if len(fields) == maxFields {
			return dst, len(dst), fmt.Errorf("%w: more than %d fields", ErrMalformed, maxFields)
		}
		var ok bool
		f := formField{start: len(dst)}
		name, value, _ := bytes.Cut(pair, []byte("="))
		if dst, ok = appendDecoded(dst, name); ok {
			f.middle = len(dst)
			dst, ok = appendDecoded(dst, value)
		}
		if !ok {
			return dst, len(dst), fmt.Errorf("%w: the form has an unfinished escape or a semicolon", ErrMalformed)
		}
		f.end = len(dst)
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b formField) int { return a.compare(b, dst) })
	start = len(dst)
	for i, f := range fields {
		if i == 0 || f.compare(fields[i-1], dst) != 0 {
			dst = append(dst, dst[f.start:f.end]...)
		}
	}
	return dst, start, nil
}

func (f formField) compare(other formField, text []byte) int {
	return cmp.Or(
		bytes.Compare(text[f.start:f.middle], text[other.start:other.middle]),
		bytes.Compare(text[f.middle:f.end], text[other.middle:other.end]),
	)
}

// appendDecoded decodes a name or value. A semicolon is refused: some readers
// take it to separate fields.
func appendDecoded(dst, text []byte) ([]byte, bool) {
	for {
		plain := 0
		for plain < len(text) && !isFormSyntax(text[plain]) {
			plain++
		}
		dst, text = append(dst, text[:plain]...), text[plain:]
		switch {
		case len(text) == 0:
			return dst, true
		case text[0] == '+':
			dst, text = append(dst, ' '), text[1:]
			continue
		case text[0] == ';' || len(text) < len("%00"):
			return dst, false
		}
		high, low := hexValue(text[1]), hexValue(text[2])
		if high|low > 0xf {
			return dst, false
		}
		dst, text = append(dst, high<<4|low), text[len("%00"):]
	}
}

func isFormSyntax(b byte) bool { return b == '%' || b == '+' || b == ';' }

// hexValue returns what a hexadecimal digit stands for, and 0xff for anything
// else.
func hexValue(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10
	}
	return 0xff
}
