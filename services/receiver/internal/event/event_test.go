package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/receiver/internal/event"
)

// typeOf is the type that a document states.
func typeOf[T string | []byte](document T) string {
	e, _ := event.Open([]byte(document), "")
	return string(e.Type())
}

func TestEnvelope_Type(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"envelope":              {`{"id":"m","type":"order.completed","data":{}}`, "order.completed"},
		"tutorial event_type":   {`{"event_type":"order.completed","data":{"order_id":"12345","amount":99.99}}`, "order.completed"},
		"tutorial event":        {`{"event":"user.created","data":{"id":123}}`, "user.created"},
		"type wins":             {`{"event":"c","event_type":"b","type":"a"}`, "a"},
		"empty type is none":    {`{"type":"","event":"c"}`, "c"},
		"type of another kind":  {`{"type":5,"event_type":{"type":"x"},"event":"c"}`, "c"},
		"nested type is not it": {`{"data":{"type":"inner"}}`, event.Unknown},
		"strings with braces":   {`{"a":"}\"{[","b":[{"c":"]"}],"type":"t"}`, "t"},
		"escaped name":          {`{"\u0074ype":"t"}`, "t"},
		"escaped value":         {`{"type":"a\u002eb"}`, "a.b"},
		"last of several":       {`{"type":"a","type":"b"}`, "b"},
		"spaces":                {" \n{ \"type\" :\t\"t\" , \"x\" : 1 } ", "t"},
		"array":                 {`[{"type":"a"}]`, event.Unknown},
		"empty object":          {`{}`, event.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := typeOf(c.body); got != c.want {
				t.Errorf("Type of %s = %q, want %q", c.body, got, c.want)
			}
		})
	}
}

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{}`: true, `[]`: true, " {\"a\":1}\n": true,
		``: false, ` `: false, `1`: false, `"x"`: false, `null`: false, `{}{}`: false, `{"a":}`: false, `{`: false,
		"\xef\xbb\xbf{}": false, `payload=%7B%7D`: false,
	} {
		if got := event.IsJSON([]byte(body)); got != want {
			t.Errorf("IsJSON(%q) = %v", body, got)
		}
	}
}

func TestCleanType(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, want string
		kept     bool
	}{
		"plain":          {"order.completed", "order.completed", true},
		"longest":        {strings.Repeat("a", 256), strings.Repeat("a", 256), true},
		"too long":       {strings.Repeat("a", 257), event.Unknown, false},
		"control":        {"a\nb", event.Unknown, false},
		"C1 control":     {"a\u0085b", event.Unknown, false},
		"not UTF-8":      {"a\xff", event.Unknown, false},
		"empty":          {"", event.Unknown, false},
		"other language": {"заказ.готов", "заказ.готов", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, kept := event.CleanType(c.in); got != c.want || kept != c.kept {
				t.Errorf("CleanType(%q) = %q, %v", c.in, got, kept)
			}
		})
	}
}

// reference is Envelope.Type by way of encoding/json.
func reference(body []byte) string {
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		for _, name := range []string{"type", "event_type", "event"} {
			if s, ok := members[name].(string); ok && s != "" {
				return s
			}
		}
	}
	return event.Unknown
}

func TestEnvelope_Type_agreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"type", "event_type", "event", "Type", "data", `ty"pe`, ""})
		var value func(depth int) any
		value = func(depth int) any {
			switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
			case kind == 0 && depth > 0:
				return map[string]any{names.Draw(t, "name"): value(depth - 1)}
			case kind == 1 && depth > 0:
				return []any{value(depth - 1), value(depth - 1)}
			case kind <= 3:
				return rapid.String().Draw(t, "string")
			case kind == 4:
				return rapid.Float64Range(-1e9, 1e9).Draw(t, "number")
			case kind == 5:
				return rapid.Bool().Draw(t, "bool")
			}
			return nil
		}
		object := map[string]any{}
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			object[names.Draw(t, "name")] = value(3)
		}
		compact, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		pretty, err := json.MarshalIndent(object, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{compact, pretty} {
			if got, want := typeOf(body), reference(body); got != want {
				t.Fatalf("Type of %s = %q, want %q", body, got, want)
			}
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"type":"a","data":{"id":1}}`))
	f.Add([]byte(`{"event_type":"a\u0000","x":[[{}]]}`))
	f.Add([]byte(`payload=%7B%22type%22%3A%22a%22%7D`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if payload, ok := event.FormPayload(body); ok {
			event.Open(payload, "id")
		}
		e, ok := event.Open(body, "id")
		stated := string(e.Type())
		if want := reference(body); stated != want {
			t.Errorf("Type of %q = %q, want %q", body, stated, want)
		}
		var members map[string]any
		if err := json.Unmarshal(body, &members); ok && err == nil {
			if want, _ := members["id"].(string); e.ID() != want {
				t.Errorf("ID of %q = %q, want %q", body, e.ID(), want)
			}
		}
		if kept, _ := event.CleanType(stated); kept == "" || len(kept) > 256 {
			t.Errorf("CleanType(%q) = %q", stated, kept)
		}
	})
}

func TestEnvelope_ID(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"id":"evt_1"}`: "evt_1", `{"id":7}`: "", `{"a":{"id":"inner"}}`: "", `[{"id":"x"}]`: "", `{"id":null}`: "", ``: "",
		`{"id":"first","id":"last"}`: "last", `{"i\u0064":"\u0041"}`: "A", `{"id":"first","i\u0064":7}`: "", `{"id":"a","data":{"id":"b"}}`: "a",
		`{"id":"evt_1"`: "", `{"":"x"}`: "", "{\"id\":\"\xff\"}": "\ufffd",
	} {
		e, _ := event.Open([]byte(document), "id")
		if got := e.ID(); got != want {
			t.Errorf("ID of %s = %q, want %q", document, got, want)
		}
		if e, _ = event.Open([]byte(document), ""); e.ID() != "" {
			t.Errorf("%s has the ID %q, which nobody named", document, e.ID())
		}
	}
}
