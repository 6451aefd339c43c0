package batch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"example.com/signet/services/producer/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read reads a batch to its end.
func read(t interface{ Fatalf(string, ...any) }, text io.Reader) (format batch.Format, entries []batch.Entry, end error) {
	r, err := batch.NewReader(text)
	if err != nil {
		t.Fatalf("new reader: %v", err)
	}
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Format(), entries, nil
		}
		if err != nil {
			return r.Format(), entries, err
		}
		entries = append(entries, entry)
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	for name, tt := range map[string]struct {
		text   string
		format batch.Format
		want   string // line:url:payload of each entry
		end    string // what stops the reading
	}{
		"array":             {"[{\"url\":\"u\",\"payload\":{ \"a\": 1.10 }},\n\n{\"url\":\"v\",\"payload\":[]}]\n", batch.Array, `1:u:{ "a": 1.10 }|3:v:[]`, ""},
		"empty array":       {" []", batch.Array, "", ""},
		"object":            {"{\n\"webhooks\":[\n{\"url\":\"u\",\"payload\":null}\n]}", batch.Webhooks, "3:u:null", ""},
		"other keys first":  {`{"v":{"webhooks":[1]},"webhooks":[{"url":"u","payload":0}],"w":1}`, batch.Webhooks, "1:u:0", ""},
		"lines":             {"\n{\"url\":\"u\",\"payload\":1}\r\n\n {\"payload\":2,\"url\":\"v\"}", batch.Lines, "2:u:1|4:v:2", ""},
		"long lines":        {`{"url":"u","payload":"\"` + long + `\""}` + "\n" + `{"url":"v","payload":2}`, batch.Lines, `1:u:"` + long + `"|2:v:2`, ""},
		"with a BOM":        {"\uFEFF[{\"url\":\"u\",\"payload\":1}]", batch.Array, "1:u:1", ""},
		"nothing":           {" \n ", batch.Lines, "", ""},
		"text as payload":   {`[{"url":"u","payload":"{\"a\":\u0031}"}]`, batch.Array, `1:u:{"a":1}`, ""},
		"form as payload":   {`[{"url":"u","payload":"a=1","headers":{"content-type":"application/x-www-form-urlencoded"}}]`, batch.Array, `1:u:a=1`, ""},
		"YAML":              {"# x\n---\n- url: u\n  payload: {b: 1.10, a: [x, 1e3]}\n\n-   payload: 1\n    url: v\n", batch.YAML, `3:u:{"b":1.10,"a":["x",1e3]}|6:v:1`, ""},
		"YAML, indented":    {"  - url: u\n    payload: |\n      {\n\n      \"- b\": 1}\n", batch.YAML, "1:u:{\n\n\"- b\": 1}\n", ""},
		"YAML under a key":  {"v: 1\nwebhooks: # here\n- url: u\n  payload: {}\nother: 1\n", batch.YAMLKey, "3:u:{}", ""},
		"YAML, anchors":     {"- url: &u u\n  payload: [*u, !!str 1, 'it''s', \"\\u00e9\", <b>]\n", batch.YAML, `1:u:["u","1","it's","é","<b>"]`, ""},
		"YAML, no end":      {"- {url: u, payload: 1}", batch.YAML, "1:u:1", ""},
		"array cut off":     {"[{\"url\":\"u\",\"payload\":1},\n{\"url\":", batch.Array, "1:u:1", "line 2: the list does not end"},
		"array broken":      {"[{\"url\":\"u\",\"payload\":1},\n\n{url}]", batch.Array, "1:u:1", "line 3: invalid character"},
		"more after it":     {"[{\"url\":\"u\",\"payload\":1}]\n[]", batch.Array, "1:u:1", "line 2: something follows"},
		"object without":    {`{"hooks":[]}`, batch.Webhooks, "", `line 1: an object must be an entry with url and payload, or have a list "webhooks"; "hooks" is neither`},
		"lines, upper case": {"{\"URL\":\"u\",\"payload\":1}\n{\"url\":\"v\",\"payload\":2}", batch.Lines, "1:u:1|2:v:2", ""},
		"webhooks, no list": {"{\"webhooks\":\n{}}", batch.Webhooks, "", `line 2: "webhooks" must be a list`},
		"prose":             {"Dear\nreader", batch.YAML, "", "line 2: there is no list"},
		"YAML key, no list": {"webhooks:\n  url: u\n", batch.YAMLKey, "", "line 2: webhooks must be a list"},
		"YAML, outdented":   {"  - {url: u, payload: 1}\n- {url: v, payload: 2}\n", batch.YAML, "1:u:1", "line 2: neither an entry"},
		"YAML, two lists":   {"- {url: u, payload: 1}\n---\n- {url: v, payload: 2}\n", batch.YAML, "1:u:1", "line 3: a second document"},
	} {
		for _, how := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			format, entries, end := read(t, how(strings.NewReader(tt.text)))
			var got []string
			for i, e := range entries {
				if e.Number != i+1 || e.Wrong != nil {
					t.Errorf("%s: entry %d of %d: %v", name, e.Number, i+1, e.Wrong)
				}
				got = append(got, fmt.Sprintf("%d:%s:%s", e.Line, e.URL, e.Payload))
			}
			if format != tt.format || strings.Join(got, "|") != tt.want {
				t.Errorf("%s: %s %.200s", name, format, got)
			}
			if (end == nil) != (tt.end == "") || (end != nil && !strings.Contains(end.Error(), tt.end)) {
				t.Errorf("%s ended with %v", name, end)
			}
		}
	}
}

