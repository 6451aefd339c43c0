package batch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/signet/services/producer/internal/batch"
)

// TestCreateFailures: nothing that stands beside the file is touched, followed or lent its mode.
func TestCreateFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "left"), filepath.Join(dir, "victim")
	for _, name := range []string{victim, path} {
		if err := os.WriteFile(name, []byte("before"), 0o666); err != nil { //nolint:gosec // that it is open to all is the point
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, path+".part"); err != nil {
		t.Fatal(err)
	}
	failures, err := batch.CreateFailures(path, batch.Lines)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := reader(t, strings.NewReader(entries(1))).Next()
	if err != nil || failures.Add(entry) != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "before" {
		t.Errorf("replaced before its end: %q, %v", text, err)
	}
	if name, err := failures.Close(true); err != nil || name != path {
		t.Fatalf("%s: %v", name, err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "before" {
		t.Errorf("the victim: %q, %v", text, err)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 3 {
		t.Errorf("left beside it: %v, %v", found, err)
	}
	if _, err := batch.CreateFailures(dir, batch.Lines); err == nil {
		t.Error("a directory was taken")
	}
}
