package event_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/receiver/internal/event"
)

func TestParseMinor(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		want int64
		err  error
	}{
		"99.99":                         {9999, nil},
		"0.1":                           {10, nil},
		"0.30":                          {30, nil},
		"1.10000":                       {110, nil},
		"0":                             {0, nil},
		"-0":                            {0, nil},
		"-0.00":                         {0, nil},
		"0e999999999":                   {0, nil},
		"1e2":                           {10000, nil},
		"1E+2":                          {10000, nil},
		"12345e-2":                      {12345, nil},
		"1e-2":                          {1, nil},
		"10000000000000":                {event.MaxMinor, nil},
		"1e13":                          {event.MaxMinor, nil},
		"10000000000000.1":              {0, event.ErrTooLarge},
		"1e14":                          {0, event.ErrTooLarge},
		"1e999999999":                   {0, event.ErrTooLarge},
		"1e-999999999":                  {0, event.ErrInexact},
		"1e99999999999999999999999999":  {0, event.ErrTooLarge},
		"1e-99999999999999999999999999": {0, event.ErrInexact},
		"0.001":                         {0, event.ErrInexact},
		"1e-3":                          {0, event.ErrInexact},
		"-1":                            {0, event.ErrNegative},
		"-0.01":                         {0, event.ErrNegative},
		"":                              {0, event.ErrNotNumber}, "-": {0, event.ErrNotNumber}, "+1": {0, event.ErrNotNumber},
		"01": {0, event.ErrNotNumber}, "1.": {0, event.ErrNotNumber}, ".5": {0, event.ErrNotNumber},
		"1e": {0, event.ErrNotNumber}, "1e+": {0, event.ErrNotNumber}, "1,5": {0, event.ErrNotNumber},
		" 1": {0, event.ErrNotNumber}, "1 ": {0, event.ErrNotNumber}, "0x10": {0, event.ErrNotNumber},
		"NaN": {0, event.ErrNotNumber}, "Infinity": {0, event.ErrNotNumber}, "1_000": {0, event.ErrNotNumber},
		"{}": {0, event.ErrNotNumber}, "٣": {0, event.ErrNotNumber},
		"1" + strings.Repeat("0", 5000) + "e-5000":  {100, nil},
		"0." + strings.Repeat("0", 5000) + "1e5001": {100, nil},
		"1." + strings.Repeat("0", 5000):            {100, nil},
		"1." + strings.Repeat("0", 5000) + "1":      {0, event.ErrInexact},
		strings.Repeat("9", 5000):                   {0, event.ErrTooLarge},
		"9999999999999.99":                          {999_999_999_999_999, nil},
		"9999999999999.999":                         {0, event.ErrInexact},
	} {
		t.Run(fmt.Sprintf("%.24s", text), func(t *testing.T) {
			t.Parallel()
			got, err := event.ParseMinor(text, 2)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("ParseMinor(%.40q) = %d, %v; want %d, %v", text, got, err, c.want, c.err)
			}
		})
	}
}

// exact is ParseMinor by way of big.Rat, for texts with small exponents.
func exact(text string, decimals int) (int64, bool) {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
	if !r.IsInt() || r.Sign() < 0 || !r.Num().IsInt64() || r.Num().Int64() > event.MaxMinor {
		return 0, false
	}
	return r.Num().Int64(), true
}

func TestParseMinor_isExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		decimals := rapid.IntRange(0, 9).Draw(t, "decimals")
		want, ok := exact(text, decimals)
		got, err := event.ParseMinor(text, decimals)
		if (err == nil) != ok || got != want {
			t.Fatalf("ParseMinor(%q, %d) = %d, %v; want %d, %v", text, decimals, got, err, want, ok)
		}
	})
}

func TestFormatMinor_roundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(0, event.MaxMinor).Draw(t, "minor")
		got, err := event.ParseMinor(strings.ReplaceAll(event.FormatMinor(want), " ", ""), 2)
		if err != nil || got != want {
			t.Fatalf("%d became %q and then %d, %v", want, event.FormatMinor(want), got, err)
		}
	})
}

func TestFormatMinor(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int64]string{
		0: "0.00", 5: "0.05", 9999: "99.99", 120450: "1 204.50", 100000000: "1 000 000.00", -120450: "-1 204.50",
	} {
		if got := event.FormatMinor(minor); got != want {
			t.Errorf("FormatMinor(%d) = %q, want %q", minor, got, want)
		}
	}
}

func FuzzParseMinor(f *testing.F) {
	for _, seed := range []string{"99.99", "1e2", "-0.0e5", "1e999999999", "0.0000001e7", "00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := event.ParseMinor(text, 2)
		if err != nil {
			return
		}
		if got < 0 || got > event.MaxMinor {
			t.Fatalf("ParseMinor(%q) = %d", text, got)
		}
		if len(text) > 64 || strings.ContainsAny(text, "eE") && len(text) > 12 {
			return // big.Rat would work through the exponent
		}
		if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found && len(exponent) > 4 {
			return
		}
		if want, ok := exact(text, 2); !ok || got != want {
			t.Errorf("ParseMinor(%q) = %d, want %d, %v", text, got, want, ok)
		}
	})
}
