package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrKeyFormat says that a text is no key.
var ErrKeyFormat = errors.New("must be base64 of 32 bytes, as `openssl rand -base64 32` prints it")

// Key is a key for AES-256. The zero value means that none was given.
type Key struct {
	bytes [KeySize]byte
	given bool
}

// Given says whether there is a key.
func (k Key) Given() bool { return k.given }

// String keeps the key out of logs.
func (k Key) String() string { return "(key)" }

// GoString keeps the key out of logs.
func (k Key) GoString() string { return "(key)" }

// UnmarshalText reads base64 in the standard or the URL alphabet, with or without padding.
func (k *Key) UnmarshalText(text []byte) error {
	key, err := ParseKey(string(text))
	if err == nil {
		*k = key
	}
	return err
}

// ParseKey reads a key as UnmarshalText does. Errors are [ErrKeyFormat] and never quote the text.
func ParseKey(text string) (Key, error) {
	for _, encoding := range []*base64.Encoding{
		base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
	} {
		if raw, err := encoding.DecodeString(text); err == nil && len(raw) == KeySize {
			return Key{bytes: [KeySize]byte(raw), given: true}, nil
		}
	}
	return Key{}, ErrKeyFormat
}

// newKey makes a random key, as text.
func newKey() (string, error) {
	var raw [KeySize]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw[:]), nil
}
