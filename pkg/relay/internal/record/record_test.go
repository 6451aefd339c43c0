package record_test

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/pkg/relay/internal/record"
)

func encode(at int64, messages []record.Message) []byte {
	b := record.Begin(nil, at, len(messages))
	for i := range messages {
		b = messages[i].Append(b)
	}
	return b
}

func draw(t *rapid.T) record.Message {
	text := func(name string) string { return rapid.String().Draw(t, name) }
	m := record.Message{
		ID: text("id"), Source: text("source"), Type: text("type"), DedupeKey: text("key"), OrderingKey: text("order"),
		Tenant: text("tenant"), Headers: []byte(text("headers")), Body: []byte(text("body")),
		Delay: rapid.Int64Range(0, 1<<50).Draw(t, "delay"), Deliveries: []record.Delivery{},
	}
	for range rapid.IntRange(0, 4).Draw(t, "deliveries") {
		m.Deliveries = append(m.Deliveries, record.Delivery{ID: text("delivery"), Target: text("target"), Born: rapid.Bool().Draw(t, "born")})
	}
	return m
}

func TestRecord_ThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 1<<60).Draw(t, "at")
		want := []record.Message{}
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			want = append(want, draw(t))
		}
		gotAt, got, err := record.Read(encode(at, want))
		if err != nil || gotAt != at || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v at %d came back as %v at %d: %v", want, at, got, gotAt, err)
		}
	})
}

// FuzzRead: what is no record is an error, and never more than that; what is one is the same when it is written again.
func FuzzRead(f *testing.F) {
	m := record.Message{ID: "msg_1", Source: "s", Type: "t", Deliveries: []record.Delivery{{ID: "d", Target: "a", Born: true}}}
	whole := encode(1, []record.Message{m, m})
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte{record.Version, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		at, messages, err := record.Read(b)
		if err != nil {
			if !errors.Is(err, record.ErrDamaged) || messages != nil {
				t.Fatalf("%d messages, %v", len(messages), err)
			}
			return
		}
		at2, again, err := record.Read(encode(at, messages))
		if err != nil || at2 != at || !reflect.DeepEqual(again, messages) {
			t.Fatalf("%v at %d became %v at %d: %v", messages, at, again, at2, err)
		}
	})
}
