// Package example holds payloads and batches to begin with, as files that are written into a directory.
//
// They are what the demo's receiver understands; that each of them works there is tested against a real one. It knows
// nothing of secrets: those are given when the files are sent.
package example

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultURL is where the demo's receiver takes webhooks.
const DefaultURL = "http://localhost:8000/webhook"

//go:embed files
var files embed.FS

// ErrExists is wrapped by the error of a file that is there already.
var ErrExists = errors.New("exists already")

// Write writes every example into dir, which is made when it is absent, with url in the place of DefaultURL. It answers
// the files' paths, sorted. Unless force is set it writes nothing when one of the files exists, with [ErrExists] for each.
func Write(dir, url string, force bool) ([]string, error) {
	quoted, err := json.Marshal(url)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		return nil, err
	}
	var paths []string
	var taken []error
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		paths = append(paths, path)
		if _, err := os.Lstat(path); err == nil && !force {
			taken = append(taken, fmt.Errorf("%s %w", path, ErrExists))
		}
	}
	if err := errors.Join(taken...); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := files.ReadFile("files/" + filepath.Base(path))
		if err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte(`"`+DefaultURL+`"`), quoted)
		if err := write(path, text, force); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// write replaces a file only when it may, even when it came into being just now.
func write(path string, text []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !force {
		flags |= os.O_EXCL
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", path, ErrExists)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// IsBatch reports whether an example is sent by batch, rather than by send.
func IsBatch(path string) bool { return strings.HasPrefix(filepath.Base(path), "batch.") }
