package ledger

import (
	"errors"
	"strconv"
	"strings"
)

// MaxMinor is the largest amount that counts, in minor units.
const MaxMinor int64 = 1_000_000_000_000_000

// ErrAmount is the error of a text that is no amount of money.
var ErrAmount = errors.New("must be a decimal number from 0 to 10^15 minor units, without fractions of one")

// ParseMinor reads a decimal number, written as JSON writes numbers, in units of 10^-decimals: with two
// decimals "19.99" and "1999e-2" are 1999. Nothing is rounded and no binary fraction is involved. The work is
// bounded by the length of the text, whatever its exponent.
func ParseMinor(text string, decimals int) (int64, error) {
	mantissa, exponent, ok := splitExponent(text)
	if !ok {
		return 0, ErrAmount
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	if !isDigits(whole) || (len(whole) > 1 && whole[0] == '0') || (dotted && !isDigits(fraction)) {
		return 0, ErrAmount
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, nil
	}
	significant := strings.TrimRight(digits, "0")
	zeros := exponent + decimals - len(fraction) + len(digits) - len(significant)
	if negative || zeros < 0 || len(significant)+zeros > len("1000000000000000") {
		return 0, ErrAmount
	}
	minor, err := strconv.ParseInt(significant+strings.Repeat("0", zeros), 10, 64)
	if err != nil || minor > MaxMinor {
		return 0, ErrAmount
	}
	return minor, nil
}

// FormatMinor writes minor units as a JSON number with two decimals: 1999 is "19.99".
func FormatMinor(minor int64) string {
	cents := strconv.FormatInt(minor%100, 10)
	if len(cents) < 2 {
		cents = "0" + cents
	}
	return strconv.FormatInt(minor/100, 10) + "." + cents
}

// hugeExponent stands for every exponent beyond it. No text that fits into memory has as many digits, so none
// comes back into range.
const hugeExponent = 1 << 40

func splitExponent(text string) (mantissa string, exponent int, ok bool) {
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		return text, 0, true
	}
	digits := text[at+1:]
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	if !isDigits(digits) {
		return "", 0, false
	}
	exponent, err := strconv.Atoi(digits)
	if err != nil || exponent > hugeExponent {
		exponent = hugeExponent
	}
	if negative {
		exponent = -exponent
	}
	return text[:at], exponent, true
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