// What is wrong with an entry is that entry's own matter, names the field and shows no value.
func TestReader_wrongEntries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"payload":1}`:                                     "url is missing",
		`{"url":"","payload":1}`:                            "url is missing",
		`{"url":"u"}`:                                       "payload is missing",
		`{"url":1,"payload":1}`:                             "url must be a text in quotes",
		`{"url":"u","payload":1,"secret":123}`:              "secret must be a text in quotes",
		`{"url":"u","payload":1,"headers":["hunter2"]}`:     "headers must be an object",
		`{"url":"u","payload":1,"headers":{"a b":"x"}}`:     `headers: "a b" cannot be`,
		`{"url":"u","payload":1,"headers":{"a":"hunt\n2"}}`: `headers: the value of "a" has a line break`,
		`{"url":"u","payload":1,"secert":"hunter2"}`:        `"secert" is not a field`,
		`{"url":"u","payload":"hunter2"}`:                   "payload is text that is not JSON",
		`{"url":"u","payload":1} {"url":"v"}`:               "something follows",
		`{"url":"u","payload":{"a":}}`:                      "not JSON: invalid character",
		`{"url":"u","payload":1`:                            "not JSON: unexpected EOF",
		`{"id":7}`:                                          "id must be a text",
	} {
		format, entries, end := read(t, strings.NewReader(text+"\n"+`{"url":"v","payload":2}`))
		if format != batch.Lines || end != nil || len(entries) != 2 || entries[1].Wrong != nil {
			t.Errorf("%s: %s, %d entries, %v", text, format, len(entries), end)
			continue
		}
		if got := entries[0].Wrong; got == nil || !strings.Contains(got.Error(), want) || strings.Contains(got.Error(), "hunt") {
			t.Errorf("%s: %v", text, got)
		}
	}
	for text, want := range map[string]string{
		"- url: u\n  payload: .nan\n":                      "JSON has no Nan",
		"- url: u\n  payload: {<<: {a: 1}}\n":              "<< is not supported",
		"- url: u\n  payload: *x\n":                        "alias",
		"- url: u\n  payload: {a: 1\n  secret: hunter2\n":  "not YAML: line ",
		"- url: u\n  secret: 123\n  payload: 1\n":          "secret must be a text",
		"- url: u\n  payload: [1]\n  payload: [hunter2]\n": "not YAML: line 3",
		"- url: u\n  payload: |\n    {\n    # no\n    }\n": "payload is text that is not JSON",
		"- just text\n": "an entry must be an object",
		"- url: u\n  payload: &a [1]\n  headers: {x: *a}\n ": "headers must be",
	} {
		_, entries, end := read(t, strings.NewReader(text+"\n- {url: v, payload: 2}"))
		if end != nil || len(entries) != 2 || entries[1].Wrong != nil {
			t.Errorf("%s: %d entries, %v", text, len(entries), end)
			continue
		}
		if got := entries[0].Wrong; got == nil || !strings.Contains(got.Error(), want) || strings.Contains(got.Error(), "hunter2") {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestReader_longEntries(t *testing.T) {
	t.Parallel()
	const limit = 300_000
	fits, long := strings.Repeat("x", limit-100), strings.Repeat("x", limit+100_000)
	entry := func(text string) string { return `{"url":"u","payload":"\"` + text + `\""}` }
	for name, tt := range map[string]struct {
		text  string
		right int // entries
		wrong int
		end   bool
	}{
		"lines": {entry(fits) + "\n" + entry(long) + "\n" + entry(fits), 2, 1, false},
		"last":  {entry(fits) + "\n" + entry(long), 1, 1, false},
		"array": {"[" + entry(fits) + "," + entry(long) + "]", 1, 0, true},
		"yaml":  {"- " + entry(fits) + "\n- url: u\n" + strings.Repeat("  # comment\n", limit/10), 1, 1, true},
	} {
		r, err := batch.NewReaderOf(strings.NewReader(tt.text), limit)
		if err != nil {
			t.Fatal(err)
		}
		right, wrong := 0, 0
		var entry batch.Entry
		for entry, err = r.Next(); err == nil; entry, err = r.Next() {
			if entry.Wrong != nil {
				wrong++
			} else {
				right++
			}
		}
		if right != tt.right || wrong != tt.wrong || errors.Is(err, io.EOF) == tt.end {
			t.Errorf("%s: %d right, %d wrong, then %v", name, right, wrong, err)
		}
	}
}

// payloads are JSON that would not survive being written anew.
func payloads() *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{`1.10`, `-0`, `1e5`, `"é\u00e9\/"`, `"- a: b\n#"`, `true`, `null`, `{}`, `[]`, `12345678901234567890123`})
	return rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return leaf.Filter(func(s string) bool { return s[0] != '"' }).Draw(t, "leaf") // of a text, the text is sent
		case 1:
			return "[" + strings.Join(rapid.SliceOfN(leaf, 0, 3).Draw(t, "items"), " , ") + "]"
		default:
			return `{"b": ` + leaf.Draw(t, "b") + `,  "a":` + leaf.Draw(t, "a") + `}`
		}
	})
}

// Whatever fails comes back out of the failures' file byte for byte, under its id, and so does what failed of that.
func TestFailures_keepEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]batch.Format{batch.Array, batch.Webhooks, batch.Lines, batch.YAML, batch.YAMLKey}).Draw(t, "format")
		bodies := rapid.SliceOfN(payloads(), 1, 5).Draw(t, "payloads")
		style := rapid.IntRange(0, 2).Draw(t, "style")
		text := write(format, bodies, style)
		for round := range 2 {
			got, entries, end := read(t, strings.NewReader(text))
			if got != format || end != nil || len(entries) != len(bodies) {
				t.Fatalf("round %d: %s, %d entries, %v\n%s", round, got, len(entries), end, text)
			}
			path := filepath.Join(dir, "failed")
			failures, err := batch.CreateFailures(path, format)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range entries {
				if e.Wrong != nil || string(e.Payload) != bodies[i] || (round > 0 && e.ID != fmt.Sprint("msg_", i)) {
					t.Fatalf("round %d: %q %s, not %s: %v\n%s", round, e.ID, e.Payload, bodies[i], e.Wrong, text)
				}
				e.ID = fmt.Sprint("msg_", i)
				if err := failures.Add(e); err != nil {
					t.Fatal(err)
				}
			}
			if name, err := failures.Close(true); err != nil || name != path {
				t.Fatalf("%s: %v", name, err)
			}
			kept, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = string(kept)
		}
	})
}

// write makes a batch of payloads.
func write(format batch.Format, bodies []string, style int) string {
	var items []string
	for _, body := range bodies {
		quoted, _ := json.Marshal(body)
		switch {
		case format == batch.YAML || format == batch.YAMLKey:
			text := "'" + strings.ReplaceAll(body, "'", "''") + "'"
			items = append(items, []string{
				"- url: http://host\n  payload: " + text + "\n",
				"-\n    payload: " + text + " # why\n\n    url: http://host\n",
				"- {payload: " + text + ", url: http://host}\n",
			}[style])
		case style == 1:
			items = append(items, `{"payload":`+string(quoted)+`,"url":"http://host"}`)
		default:
			items = append(items, ` { "url":"http://host", "payload": `+body+` }`)
		}
	}
	switch format {
	case batch.Array:
		return "[" + strings.Join(items, ",\n") + "]"
	case batch.Webhooks:
		return `{"webhooks":[` + strings.Join(items, ",") + `]}`
	case batch.Lines:
		if style != 1 { // a line may begin with a space, the first of all too
			return strings.Join(items, "\n")
		}
		return strings.Join(items, "\n") + "\n"
	case batch.YAMLKey:
		return "webhooks:\n" + strings.Join(items, "")
	default:
		return "# a list\n" + strings.Join(items, "")
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{"", "[", "{", "- a", "webhooks:\n- {url: u, payload: 1}", `{"webhooks":[{}]}`, "{\"url\":\"u\",\"payload\":1}\n{", "\uFEFF- &a [*a]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, entries, _ := read(t, strings.NewReader(text))
		for i, e := range entries {
			if e.Number != i+1 || e.Line < 1 || e.Line > strings.Count(text, "\n")+1 || e.End > int64(len(text)) {
				t.Errorf("entry %d: %+v", i, e)
			}
			if e.Wrong == nil && (e.URL == "" || e.Payload == nil) {
				t.Errorf("entry %d has nothing to send", i)
			}
		}
	})
}
