// Package keyring encrypts what must not lie readable in the database: the endpoints' secrets.
//
// It seals with AES-256-GCM under one key. The key comes from the environment or from a file beside the
// database, and a check value in the database tells at the start whether it is the right one: with a wrong key
// every delivery would fail much later and for no visible reason.
//
// It protects a stolen database or backup. It does not protect against who can read the process's environment
// or its volume.
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
)

// Errors of opening a keyring and what it sealed.
var (
	// ErrWrongKey: the key is not the one the database was begun with.
	ErrWrongKey = errors.New("the encryption key (PRODUCER_ENCRYPTION_KEY) does not open this database")
	// ErrKeyMissing: the database was begun with a key that is not there any more.
	ErrKeyMissing = errors.New("the encryption key of this database is missing")
	// ErrSealed: what was sealed cannot be opened; it was damaged or belongs elsewhere.
	ErrSealed = errors.New("sealed value cannot be opened")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the keyring's table, for relay.Config.
func Migrations() (relay.Migrations, error) {
	files, err := fs.Sub(migrations, "migrations")
	return relay.Migrations{Name: "keyring", Files: files}, err
}

// Keyring seals and opens. It is safe for concurrent use.
type Keyring struct {
	aead cipher.AEAD
}

// New makes a keyring for a key.
func New(key Key) (*Keyring, error) {
	if !key.given {
		return nil, ErrKeyFormat
	}
	block, err := aes.NewCipher(key.bytes[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Keyring{aead: aead}, nil
}

// Seal encrypts a value for one owner, such as an endpoint's id; it opens for that owner only.
func (k *Keyring) Seal(value, owner string) []byte {
	return k.aead.Seal(nil, nil, []byte(value), []byte(owner))
}

// Open decrypts what Seal made for this owner. The error is [ErrSealed].
func (k *Keyring) Open(sealed []byte, owner string) (string, error) {
	value, err := k.aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return "", ErrSealed
	}
	return string(value), nil
}

// Store is where the check value lies.
type Store interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	AppendTx(ctx context.Context, f func(ctx context.Context, tx *relay.OutboxTx) error) error
}

const (
	selectCheck = `SELECT sealed FROM keyring_check WHERE id = 1`
	insertCheck = `INSERT INTO keyring_check (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING`

	checkText  = "signet"
	checkOwner = "keyring"
)

// Open finds the key and proves it on the database. Without a given key it is the one in the file at path,
// which is made, with mode 0600, if the database has not been begun with another; created says so.
//
// Errors are [ErrWrongKey], [ErrKeyMissing], and those of the file and the store.
func Open(ctx context.Context, store Store, given Key, path string) (ring *Keyring, created bool, err error) {
	check, err := readCheck(ctx, store)
	if err != nil {
		return nil, false, fmt.Errorf("keyring: %w", err)
	}
	if !given.Given() {
		if given, created, err = fileKey(path, check != nil); err != nil {
			return nil, false, err
		}
	}
	if ring, err = New(given); err != nil {
		return nil, false, err
	}
	if check == nil { // of several that begin at once one is first, and the others' key must be his
		if err := begin(ctx, store, ring); err != nil {
			return nil, false, err
		}
		if check, err = readCheck(ctx, store); err != nil {
			return nil, false, fmt.Errorf("keyring: %w", err)
		}
	}
	if text, err := ring.Open(check, checkOwner); err != nil || text != checkText {
		return nil, false, ErrWrongKey
	}
	return ring, created, nil
}

func fileKey(path string, begun bool) (key Key, created bool, err error) {
	if begun { // a new key would only be the wrong one
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return Key{}, false, fmt.Errorf("%w: set PRODUCER_ENCRYPTION_KEY or restore %s", ErrKeyMissing, path)
		}
	}
	text, created, err := service.LoadOrCreate(path, 0o600, newKey)
	if err != nil {
		return Key{}, false, fmt.Errorf("encryption key: %w", err)
	}
	if key, err = ParseKey(text); err != nil {
		return Key{}, false, fmt.Errorf("encryption key: %s %w", path, err)
	}
	return key, created, nil
}

// readCheck answers nil for a database that has not been begun.
func readCheck(ctx context.Context, store Store) (sealed []byte, err error) {
	rows, err := store.Query(ctx, selectCheck)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		err = rows.Scan(&sealed)
	}
	return sealed, errors.Join(err, rows.Err())
}

func begin(ctx context.Context, store Store, ring *Keyring) error {
	err := store.AppendTx(ctx, func(ctx context.Context, tx *relay.OutboxTx) error {
		_, err := tx.Exec(ctx, insertCheck, ring.Seal(checkText, checkOwner))
		return err
	})
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}
