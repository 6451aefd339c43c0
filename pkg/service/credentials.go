package service

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const maxCredential = 64 << 10

var (
	// ErrEmptyFile says that a credentials file exists but holds nothing.
	ErrEmptyFile = errors.New("file is empty")
	// ErrFileTooLarge says that a credentials file is over 64 KiB.
	ErrFileTooLarge = errors.New("file is larger than 64 KiB")
)

// LoadOrCreate reads the credential in the file at path; when there is no such file, it takes one from generate
// and writes it there with the given mode. It never overwrites: of several processes that start at once one
// creates the file, and all return its value. The file appears whole or not at all, and is on disk before
// LoadOrCreate returns. One trailing newline does not belong to the value.
//
// Errors name the path; an existing file without content is [ErrEmptyFile].
func LoadOrCreate(path string, mode fs.FileMode, generate func() (string, error)) (value string, created bool, err error) {
	value, err = loadCredential(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return value, false, err
	}
	value, err = generate()
	if err != nil {
		return "", false, fmt.Errorf("make the credential for %s: %w", path, err)
	}
	if value == "" {
		return "", false, fmt.Errorf("make the credential for %s: %w", path, ErrEmptyFile)
	}
	err = publish(path, mode, value+"\n")
	if errors.Is(err, fs.ErrExist) { // another process was first
		value, err = loadCredential(path)
		return value, false, err
	}
	if err != nil {
		return "", false, fmt.Errorf("create %s: %w", path, err)
	}
	return value, true, nil
}

// NewToken is a strong random token: 64 hexadecimal characters, 256 bits.
func NewToken() (string, error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

func loadCredential(path string) (string, error) {
	value, err := readLine(path)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(value) == "" {
		return "", fmt.Errorf("%s: %w", path, ErrEmptyFile)
	}
	return value, nil
}

// readLine reads a file of at most 64 KiB, less one trailing newline. Its errors name the path.
func readLine(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read from
	content, err := io.ReadAll(io.LimitReader(file, maxCredential+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxCredential {
		return "", fmt.Errorf("%s: %w", path, ErrFileTooLarge)
	}
	line, cut := strings.CutSuffix(string(content), "\n")
	if cut {
		line = strings.TrimSuffix(line, "\r")
	}
	return line, nil
}

// publish writes a file beside path, makes it durable, and only then gives it its name. Linking, unlike
// renaming, fails with fs.ErrExist when the name is taken.
func publish(path string, mode fs.FileMode, content string) (err error) {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	if err = errors.Join(fill(file, mode, content), file.Close()); err != nil {
		return err
	}
	if err = os.Link(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func fill(file *os.File, mode fs.FileMode, content string) error {
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if _, err := file.WriteString(content); err != nil {
		return err
	}
	return file.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
