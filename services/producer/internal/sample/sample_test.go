package sample_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/sample"
)

func TestTemplate_Fill(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 7e6, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		text, want string
		identifies bool
	}{
		"marks":      {`{"a": "{{id}}", "b":{{ms}}, "c":"{{time}} {{id}}"}`, `{"a": "evt_1", "b":1769857200007, "c":"2026-01-31T11:00:00Z evt_1"}`, true},
		"none":       {` {"x": 1.10}`, ` {"x": 1.10}`, false},
		"other text": {`"{{ID}} {id}"`, `"{{ID}} {id}"`, false},
	} {
		template, err := sample.Parse([]byte(c.text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := string(template.Fill("evt_1", at)); got != c.want || template.Identifies() != c.identifies {
			t.Errorf("%s: %s, identifies %v", name, got, template.Identifies())
		}
	}
	for _, text := range []string{"", "{", `{"a":{{id}}}`, "a=1"} {
		if _, err := sample.Parse([]byte(text)); !errors.Is(err, sample.ErrNotJSON) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestDefault: every scheme that can sign takes the id and the body, and reads its id and time where it looks for them.
func TestDefault(t *testing.T) {
	t.Parallel()
	template, err := sample.Parse([]byte(sample.Default))
	if err != nil || !template.Identifies() {
		t.Fatal(err)
	}
	id, now := sample.NewID(), time.Now()
	if id == sample.NewID() {
		t.Error("two equal ids")
	}
	body := template.Fill(id, now)
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range signature.Schemes() {
		info, err := signature.Describe(scheme)
		if err != nil {
			t.Fatal(err)
		}
		if info.BodyID != "" && info.CanSign && fields[info.BodyID] != id {
			t.Errorf("%s: %s is %v", scheme, info.BodyID, fields[info.BodyID])
		}
	}
}

func TestRespell(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"x":[1.10]}`, `[]`, `"x"`, `1`} {
		other := sample.Respell([]byte(body))
		var a, b any
		if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal(other, &b) != nil || !reflect.DeepEqual(a, b) || body == string(other) {
			t.Errorf("%s became %s", body, other)
		}
	}
}
