package jsontext_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"example.com/signet/services/producer/internal/jsontext"
)

func texts() []string {
	return []string{
		``, ` `, `null`, ` true `, `false`, `nul`, `truex`, `True`, `nullnull`,
		`0`, `-0`, `-`, `01`, `-01`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`, `+1`, `1 2`, `0x1`, `1.5.2`, `--1`, `1e5.5`, `1,`,
		`""`, `"a"`, `"`, `"\"`, `"\\"`, `"\""`, `"\u12aF"`, `"\u12g4"`, `"\u123"`, `"\u`, `"\x"`, `"\/\b\f\n\r\t"`, "\"\n\"", "\"\x00\"",
		"\"\x7f\"", "\"\xff\"", `"ä"`, `"\ud800"`, `"\uD83D\uDE00"`, `'a'`,
		`{}`, `{ }`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1,"a":2}`, `{,}`, `{a:1}`, `{1:1}`, `{"a" : [ ] , "b":{"c":null}}`,
		`{"a":1}}`, `{"a":1]`, `{"a"::1}`, `{"\u0061":1}`, `{"":0}`, `{"a":1 "b":2}`,
		`[]`, `[ ]`, `[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `[[[]]]`, `[1}`, "[\t1,\r\n2 ]", `[1]x`, "[\v1]", "\ufeff1",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
		strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, text := range texts() {
		agree(t, []byte(text))
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range texts() {
		f.Add([]byte(text))
	}
	f.Fuzz(agree)
}

// agree compares everything with encoding/json.
func agree(t *testing.T, text []byte) {
	t.Helper()
	valid := json.Valid(text)
	if got := jsontext.Valid(text); got != valid {
		t.Fatalf("%.80q: valid %v, not %v", text, got, valid)
	}
	agreeOnObject(t, text, valid)
	agreeOnArray(t, text, valid)
	var s *string
	want := json.Unmarshal(text, &s) == nil && s != nil
	if got, ok := jsontext.String(bytes.TrimSpace(text)); valid && (ok != want || (ok && got != *s)) {
		t.Fatalf("%.80q: string %.80q %v", text, got, ok)
	}
}

func agreeOnObject(t *testing.T, text []byte, valid bool) {
	t.Helper()
	got := map[string]json.RawMessage{}
	ok := jsontext.Object(text, func(name, value []byte) bool {
		got[string(name)] = value
		return true
	})
	var want map[string]json.RawMessage
	if isObject := valid && json.Unmarshal(text, &want) == nil && want != nil; ok != isObject {
		t.Fatalf("%.80q: object %v, not %v", text, ok, isObject)
	}
	if !ok {
		return
	}
	if len(got) != len(want) {
		t.Fatalf("%.80q: %d members, not %d", text, len(got), len(want))
	}
	for name, value := range want {
		if !bytes.Equal(got[name], value) {
			t.Fatalf("%.80q: %q is %.80q, not %.80q", text, name, got[name], value)
		}
	}
}

func agreeOnArray(t *testing.T, text []byte, valid bool) {
	t.Helper()
	var got, want []json.RawMessage
	ok := jsontext.Array(text, func(value []byte) bool {
		got = append(got, value)
		return true
	})
	if isArray := valid && json.Unmarshal(text, &want) == nil && want != nil; ok != isArray {
		t.Fatalf("%.80q: array %v, not %v", text, ok, isArray)
	}
	for i := range want {
		if ok && (len(got) != len(want) || !bytes.Equal(got[i], want[i])) {
			t.Fatalf("%.80q: elements %.80q, not %.80q", text, got, want)
		}
	}
}

// What a caller refuses, the text is refused for.
func TestObject_refused(t *testing.T) {
	t.Parallel()
	calls := 0
	refuse := func() bool { calls++; return calls%2 == 1 }
	if jsontext.Object([]byte(`{"a":1,"b":2,"c":3}`), func(_, _ []byte) bool { return refuse() }) || calls != 2 {
		t.Errorf("object: %d calls", calls)
	}
	if jsontext.Array([]byte(`[1,2,3]`), func([]byte) bool { return refuse() }) || calls != 4 {
		t.Errorf("array: %d calls", calls)
	}
}

func BenchmarkValid(b *testing.B) {
	text := []byte(`{"type":"order.completed","data":{"order_id":"1","amount_minor":4999,"currency":"EUR","note":"` + strings.Repeat("x", 400) + `"}}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !jsontext.Valid(text) {
			b.Fatal("invalid")
		}
	}
}
