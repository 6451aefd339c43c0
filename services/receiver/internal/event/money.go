package event

import (
	"errors"
	"strconv"
	"strings"
)

// MaxMinor is the largest amount taken, in minor units: ten trillion of the major one.
const MaxMinor int64 = 1_000_000_000_000_000

// Why an amount was refused. The texts follow a field's name.
var (
	ErrNotNumber = errors.New("must be a decimal number")
	ErrNegative  = errors.New("must not be negative")
	ErrInexact   = errors.New("has too many decimals")
	ErrTooLarge  = errors.New("is too large")
)

// ParseMinor turns the text of a decimal number, in JSON's grammar, into units of 10^-decimals: with 2
// decimals "99.99" is 9999. It never rounds and never goes through a binary fraction; its work is bounded by
// the length of the text, whatever the exponent says. decimals is 0 to 9.
func ParseMinor(text string, decimals int) (int64, error) {
	n, ok := splitNumber(text)
	if !ok {
		return 0, ErrNotNumber
	}
	digits := strings.TrimLeft(n.whole+n.fraction, "0")
	if digits == "" {
		return 0, nil
	}
	if n.negative {
		return 0, ErrNegative
	}
	significant := strings.TrimRight(digits, "0")
	shift := n.exponent + int64(decimals-len(n.fraction)+len(digits)-len(significant))
	switch {
	case shift < 0:
		return 0, ErrInexact
	case int64(len(significant))+shift > 16: // MaxMinor has 16 digits
		return 0, ErrTooLarge
	}
	minor, err := strconv.ParseInt(significant+strings.Repeat("0", int(shift)), 10, 64)
	if err != nil || minor > MaxMinor {
		return 0, ErrTooLarge
	}
	return minor, nil
}

// FormatMinor writes minor units (of two decimals) for people: 120450 is "1 204.50".
func FormatMinor(minor int64) string {
	sign := ""
	if minor < 0 {
		sign = "-"
	}
	digits := strings.TrimPrefix(strconv.FormatInt(minor, 10), "-")
	for len(digits) < 3 {
		digits = "0" + digits
	}
	whole, cents := digits[:len(digits)-2], digits[len(digits)-2:]
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range []byte(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(c)
	}
	return b.String() + "." + cents
}

// number is a decimal number taken apart: (-)whole.fraction × 10^exponent.
type number struct {
	negative        bool
	whole, fraction string
	exponent        int64
}

// maxExponent bounds exponents: no text that fits in memory brings a number back from beyond it.
const maxExponent = 1 << 40

// splitNumber takes a JSON number apart (RFC 8259, section 6).
func splitNumber(text string) (number, bool) {
	var n number
	rest := text
	rest, n.negative = strings.CutPrefix(rest, "-")
	n.whole, rest = leadingDigits(rest)
	if n.whole == "" || n.whole[0] == '0' && len(n.whole) > 1 {
		return number{}, false
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if n.fraction, rest = leadingDigits(after); n.fraction == "" {
			return number{}, false
		}
	}
	if rest == "" {
		return n, true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return number{}, false
	}
	exponent, ok := parseExponent(rest[1:])
	n.exponent = exponent
	return n, ok
}

// parseExponent reads an exponent, held within ±maxExponent.
func parseExponent(text string) (int64, bool) {
	sign := int64(1)
	if text != "" && (text[0] == '+' || text[0] == '-') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	digits, rest := leadingDigits(text)
	if digits == "" || rest != "" {
		return 0, false
	}
	exponent := int64(0)
	for _, c := range []byte(digits) {
		exponent = min(exponent*10+int64(c-'0'), maxExponent)
	}
	return sign * exponent, true
}

func leadingDigits(s string) (digits, rest string) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	return s[:end], s[end:]
}
