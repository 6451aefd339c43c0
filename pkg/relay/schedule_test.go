package relay_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	got, err := relay.ParseSchedule("0s, 5s,5m,168h")
	if want := (relay.Schedule{0, 5 * time.Second, 5 * time.Minute, 168 * time.Hour}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "5", "-1s", "169h", "0s,,5s", "0s;5s", "abc"} {
		if _, err := relay.ParseSchedule(bad); !errors.Is(err, relay.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", bad, err)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, seed := range []string{"0s,5s,5m,30m,2h", "1h2m3s", "", ",", "9999999h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := relay.ParseSchedule(text)
		if err != nil {
			return
		}
		for _, d := range s {
			if d < 0 || d > 168*time.Hour {
				t.Errorf("%q gave a delay of %v", text, d)
			}
		}
		if len(s) < 1 || len(s) > 100 {
			t.Errorf("%q gave %d delays", text, len(s))
		}
	})
}
