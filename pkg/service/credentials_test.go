package service_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/signet/pkg/service"
)

func TestLoadOrCreate_Creates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	value, created, err := service.LoadOrCreate(path, 0o600, func() (string, error) { return "fresh", nil })
	if value != "fresh" || !created || err != nil {
		t.Fatalf("%q, %v, %v", value, created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	value, created, err = service.LoadOrCreate(path, 0o600, func() (string, error) { return "other", nil })
	if value != "fresh" || created || err != nil {
		t.Errorf("second call: %q, %v, %v", value, created, err)
	}
	expectOnly(t, path)
}

func TestLoadOrCreate_ManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	var (
		group     sync.WaitGroup
		creations atomic.Int32
		values    sync.Map
	)
	for range 32 {
		group.Go(func() {
			value, created, err := service.LoadOrCreate(path, 0o600, service.NewToken)
			if err != nil {
				t.Error(err)
			}
			if created {
				creations.Add(1)
			}
			values.Store(value, true)
		})
	}
	group.Wait()
	distinct := 0
	values.Range(func(any, any) bool { distinct++; return true })
	if creations.Load() != 1 || distinct != 1 {
		t.Errorf("%d creations and %d values, want one of each", creations.Load(), distinct)
	}
	expectOnly(t, path)
}

func TestLoadOrCreate_Errors(t *testing.T) {
	t.Parallel()
	failure := errors.New("no entropy")
	tests := map[string]struct {
		content  *string
		dir      string
		generate func() (string, error)
		want     error
	}{
		"empty file":      {content: new(""), want: service.ErrEmptyFile},
		"blank file":      {content: new(" \n"), want: service.ErrEmptyFile},
		"large file":      {content: new(strings.Repeat("x", 64<<10+1)), want: service.ErrFileTooLarge},
		"generator fails": {generate: func() (string, error) { return "", failure }, want: failure},
		"generates empty": {generate: func() (string, error) { return "", nil }, want: service.ErrEmptyFile},
		"no directory":    {dir: "missing", want: fs.ErrNotExist},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), tt.dir, "token")
			if tt.content != nil {
				if err := os.WriteFile(path, []byte(*tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tt.generate == nil {
				tt.generate = service.NewToken
			}
			value, created, err := service.LoadOrCreate(path, 0o600, tt.generate)
			if !errors.Is(err, tt.want) || value != "" || created || !strings.Contains(err.Error(), path) {
				t.Errorf("%q, %v, %v; want an error %v that names %s", value, created, err, tt.want, path)
			}
		})
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	a, errA := service.NewToken()
	b, errB := service.NewToken()
	if err := errors.Join(errA, errB); err != nil || a == b || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(a) {
		t.Errorf("tokens %q and %q, %v", a, b, err)
	}
}

// expectOnly fails when temporary files were left beside path.
func expectOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v; want the file alone", entries, err)
	}
}
