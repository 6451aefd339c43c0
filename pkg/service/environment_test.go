package service_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/signet/pkg/service"
)

func TestReadEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fileable := func(name string) bool { return name == "SECRET" }
	tests := map[string]struct {
		environ []string
		want    service.Environment
		fault   string // the variable of the one fault
	}{
		"plain":                   {environ: []string{"A=1", "B=x=y"}, want: service.Environment{"A": "1", "B": "x=y"}},
		"empty counts as absent":  {environ: []string{"A="}, want: service.Environment{}},
		"first of two":            {environ: []string{"A=1", "A=2"}, want: service.Environment{"A": "1"}},
		"lines without a name":    {environ: []string{"=C:=x", "B", ""}, want: service.Environment{}},
		"file":                    {environ: []string{"SECRET_FILE=" + file("bare", "s")}, want: service.Environment{"SECRET": "s"}},
		"file, newline":           {environ: []string{"SECRET_FILE=" + file("nl", "s\n")}, want: service.Environment{"SECRET": "s"}},
		"file, CRLF":              {environ: []string{"SECRET_FILE=" + file("crlf", "s\r\n")}, want: service.Environment{"SECRET": "s"}},
		"file, only one newline":  {environ: []string{"SECRET_FILE=" + file("two", "s\n\n")}, want: service.Environment{"SECRET": "s\n"}},
		"file, lone CR stays":     {environ: []string{"SECRET_FILE=" + file("cr", "s\r")}, want: service.Environment{"SECRET": "s\r"}},
		"file, spaces stay":       {environ: []string{"SECRET_FILE=" + file("sp", " s \n")}, want: service.Environment{"SECRET": " s "}},
		"file, empty is absent":   {environ: []string{"SECRET_FILE=" + file("empty", "\n")}, want: service.Environment{}},
		"plain wins":              {environ: []string{"SECRET_FILE=/nowhere", "SECRET=p"}, want: service.Environment{"SECRET": "p"}},
		"empty plain does not":    {environ: []string{"SECRET_FILE=" + file("f", "s"), "SECRET="}, want: service.Environment{"SECRET": "s"}},
		"empty file name":         {environ: []string{"SECRET_FILE="}, want: service.Environment{}},
		"not fileable":            {environ: []string{"OTHER_FILE=/nowhere"}, want: service.Environment{"OTHER_FILE": "/nowhere"}},
		"file of 64 KiB":          {environ: []string{"SECRET_FILE=" + file("max", strings.Repeat("s", 64<<10))}, want: service.Environment{"SECRET": strings.Repeat("s", 64<<10)}},
		"file over 64 KiB":        {environ: []string{"SECRET_FILE=" + file("big", strings.Repeat("s", 64<<10+1))}, want: service.Environment{}, fault: "SECRET_FILE"},
		"missing file":            {environ: []string{"SECRET_FILE=" + filepath.Join(dir, "none")}, want: service.Environment{}, fault: "SECRET_FILE"},
		"directory":               {environ: []string{"SECRET_FILE=" + dir}, want: service.Environment{}, fault: "SECRET_FILE"},
		"suffix alone is no file": {environ: []string{"_FILE=x"}, want: service.Environment{"_FILE": "x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, faults := service.ReadEnvironment(tt.environ, fileable)
			if !maps.Equal(got, tt.want) {
				t.Errorf("environment %q, want %q", got, tt.want)
			}
			switch {
			case tt.fault == "" && len(faults) > 0:
				t.Errorf("faults %v, want none", faults)
			case tt.fault != "" && (len(faults) != 1 || faults[0].Variable != tt.fault):
				t.Errorf("faults %v, want one of %s", faults, tt.fault)
			}
		})
	}
}

func TestEnvironment_Unknown(t *testing.T) {
	t.Parallel()
	type config struct {
		Addr  string `env:"RECEIVER_ADDR"`
		Store struct {
			URL string `env:"URL"`
		} `envPrefix:"RECEIVER_DATABASE_"`
	}
	env := service.Environment{
		"RECEIVER_ADDR": "x", "RECEIVER_DATABASE_URL": "x", "RECEIVER_EXTRA": "x",
		"RECEIVER_ADRR": "typo", "WEBHOOK_SECRT": "typo", "PATH": "x",
	}
	got := env.Unknown([]string{"RECEIVER_", "WEBHOOK_"}, &config{}, "RECEIVER_EXTRA")
	if want := []string{"RECEIVER_ADRR", "WEBHOOK_SECRT"}; !slices.Equal(got, want) {
		t.Errorf("unknown %q, want %q", got, want)
	}
}

func FuzzReadEnvironment(f *testing.F) {
	f.Add("A=1\x00SECRET=x\x00SECRET_FILE=/nowhere")
	f.Add("=\x00A==\x00_FILE=\x00SECRET_FILE=")
	f.Fuzz(func(t *testing.T, joined string) {
		lines := strings.Split(joined, "\x00")
		env, faults := service.ReadEnvironment(lines, func(name string) bool { return name == "SECRET" })
		for name, value := range env {
			if name == "" || value == "" {
				t.Errorf("entry %q=%q: empty name or value", name, value)
			}
			if name != "SECRET" && !slices.Contains(lines, name+"="+value) {
				t.Errorf("entry %q=%q was never given", name, value)
			}
		}
		for _, fault := range faults {
			if fault.Variable != "SECRET_FILE" {
				t.Errorf("fault of %q", fault.Variable)
			}
		}
	})
}
