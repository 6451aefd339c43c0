package handler_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/services/receiver/internal/handler"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, eventType string
		want               bool
	}{
		{"*", "anything", true},
		{"*", "unknown", true},
		{"order.*", "order.completed", true},
		{"order.*", "order.item.added", true},
		{"order.*", "order", false},
		{"order.*", "order.", false},
		{"order.*", "orders.completed", false},
		{"user.created", "user.created", true},
		{"user.created", "user.created.v2", false},
		{"user.created", "User.Created", false},
	} {
		if got := handler.Match(c.pattern, c.eventType); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.eventType, got)
		}
	}
}

func TestMatch_properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rapid.StringMatching(`[a-z_]{1,5}`), 1, 4).Draw(t, "segments")
		eventType := strings.Join(segments, ".")
		if !handler.Match(eventType, eventType) || !handler.Match("*", eventType) {
			t.Fatalf("%q is not taken by itself and by *", eventType)
		}
		for n := 1; n < len(segments); n++ {
			pattern := strings.Join(segments[:n], ".") + ".*"
			if !handler.ValidPattern(pattern) || !handler.Match(pattern, eventType) {
				t.Fatalf("%q does not take %q", pattern, eventType)
			}
		}
		if handler.Match(eventType+".*", eventType) {
			t.Fatalf("%q takes its own prefix", eventType+".*")
		}
	})
}

func TestValidPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"*": true, "a": true, "a.b": true, "a.*": true, "a.b.*": true,
		"": false, ".*": false, "a*": false, "*.a": false, "a.*.b": false, "**": false, "a.**": false,
	} {
		if got := handler.ValidPattern(pattern); got != want {
			t.Errorf("ValidPattern(%q) = %v", pattern, got)
		}
	}
}

func TestRouter_Targets(t *testing.T) {
	t.Parallel()
	router, err := handler.NewRouter([]handler.Handler{
		{Name: "created", Pattern: "user.created"},
		{Name: "users", Pattern: "user.*"},
		{Name: "rest", Pattern: "*", Fallback: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for eventType, want := range map[string][]string{
		"user.created": {"handler:created", "handler:users"},
		"user.deleted": {"handler:users"},
		"push":         {"handler:rest"},
		"unknown":      {"handler:rest"},
	} {
		if got := router.Targets(eventType); !slices.Equal(got, want) {
			t.Errorf("Targets(%q) = %v, want %v", eventType, got, want)
		}
	}
	if _, ok := router.Resolve("handler:users"); !ok {
		t.Error("a registered handler is not found")
	}
	if _, ok := router.Resolve("handler:gone"); ok {
		t.Error("a handler that is not registered is found")
	}
}

func TestNewRouter_refuses(t *testing.T) {
	t.Parallel()
	for name, handlers := range map[string][]handler.Handler{
		"a bad pattern": {{Name: "a", Pattern: "a*"}},
		"no pattern":    {{Name: "a"}},
		"a name twice":  {{Name: "a", Pattern: "a"}, {Name: "a", Pattern: "b"}},
	} {
		if _, err := handler.NewRouter(handlers); err == nil {
			t.Errorf("NewRouter takes %s", name)
		}
	}
}

func TestAll_takesEveryType(t *testing.T) {
	t.Parallel()
	router, err := handler.NewRouter(handler.All())
	if err != nil {
		t.Fatal(err)
	}
	for eventType, want := range map[string]string{
		"user.created": "handler:user-created", "order.completed": "handler:order-completed",
		"order.created": "handler:log", "unknown": "handler:log",
	} {
		if got := router.Targets(eventType); !slices.Equal(got, []string{want}) {
			t.Errorf("Targets(%q) = %v, want %s", eventType, got, want)
		}
	}
}
