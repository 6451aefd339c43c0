package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/receiver/internal/event"
)

// isJSON is IsJSON by way of encoding/json.
func isJSON(document []byte) bool {
	start := bytes.TrimLeft(document, " \n\t\r")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[') && json.Valid(document)
}

// agrees checks that a text counts as JSON here where it does for encoding/json, by itself and as each part of a document.
func agrees(t interface{ Errorf(string, ...any) }, value []byte) {
	for _, around := range [][2]string{
		{"", ""}, {"[", "]"}, {"[0,", ",0]"}, {`{"a":`, "}"}, {`{"a":0,"b":`, `,"c":0}`}, {`{"`, `":0}`}, {`["`, `"]`}, {`["12345`, `"]`}, {"{", "}"}, {" [ ", " ] "}, {"[", ""}, {"", "]"}, {`{"`, ""}, {`{"a":`, ""},
	} {
		document := []byte(around[0] + string(value) + around[1])
		if got, want := event.IsJSON(document), isJSON(document); got != want {
			t.Errorf("IsJSON(%.100q) = %t, encoding/json says %t", document, got, want)
		}
	}
}

func TestIsJSON_agreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	values := []string{
		"0", "-0", "00", "01", "-01", "-", "+1", "1.", ".5", "1.5", "1.e1", "1e", "1e+", "1E-05", "1e5.", "0x1", "1 2", "1,", "--1", "1e1e1", "NaN", "Infinity",
		"true", "false", "null", "tru", "truee", "True", "nul", "nulll", "t", "f", "n",
		`""`, `"`, `"a`, `"\"`, `"\\"`, `"\/\b\f\n\r\t\""`, `"\u12aF"`, `"\u12"`, `"\u123"`, `"\u12g4"`, `"\u"`, `"\a"`, `"\'"`, `'a'`, `"\ud800"`, `\u0061`,
		"\"\x00\"", "\"\x1f\"", "\"\x20\"", "\"\x7f\"", "\"\t\"", "\"\n\"", "\"\x80\xff\"", "\"1234567\x01\"", "\"12345678\x1f\"", "\"1234567\xff\x01\"", "\"\u2028é\"",
		"[]", "{}", "[,]", "[1,]", "[,1]", "[1 1]", "{,}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{a:1}`, `{1:1}`, `{"a"::1}`, `{"a":1}}`, "[]]", "[}", "{]", "][",
		"", " ", "\t\n\r ", "\x00", "\v", "\f", "\u00a0", "\ufeff", "/**/", "1//", "\x00]",
		"[[[[{}]]]]", `{"a":{"b":[{"c":[]}]}}`,
	}
	for _, value := range values {
		for end := range len(value) + 1 { // cut off anywhere, too
			agrees(t, []byte(value[:end]))
		}
	}
}

// TestIsJSON_depth: as deep as encoding/json goes, and no deeper.
func TestIsJSON_depth(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{9999, 10000, 10001, 100000} {
		arrays := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		objects := []byte(strings.Repeat(`{"a":`, depth) + "0" + strings.Repeat("}", depth))
		for _, document := range [][]byte{arrays, objects} {
			if got, want := event.IsJSON(document), json.Valid(document); got != want || want != (depth <= 10000) {
				t.Errorf("depth %d: %t, encoding/json says %t", depth, got, want)
			}
		}
	}
}

// TestIsJSON_everyByte puts every byte into every place of strings of several lengths, which are scanned in words.
func TestIsJSON_everyByte(t *testing.T) {
	t.Parallel()
	for length := range 18 {
		for at := range length {
			for b := range 256 {
				document := []byte(`["` + strings.Repeat("é", 9)[:length] + `"]`)
				document[2+at] = byte(b)
				if got, want := event.IsJSON(document), isJSON(document); got != want {
					t.Fatalf("IsJSON(%q) = %t, encoding/json says %t", document, got, want)
				}
			}
		}
	}
}

// TestIsJSON_mutations changes a byte or two of genuine events.
func TestIsJSON_mutations(t *testing.T) {
	t.Parallel()
	const text = `{"type":"a\u00e9b", "n":[-1.5e+3,0,true,false,null,{"x":"\\\"\/"}], "s":"long enough for words", "o":{} }`
	rapid.Check(t, func(t *rapid.T) {
		document := []byte(text)
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			at := rapid.IntRange(0, len(document)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				document[at] = rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte(`{}[]",:\0eE+-. tfn`))).Draw(t, "byte")
			case 1:
				document = append(document[:at], document[at+1:]...)
			default:
				document = document[:at+1]
			}
		}
		if got, want := event.IsJSON(document), isJSON(document); got != want {
			t.Fatalf("IsJSON(%q) = %t, encoding/json says %t", document, got, want)
		}
	})
}

func TestOpen_allocatesNothing(t *testing.T) {
	document := []byte(`{"type":"order.completed","id":"evt_1","data":{"order_id":"1","lines":[1,2.5,{"a":null}],"note":"x \" y"}}`)
	if n := testing.AllocsPerRun(100, func() {
		e, ok := event.Open(document, "id")
		if !ok || string(e.Type()) != "order.completed" {
			t.Fatal("not read")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzIsJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+7,"\u00e9\n",true,false,null,{}]}`, `{"a":"12345678\"9`, "[\"\x1f\xff\"]", `[0]`, `-1`, "[[[]]", "payload={}", `{"a":01}`, `"\ud800\udc00"`, `{"\u0`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) { agrees(t, value) })
}

func BenchmarkOpen(b *testing.B) {
	document := []byte(`{"type":"order.completed","timestamp":"2026-01-01T00:00:00Z","data":{"order_id":"0000000000000001","amount_minor":4999,"currency":"EUR","note":"` + strings.Repeat("n", 430) + `"}}`)
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			if e, ok := event.Open(document, ""); !ok || len(e.Type()) == 0 {
				b.Fatal("not read")
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			if !json.Valid(document) {
				b.Fatal("not valid")
			}
		}
	})
}
