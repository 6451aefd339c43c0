package ledger_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/producer/internal/ledger"
)

func TestParseMinor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0.00": 0, "0e999999999": 0, "1": 100, "19.99": 1999, "19.9": 1990, "19.990": 1999, "0.01": 1,
		"1999e-2": 1999, "1.999e1": 1999, "1E3": 100000, "1e+2": 10000, "10000000000000": 1_000_000_000_000_000,
		"0.1e1": 100, "100e-4": 1,
	} {
		if got, err := ledger.ParseMinor(text, 2); err != nil || got != want {
			t.Errorf("%s: %d %v, not %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", ".", "1.", ".5", "01", "+1", " 1", "1 ", "1,5", "0x1", "1e", "1e+", "NaN", "Infinity", "1e1.5", "--1", "1_0",
		"-1", "-0.01", "0.001", "1.999e0", "10000000000000.01", "1e999999999", "1e99999999999999999999", "1e-999999999",
		strings.Repeat("9", 100), "1e-99999999999999999999", "٣",
	} {
		if got, err := ledger.ParseMinor(text, 2); !errors.Is(err, ledger.ErrAmount) {
			t.Errorf("%q: %d %v", text, got, err)
		}
	}
	if got, err := ledger.ParseMinor("7", 0); err != nil || got != 7 {
		t.Errorf("whole: %d %v", got, err)
	}
	if _, err := ledger.ParseMinor("7.5", 0); err == nil {
		t.Error("a fraction of a minor unit was accepted")
	}
}

func TestMinor_thereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, ledger.MaxMinor).Draw(t, "minor")
		if back, err := ledger.ParseMinor(ledger.FormatMinor(minor), 2); err != nil || back != minor {
			t.Fatalf("%d became %d: %v", minor, back, err)
		}
	})
}

// An exact reference: what is accepted is that many hundredths, and what is refused is none of them.
func FuzzParseMinor(f *testing.F) {
	for _, seed := range []string{"19.99", "1e2", "-0", "1e999999999", "0.005", "1E-2", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ledger.ParseMinor(text, 2)
		if at := strings.IndexAny(text, "eE"); at >= 0 {
			if exponent, convErr := strconv.Atoi(text[at+1:]); convErr != nil || exponent > 100 || exponent < -100 {
				return // the reference would take for ever
			}
		}
		var number json.Number
		exact, ok := new(big.Rat).SetString(text)
		ok = ok && json.Unmarshal([]byte(text), &number) == nil && number.String() == text
		if !ok {
			if err == nil {
				t.Errorf("%q was accepted", text)
			}
			return
		}
		exact.Mul(exact, big.NewRat(100, 1))
		fits := exact.IsInt() && exact.Sign() >= 0 && exact.Cmp(big.NewRat(ledger.MaxMinor, 1)) <= 0
		if fits != (err == nil) || (fits && exact.Cmp(big.NewRat(got, 1)) != 0) {
			t.Errorf("%q: %d %v, exactly %s", text, got, err, exact)
		}
	})
}

func TestUnderstand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, eventType, body string
		want                  ledger.Entry
		ok                    bool
	}{
		{"user", "user.created", `{"data":{"id":"u1"}}`, ledger.Entry{User: "u1"}, true},
		{"number", "user.created", `{"data":{"id":123}}`, ledger.Entry{User: "123"}, true},
		{"user_id wins", "user.created", `{"data":{"id":1,"user_id":2}}`, ledger.Entry{User: "2"}, true},
		{"null is absent", "user.created", `{"data":{"id":1,"user_id":null}}`, ledger.Entry{User: "1"}, true},
		{"no data", "user.created", `{"id":"msg_1","data":null}`, ledger.Entry{User: "msg_1"}, true},
		{"exact names", "user.created", `{"data":{"ID":1}}`, ledger.Entry{}, false},
		{"last wins", "user.created", `{"data":{"id":1,"id":2}}`, ledger.Entry{User: "2"}, true},
		{"empty id", "user.created", `{"data":{"id":""}}`, ledger.Entry{}, false},
		{"control", "user.created", `{"data":{"id":"a\n"}}`, ledger.Entry{}, false},
		{"long id", "user.created", `{"data":{"id":"` + strings.Repeat("x", 257) + `"}}`, ledger.Entry{}, false},
		{"true", "user.created", `{"data":{"id":true}}`, ledger.Entry{}, false},
		{"data is a list", "user.created", `{"data":[1]}`, ledger.Entry{}, false},
		{"not JSON", "user.created", `{`, ledger.Entry{}, false},
		{"order", "order.completed", `{"data":{"order_id":"o","amount":19.99,"currency":"eur"}}`, ledger.Entry{Order: "o", Minor: 1999, Currency: "EUR"}, true},
		{"text amount", "order.completed", `{"data":{"id":7,"amount":"19.99"}}`, ledger.Entry{Order: "7", Minor: 1999}, true},
		{"minor wins", "order.completed", `{"data":{"id":7,"amount":1,"amount_minor":5}}`, ledger.Entry{Order: "7", Minor: 5}, true},
		{"minor with a fraction", "order.completed", `{"data":{"id":7,"amount_minor":5.5}}`, ledger.Entry{}, false},
		{"no amount", "order.completed", `{"data":{"id":7}}`, ledger.Entry{}, false},
		{"amount of another kind", "order.completed", `{"data":{"id":7,"amount":[1]}}`, ledger.Entry{}, false},
		{"currency of digits", "order.completed", `{"data":{"id":7,"amount":1,"currency":"123"}}`, ledger.Entry{}, false},
		{"currency of another kind", "order.completed", `{"data":{"id":7,"amount":1,"currency":978}}`, ledger.Entry{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, counts, err := ledger.Understand(tt.eventType, []byte(tt.body))
			if !counts || (err == nil) != tt.ok || (err == nil && got != tt.want) {
				t.Errorf("%+v %v", got, err)
			}
			if err != nil && !errors.Is(err, ledger.ErrPayload) {
				t.Errorf("error: %v", err)
			}
		})
	}
	if _, counts, err := ledger.Understand("order.created", []byte("{")); counts || err != nil {
		t.Errorf("another type: %v %v", counts, err)
	}
}

func FuzzUnderstand(f *testing.F) {
	f.Add("user.created", []byte(`{"data":{"id":1}}`))
	f.Add("order.completed", []byte(`{"data":{"order_id":"o","amount":1e999999999}}`))
	f.Add("order.completed", []byte(`{"data":{"order_id":"\ud800","amount":"","currency":"\u0045UR"}}`))
	f.Fuzz(func(t *testing.T, eventType string, body []byte) {
		entry, counts, err := ledger.Understand(eventType, body)
		if counts && err == nil && (entry.User == "") == (entry.Order == "") {
			t.Errorf("%s: %+v", body, entry)
		}
		if entry.Minor < 0 || entry.Minor > ledger.MaxMinor {
			t.Errorf("%s: %d", body, entry.Minor)
		}
	})
}
