package webhook_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/signet/pkg/webhook"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, eventType string
		want               bool
	}{
		{"*", "anything", true},
		{"order.*", "order.completed", true},
		{"order.*", "order.a.b", true},
		{"order.*", "order.", false},
		{"order.*", "order", false},
		{"order.*", "orders.completed", false},
		{"order.*", "Order.completed", false},
		{"order.completed", "order.completed", true},
		{"order.completed", "order.completed.now", false},
		{"a.b.*", "a.b.c", true},
	}
	for _, tt := range tests {
		if got := webhook.Match(tt.pattern, tt.eventType); got != tt.want {
			t.Errorf("%s takes %s: %v", tt.pattern, tt.eventType, got)
		}
	}
}

func TestValidPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"*": true, "order.*": true, "order.completed": true, "a:b/c-d_e": true, "a.b.*": true,
		"": false, "**": false, "order*": false, "*.completed": false, ".*": false, "a.*.b": false, "a b": false, "é": false,
		strings.Repeat("a", 256): true, strings.Repeat("a", 257): false, strings.Repeat("a", 255) + ".*": false,
	} {
		if got := webhook.ValidPattern(pattern); got != want {
			t.Errorf("%q: %v", pattern, got)
		}
	}
}

func TestMatch_beginnings(t *testing.T) {
	t.Parallel()
	part := rapid.StringMatching(`[a-z0-9_/:-]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		head, tail := part.Draw(t, "head"), part.Draw(t, "tail")
		whole := head + "." + tail
		if !webhook.ValidType(whole) || !webhook.Match(head+".*", whole) || !webhook.Match(whole, whole) || !webhook.Match("*", whole) {
			t.Fatalf("%s is not taken", whole)
		}
		if webhook.Match(head+".*", head) || webhook.Match(head+".*", "x"+whole) || webhook.Match(head, whole) {
			t.Fatalf("%s takes too much", head)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("order.*", "order.completed")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		matched := webhook.Match(pattern, eventType)
		if !webhook.ValidPattern(pattern) || !webhook.ValidType(eventType) {
			return
		}
		want := pattern == "*" || pattern == eventType ||
			strings.HasSuffix(pattern, ".*") && len(eventType) >= len(pattern) && eventType[:len(pattern)-1] == pattern[:len(pattern)-1]
		if matched != want {
			t.Errorf("%s takes %s: %v", pattern, eventType, matched)
		}
	})
}
