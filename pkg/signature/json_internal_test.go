package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func TestMember(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string // want is empty where there is none
		err              error
	}{
		{"number", `{"x":1}`, "1", nil},
		{"string with a quote", `{"x":"a\"}\\"}`, `"a\"}\\"`, nil},
		{"object", `{"x":{"x":[{}]},"y":1}`, `{"x":[{}]}`, nil},
		{"array", ` { "x" : [ "]" , 1 ] } `, `[ "]" , 1 ]`, nil},
		{"literal", `{"a":null,"x":true}`, "true", nil},
		{"absent", `{"xx":1,"":2,"X":3}`, "", nil},
		{"empty object", `{}`, "", nil},
		{"nested only", `{"a":{"x":1}}`, "", nil},
		{"in a string", `{"a":"\",\"x\":1"}`, "", nil},
		{"twice", `{"x":1,"x":1}`, "", ErrMalformed},
		{"escaped", `{"\u0078":1}`, "", ErrMalformed},
		{"not quite the escape", `{"\u0079":1,"\\u0078":2,"\x":3,"\u007":4}`, "", nil},
		{"nothing", ``, "", ErrMalformed},
		{"no object", `[{"x":1}]`, "", ErrMalformed},
		{"no value", `{"x":}`, "", ErrMalformed},
		{"no value at the end", `{"x":`, "", ErrMalformed},
		{"no colon", `{"x" 1}`, "", ErrMalformed},
		{"no comma", `{"x":1 "y":2}`, "", ErrMalformed},
		{"comma first", `{,"x":1}`, "", ErrMalformed},
		{"comma last", `{"x":1,}`, "", ErrMalformed},
		{"two commas", `{"x":1,,"y":2}`, "", ErrMalformed},
		{"key without quotes", `{x:1}`, "", ErrMalformed},
		{"unfinished key", `{"x`, "", ErrMalformed},
		{"unfinished string", `{"x":"\"}`, "", ErrMalformed},
		{"unfinished object", `{"x":{"a":1}`, "", ErrMalformed},
		{"unfinished nesting", `{"x":[[[[`, "", ErrMalformed},
		{"value run together", `{"x":1"y":2}`, "", ErrMalformed},
		{"something after it", `{"x":1}}`, "", ErrMalformed},
		{"byte order mark", "\ufeff{\"x\":1}", "", ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := member([]byte(test.text), "x")
			if string(got) != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("%s, %v; want %s, %v", got, err, test.want, test.err)
			}
		})
	}
}

// FuzzMember compares with encoding/json: of a JSON text both find the same.
func FuzzMember(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"x":1}`, `{"\u0078":1}`, `{"x":1,"x":2}`, `{"a":{"x":[1,"]"]},"x":"\\\""}`, "{\"x\"\n:\t[ ] }\r", `{"x":{}`, `{"\xff":1,"x":2}`,
		`{"x-y":1,"\u0078\u002Dy":2}`, `[1]`, `{"x":-1.5e+3,"y":null}`, `{"x":1}x`, `{"a":"\\","x":"\\\\\""}`, "{\"\x80\":1}",
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, long bool) {
		name := "x"
		if long {
			name = "x-y"
		}
		got, err := member(text, name)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("error %v", err)
		}
		if err != nil && got != nil || got != nil && (len(got) == 0 || !bytes.Contains(text, got)) {
			t.Fatalf("%q beside %v", got, err)
		}
		if !json.Valid(text) {
			return
		}
		want, count, plain := memberOf(text, name)
		switch {
		case count < 0 || count > 1 || !plain:
			if err == nil {
				t.Errorf("found %q, but there are %d", got, count)
			}
		case err != nil || !bytes.Equal(got, want):
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	})
}

// memberOf reads with the decoder of encoding/json: the last value of that name,
// how many there are or -1 where there is no object, and whether the name stands
// there as it is.
func memberOf(text []byte, name string) (value []byte, count int, plain bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, -1, true
	}
	plain = true
	for decoder.More() {
		before := decoder.InputOffset()
		key, err := decoder.Token()
		if err != nil {
			return nil, -1, true
		}
		written := text[before:decoder.InputOffset()]
		var raw json.RawMessage
		if decoder.Decode(&raw) != nil {
			return nil, -1, true
		}
		if key == name {
			value, count = bytes.TrimSpace(raw), count+1
			plain = plain && bytes.HasSuffix(written, []byte(`"`+name+`"`))
		}
	}
	return value, count, plain
}
