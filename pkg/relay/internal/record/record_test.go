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

func TestOutcomes_ThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var messages []record.Message
		want := record.Outcomes{}
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			m := draw(t)
			messages = append(messages, m)
			if rapid.Bool().Draw(t, "rows") {
				want = append(want, nil)
				continue
			}
			outcomes := make([]record.Outcome, len(m.Deliveries))
			for k := range outcomes {
				outcomes[k] = record.Outcome{
					Started: rapid.Int64Range(0, 1<<60).Draw(t, "started"), Ended: rapid.Int64Range(0, 1<<60).Draw(t, "ended"),
					Took: rapid.Int64Range(0, 1<<50).Draw(t, "took"), Status: rapid.IntRange(0, 999).Draw(t, "status"), Detail: rapid.String().Draw(t, "detail"),
				}
			}
			want = append(want, outcomes)
		}
		got, err := record.ReadOutcomes(want.Encode(rapid.Int64Range(0, 1<<60).Draw(t, "at")), messages)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v came back as %v: %v", want, got, err)
		}
	})
}

func TestPack(t *testing.T) {
	t.Parallel()
	m := record.Message{ID: "msg_1", Source: "s", Type: "t", Headers: []byte{}, Body: make([]byte, 1000), Deliveries: []record.Delivery{{ID: "d", Target: "a", Born: true}}}
	plain := encode(7, []record.Message{m, m, m})
	packed := record.Pack(plain)
	if len(packed) > len(plain)/4 || packed[0] != record.Packed {
		t.Fatalf("%d bytes became %d", len(plain), len(packed))
	}
	at, messages, err := record.Read(packed)
	if err != nil || at != 7 || len(messages) != 3 || !reflect.DeepEqual(messages[2], m) {
		t.Errorf("%d messages came back, at %d: %v", len(messages), at, err)
	}
	if short := record.Pack([]byte{record.Version, 1, 0}); short[0] != record.Version {
		t.Error("what packing makes longer was packed")
	}
	for n := range packed {
		if _, _, err := record.Read(packed[:n]); !errors.Is(err, record.ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// FuzzReadOutcomes: what is none is an error, and never more than that.
func FuzzReadOutcomes(f *testing.F) {
	messages := []record.Message{{Deliveries: []record.Delivery{{}, {}}}, {}, {Deliveries: []record.Delivery{{}}}}
	whole := record.Outcomes{{{Started: 5, Ended: 6, Took: 1, Status: 200, Detail: "ok"}, {Detail: "x"}}, {}, nil}.Encode(4)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	endless := []byte{record.Version, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	f.Add(endless) // it took 1<<64 - 1 µs
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := record.ReadOutcomes(b, messages)
		if err != nil {
			if !errors.Is(err, record.ErrDamaged) || got != nil {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		again, err := record.ReadOutcomes(got.Encode(3), messages)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%v became %v: %v", got, again, err)
		}
	})
}
