package event

import (
	"fmt"
	"unicode"
)

// maxID is the most bytes an id of a user or an order may have.
const maxID = 256

// ID reads an id from the first of the named fields that is present. A number keeps its text: 123 and "123"
// are the same id. An id is 1 to 256 bytes without control characters.
func (f Fields) ID(names ...string) (string, error) {
	for _, name := range names {
		value, found := f.value(name)
		if !found {
			continue
		}
		id, ok := text(value)
		if !ok && isNumber(value) {
			id, ok = string(value), true
		}
		if !ok || !validID(id) {
			return "", fmt.Errorf("%w: %s must be a number or a string of 1 to %d bytes without control characters", ErrPayload, name, maxID)
		}
		return id, nil
	}
	return "", fmt.Errorf("%w: %s is missing", ErrPayload, names[0])
}

// Currency reads the field "currency": three letters, returned in upper case, or "" when it is absent.
func (f Fields) Currency() (string, error) {
	value, found := f.value("currency")
	if !found {
		return "", nil
	}
	code, ok := text(value)
	if !ok || len(code) != 3 {
		return "", errCurrency()
	}
	upper := []byte(code)
	for i, c := range upper {
		if c >= 'a' && c <= 'z' {
			upper[i] = c - 'a' + 'A'
		}
		if upper[i] < 'A' || upper[i] > 'Z' {
			return "", errCurrency()
		}
	}
	return string(upper), nil
}

func errCurrency() error {
	return fmt.Errorf("%w: currency must be three letters (ISO 4217)", ErrPayload)
}

// Amount reads an amount of money in minor units (cents) from "amount_minor", an integer, or else from
// "amount", a number with at most two decimals. Either may be a JSON number or a string; neither may be
// negative or exceed MaxMinor.
func (f Fields) Amount() (int64, error) {
	name, decimals := "amount_minor", 0
	value, found := f.value(name)
	if !found {
		name, decimals = "amount", 2
		value, found = f.value(name)
	}
	if !found {
		return 0, fmt.Errorf("%w: amount is missing", ErrPayload)
	}
	number, ok := text(value)
	if !ok {
		number = string(value)
	}
	minor, err := ParseMinor(number, decimals)
	if err != nil {
		return 0, fmt.Errorf("%w: %s %w", ErrPayload, name, err)
	}
	return minor, nil
}

func isNumber(value []byte) bool {
	return len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9')
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
