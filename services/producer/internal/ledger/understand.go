package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"example.com/signet/services/producer/internal/jsontext"
)

// ErrPayload says that the event is not what its type promises. It is sent, and not counted; a receiver that keeps the
// same books does not count it either.
var ErrPayload = errors.New("payload not understood")

// maxID bounds the ids of users and orders, in bytes.
const maxID = 256

// Entry is what one event adds to the books.
type Entry struct {
	User  string // the user that was created; empty: this is about an order
	Order string // the order that was completed
	Minor int64
	// Currency is ISO 4217 in capitals, or empty.
	Currency string
}

// Understand reads the entry out of an event's body, the envelope. False: the type is none that counts.
// ErrPayload: it is, but the fields are missing or malformed.
//
// Ids are numbers or strings ("user_id" or else "id", "order_id" or else "id"), and a number is the same id as
// its text. An amount is "amount_minor", an integer, or else "amount", with at most two decimals; each a number
// or a string.
func Understand(eventType string, body []byte) (Entry, bool, error) {
	switch eventType {
	case "user.created":
		entry, err := readUser(body)
		return entry, true, err
	case "order.completed":
		entry, err := readOrder(body)
		return entry, true, err
	default:
		return Entry{}, false, nil
	}
}

func readUser(body []byte) (entry Entry, err error) {
	f, err := fieldsOf(body)
	if err == nil {
		entry.User, err = f.id("user_id", "id")
	}
	return entry, err
}

func readOrder(body []byte) (entry Entry, err error) {
	f, err := fieldsOf(body)
	if err != nil {
		return entry, err
	}
	if entry.Order, err = f.id("order_id", "id"); err != nil {
		return Entry{}, err
	}
	if entry.Minor, err = f.amount(); err != nil {
		return Entry{}, err
	}
	entry.Currency, err = f.currency()
	return entry, err
}

// fields are members of an object by their exact names; encoding/json would also take "Amount" for "amount". Of
// several with one name the last counts.
type fields [len(asked)]json.RawMessage

// asked are the members that anybody here asks for.
var asked = [...]string{"data", "user_id", "order_id", "id", "amount_minor", "amount", "currency"}

// fieldsOf finds the members of "data", or the envelope's own where there is none.
func fieldsOf(body []byte) (fields, error) {
	envelope, ok := members(body)
	if !ok {
		return fields{}, fmt.Errorf("%w: not an object", ErrPayload)
	}
	data, found := envelope.value("data")
	if !found {
		return envelope, nil
	}
	inner, ok := members(data)
	if !ok {
		return fields{}, fmt.Errorf("%w: data is not an object", ErrPayload)
	}
	return inner, nil
}

// members finds those that are asked for.
func members(text []byte) (found fields, ok bool) {
	ok = jsontext.Object(text, func(name, value []byte) bool {
		for i := range asked {
			if string(name) == asked[i] {
				found[i] = value
			}
		}
		return true
	})
	return found, ok
}

// value takes an explicit null for absent.
func (f *fields) value(name string) (json.RawMessage, bool) {
	value := f[slices.Index(asked[:], name)]
	return value, value != nil && string(value) != "null"
}

// scalar is the text of a string or a number.
func scalar(value json.RawMessage) (string, bool) {
	switch c := value[0]; {
	case c == '"':
		return jsontext.String(value)
	case c == '-', c >= '0' && c <= '9':
		return string(value), true
	default:
		return "", false
	}
}

func (f *fields) id(names ...string) (string, error) {
	for _, name := range names {
		value, found := f.value(name)
		if !found {
			continue
		}
		id, ok := scalar(value)
		if !ok || id == "" || len(id) > maxID || strings.ContainsFunc(id, unicode.IsControl) {
			return "", fmt.Errorf("%w: %s is not an id", ErrPayload, name)
		}
		return id, nil
	}
	return "", fmt.Errorf("%w: no %s", ErrPayload, names[0])
}

func (f *fields) amount() (int64, error) {
	name, decimals := "amount_minor", 0
	value, found := f.value(name)
	if !found {
		name, decimals = "amount", 2
		if value, found = f.value(name); !found {
			return 0, fmt.Errorf("%w: no amount", ErrPayload)
		}
	}
	text, ok := scalar(value)
	if !ok {
		return 0, fmt.Errorf("%w: %s %w", ErrPayload, name, ErrAmount)
	}
	minor, err := ParseMinor(text, decimals)
	if err != nil {
		return 0, fmt.Errorf("%w: %s %w", ErrPayload, name, err)
	}
	return minor, nil
}

func (f *fields) currency() (string, error) {
	value, found := f.value("currency")
	if !found {
		return "", nil
	}
	code, ok := "", value[0] == '"'
	if ok {
		code, ok = scalar(value)
	}
	if !ok || len(code) != 3 || strings.ContainsFunc(code, func(r rune) bool { return r > 'z' || !unicode.IsLetter(r) }) {
		return "", fmt.Errorf("%w: currency is not three letters", ErrPayload)
	}
	return strings.ToUpper(code), nil
}
