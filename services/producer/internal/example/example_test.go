package example_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/signet/services/producer/internal/example"
)

// That the examples work against a receiver is tested by the module's scripts.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	const url = `http://host.test/?a="b"&c='d'`
	paths, err := example.Write(dir, url, false)
	if err != nil || len(paths) != 6 {
		t.Fatalf("%v: %v", paths, err)
	}
	quoted, err := json.Marshal(url)
	if err != nil {
		t.Fatal(err)
	}
	batches := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), example.DefaultURL) || example.IsBatch(path) != strings.Contains(string(text), string(quoted)) {
			t.Errorf("%s goes elsewhere:\n%s", path, text)
		}
		if example.IsBatch(path) {
			batches++
		} else if !json.Valid(text) {
			t.Errorf("%s is not JSON", path)
		}
	}
	if batches != 3 {
		t.Errorf("%d batches", batches)
	}
}

func TestWrite_overwritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := filepath.Join(dir, "batch.yaml")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := example.Write(dir, example.DefaultURL, false)
	if !errors.Is(err, example.ErrExists) || !strings.Contains(err.Error(), mine) {
		t.Errorf("error: %v", err)
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) != 1 {
		t.Errorf("%d files: %v", len(there), err)
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("%s: %v", text, err)
	}
	if _, err := example.Write(dir, example.DefaultURL, true); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) == "mine" {
		t.Errorf("%s: %v", text, err)
	}
	if _, err := example.Write(filepath.Join(mine, "below"), example.DefaultURL, false); err == nil {
		t.Error("a directory below a file was made")
	}
}
