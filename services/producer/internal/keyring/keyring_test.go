package keyring_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/signet/services/producer/internal/keyring"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	raw := []byte(strings.Repeat("\xfb\xff", 16))
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	} {
		key, err := keyring.ParseKey(text)
		if err != nil || !key.Given() {
			t.Errorf("%s: %v", text, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(shown, "251") || strings.Contains(shown, "fb") {
			t.Errorf("shown: %s", shown)
		}
	}
	for _, text := range []string{"", "short", base64.StdEncoding.EncodeToString(raw[:31]), strings.Repeat("!", 44)} {
		if key, err := keyring.ParseKey(text); !errors.Is(err, keyring.ErrKeyFormat) || key.Given() {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyring_sealsForOneOwner(t *testing.T) {
	t.Parallel()
	ring, other := newRing(t, "a"), newRing(t, "b")
	sealed := ring.Seal("secret", "ep_1")
	if again := ring.Seal("secret", "ep_1"); string(again) == string(sealed) {
		t.Error("the same text sealed twice looks the same")
	}
	if got, err := ring.Open(sealed, "ep_1"); err != nil || got != "secret" {
		t.Errorf("%q %v", got, err)
	}
	damaged := append([]byte(nil), sealed...)
	damaged[len(damaged)-1] ^= 1
	for name, open := range map[string]func() (string, error){
		"another owner": func() (string, error) { return ring.Open(sealed, "ep_2") },
		"another key":   func() (string, error) { return other.Open(sealed, "ep_1") },
		"damaged":       func() (string, error) { return ring.Open(damaged, "ep_1") },
		"cut":           func() (string, error) { return ring.Open(sealed[:5], "ep_1") },
		"empty":         func() (string, error) { return ring.Open(nil, "ep_1") },
	} {
		if got, err := open(); !errors.Is(err, keyring.ErrSealed) || got != "" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if _, err := keyring.New(keyring.Key{}); !errors.Is(err, keyring.ErrKeyFormat) {
		t.Errorf("no key: %v", err)
	}
}

func newRing(t *testing.T, letter string) *keyring.Keyring {
	t.Helper()
	key, err := keyring.ParseKey(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, keyring.KeySize))))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
