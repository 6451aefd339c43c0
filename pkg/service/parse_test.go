package service_test

import (
	"errors"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/service"
)

type limits struct {
	Timeout time.Duration `env:"TIMEOUT" envDefault:"15s"`
	Workers uint8         `env:"WORKERS"`
}

type config struct {
	Addr     string          `env:"T_ADDR" envDefault:":8000"`
	Token    string          `env:"T_TOKEN,required,notEmpty" secret:"true"`
	Body     service.Size    `env:"T_BODY" envDefault:"1MiB"`
	Rate     float64         `env:"T_RATE"`
	Count    int             `env:"T_COUNT"`
	Open     bool            `env:"T_OPEN"`
	Base     url.URL         `env:"T_BASE"`
	Pause    []time.Duration `env:"T_PAUSE"`
	Peer     netip.Addr      `env:"T_PEER"`
	Peers    []netip.Addr    `env:"T_PEERS"`
	Key      int             `env:"T_KEY" secret:"true"`
	KeyPeer  netip.Addr      `env:"T_KEY_PEER" secret:"true"`
	In       limits          `envPrefix:"T_IN_"`
	Out      limits          `envPrefix:"T_OUT_"`
	Unlisted string
}

func TestParse(t *testing.T) {
	t.Parallel()
	var got config
	faults := service.Parse(service.Environment{
		"T_TOKEN": "s", "T_BODY": "25MB", "T_PAUSE": "1s,2m", "T_OUT_TIMEOUT": "3s", "T_IN_WORKERS": "7",
		"T_BASE": "https://example.com/x",
	}, &got)
	if err := faults.Err(); err != nil {
		t.Fatal(err)
	}
	if got.Addr != ":8000" || got.Token != "s" || got.Body != 25_000_000 || got.Base.Host != "example.com" ||
		!slices.Equal(got.Pause, []time.Duration{time.Second, 2 * time.Minute}) ||
		got.In != (limits{15 * time.Second, 7}) || got.Out != (limits{3 * time.Second, 0}) {
		t.Errorf("parsed %+v", got)
	}
}

func TestParse_Faults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ variable, value, problem string }{
		"duration":         {"T_IN_TIMEOUT", "abc", `must be a duration such as 30s or 5m, not "abc"`},
		"duration, nested": {"T_OUT_TIMEOUT", "5", `must be a duration such as 30s or 5m, not "5"`},
		"size":             {"T_BODY", "big", `must be a size above 0 such as 512KiB, 1MiB or 25MB, not "big"`},
		"number":           {"T_COUNT", "1.5", `must be a whole number, not "1.5"`},
		"number, range":    {"T_OUT_WORKERS", "256", `must be a whole number of 0 or more up to 255, not "256"`},
		"number, sign":     {"T_IN_WORKERS", "-1", `must be a whole number of 0 or more, not "-1"`},
		"float":            {"T_RATE", "fast", `must be a number such as 0.5, not "fast"`},
		"bool":             {"T_OPEN", "maybe", `must be true or false, not "maybe"`},
		"url":              {"T_BASE", "http://[", `must be a URL such as https://example.com/path, not "http://["`},
		"list":             {"T_PAUSE", "1s,x", `must be a list in which each part is a duration such as 30s or 5m, not "1s,x"`},
		"text":             {"T_PEER", "nobody", `is not valid: ParseAddr("nobody"): unable to parse IP`},
		"list of texts":    {"T_PEERS", "::1,x", `is not valid: ParseAddr("x"): unable to parse IP`},
		"secret":           {"T_KEY", "hunter2", `must be a whole number`},
		"secret text":      {"T_KEY_PEER", "hunter2", `is not valid`},
		"empty":            {"T_TOKEN", "", `must not be empty`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := service.Environment{"T_TOKEN": "s", tt.variable: tt.value}
			faults := service.Parse(env, &config{})
			if want := (service.Faults{{Variable: tt.variable, Problem: tt.problem}}); !slices.Equal(faults, want) {
				t.Errorf("faults\n%v\nwant\n%v", faults, want)
			}
		})
	}
}

func TestParse_EveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	faults := service.Parse(service.Environment{"T_BODY": "x", "T_KEY": "hunter2", "T_OUT_TIMEOUT": "x"}, &config{})
	var variables []string
	for _, f := range faults {
		variables = append(variables, f.Variable)
	}
	if want := []string{"T_TOKEN", "T_BODY", "T_KEY", "T_OUT_TIMEOUT"}; !slices.Equal(variables, want) {
		t.Errorf("faults of %q, want %q", variables, want)
	}
	text := faults.Err().Error()
	if !strings.HasPrefix(text, "T_TOKEN: must be set\nT_BODY: must be a size") || strings.Contains(text, "hunter2") {
		t.Errorf("text %q", text)
	}
}

func TestParse_ProgramFaults(t *testing.T) {
	t.Parallel()
	if len(service.Parse(nil, config{})) == 0 {
		t.Error("no fault for a struct that is not behind a pointer")
	}
	var unsupported struct {
		C chan int `env:"T_CHANNEL"`
	}
	faults := service.Parse(service.Environment{"T_CHANNEL": "x"}, &unsupported)
	if len(faults) != 1 || faults[0].Variable != "T_CHANNEL" {
		t.Errorf("faults %v", faults)
	}
}

func TestParse_IgnoresTheProcess(t *testing.T) {
	t.Setenv("T_ADDR", "from the process")
	got := config{Token: "s"}
	if faults := service.Parse(nil, &got); len(faults) != 1 { // the token, which the process has not either
		t.Errorf("faults %v", faults)
	}
	if got.Addr != ":8000" {
		t.Errorf("Addr %q, want the default", got.Addr)
	}
}

func TestSize_UnmarshalText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want service.Size // 0: an error
	}{
		"mebibytes": {"1MiB", 1 << 20},
		"kibibytes": {"512KiB", 512 << 10},
		"megabytes": {"25MB", 25_000_000},
		"space":     {"25 MB", 25_000_000},
		"plain":     {"1048576", 1 << 20},
		"fraction":  {"1.5KiB", 1536},
		"largest":   {"9223372036854775807", math.MaxInt64},
		"zero":      {"0", 0},
		"below one": {"0.4B", 0},
		"negative":  {"-1", 0},
		"too large": {"9223372036854775808", 0},
		"huge":      {"99999999EiB", 0},
		"no number": {"MB", 0},
		"no unit":   {"1 lot", 0},
		"empty":     {"", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got service.Size
			err := got.UnmarshalText([]byte(tt.text))
			if got != tt.want || (tt.want == 0) != errors.Is(err, service.ErrSize) {
				t.Errorf("%q: %d, %v; want %d", tt.text, got, err, tt.want)
			}
		})
	}
	if got := service.Size(1 << 20).String(); got != "1.0 MiB" {
		t.Errorf("String %q", got)
	}
}

func FuzzSize_UnmarshalText(f *testing.F) {
	for _, seed := range []string{"1MiB", "25 MB", "0", "-1", "1e9", "1,000", "٣MB", "9223372036854775808"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size service.Size
		switch err := size.UnmarshalText([]byte(text)); {
		case err == nil && size <= 0:
			t.Errorf("%q is %d without an error", text, size)
		case err != nil && (size != 0 || !errors.Is(err, service.ErrSize)):
			t.Errorf("%q is %d with %v", text, size, err)
		}
	})
}
