package relay

import (
	"database/sql/driver"
	"testing"
)

func TestDirectRow_Scan(t *testing.T) {
	t.Parallel()
	var (
		text  string
		long  int64
		short int
		bytes []byte
	)
	row := directRow{"a", int64(1), int64(2), []byte("b")}
	if err := row.Scan(&text, &long, &short, &bytes); err != nil || text != "a" || long != 1 || short != 2 || string(bytes) != "b" {
		t.Errorf("%q, %d, %d, %q: %v", text, long, short, bytes, err)
	}
	for name, tt := range map[string]struct {
		value driver.Value
		into  []any
	}{
		"another type":      {"a", []any{&long}},
		"nothing":           {nil, []any{&text}},
		"too few":           {"a", nil},
		"a type nobody has": {int64(1), []any{new(uint8)}},
	} {
		if err := (directRow{tt.value}).Scan(tt.into...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
