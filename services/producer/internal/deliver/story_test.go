package deliver_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/deliver"
	"example.com/signet/services/producer/internal/endpoint"
)

// named knows one endpoint.
type named struct{}

func (named) Live(id string) (endpoint.Live, bool) { return endpoint.Live{Name: "shop"}, id == "ep_1" }

func TestStory_Observe(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 1, 2, 3, 4, 5, 6_007_008, time.UTC)
	for name, tt := range map[string]struct {
		state   relay.State
		outcome relay.Outcome
		target  string
		line    string
		fields  map[string]any // besides those of every line
	}{
		"delivered": {relay.Done, relay.Outcome{StatusCode: 204}, "ep_1", "info a.b delivered", map[string]any{"status": int64(204)}},
		"given up": {
			relay.Failed,
			relay.Outcome{StatusCode: 500, Err: errors.New("why")},
			"ep_1", "warn a.b given up",
			map[string]any{"status": int64(500), "reason": "why", "delivery": "dlv_1"},
		},
		"cancelled": {relay.Cancelled, relay.Outcome{}, "ep_1", "warn a.b given up", map[string]any{"delivery": "dlv_1"}},
		"paused": {
			relay.Paused,
			relay.Outcome{Err: errors.New("why")},
			"ep_1", "warn a.b not delivered, waits for its endpoint to be enabled",
			map[string]any{"reason": "why"},
		},
		"again": {
			relay.Pending,
			relay.Outcome{Err: errors.New("why")},
			"ep_1", "warn a.b not delivered yet",
			map[string]any{"reason": "why", "next": next.Truncate(time.Millisecond)},
		},
		"endpoint gone": {relay.Done, relay.Outcome{}, "ep_2", "info a.b delivered", map[string]any{"endpoint": "ep_2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, lines := observer.New(zap.DebugLevel)
			deliver.NewStory(named{}, zap.New(core)).Observe(observation(tt.state, tt.outcome, tt.target, next))
			if lines.Len() != 1 {
				t.Fatalf("%d lines", lines.Len())
			}
			line := lines.All()[0]
			if got := line.Level.String() + " " + line.Message; got != tt.line {
				t.Errorf("%q, not %q", got, tt.line)
			}
			want := map[string]any{"message_id": "msg_1", "endpoint": "shop", "attempt": int64(3), "took": 1230 * time.Microsecond}
			for k, v := range tt.fields {
				want[k] = v
			}
			got := line.ContextMap()
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s: %v, not %v", k, got[k], v)
				}
			}
			if len(got) != len(want) {
				t.Errorf("fields: %v", got)
			}
		})
	}
}

func observation(state relay.State, outcome relay.Outcome, target string, next time.Time) relay.Observation {
	return relay.Observation{
		Job: relay.Job{
			Message:  relay.Message{ID: "msg_1", Type: "a.b"},
			Delivery: relay.Delivery{ID: "dlv_1", TargetID: target, Attempts: 3},
		},
		Outcome: outcome, State: state, NextAt: next, Duration: 1_234_567 * time.Nanosecond,
	}
}

func TestStory_Observe_level(t *testing.T) {
	t.Parallel()
	core, lines := observer.New(zap.WarnLevel)
	story := deliver.NewStory(named{}, zap.New(core))
	story.Observe(observation(relay.Done, relay.Outcome{}, "ep_1", time.Time{}))
	if lines.Len() != 0 {
		t.Errorf("below the level: %+v", lines.All())
	}
	story.Observe(observation(relay.Failed, relay.Outcome{Disable: "410"}, "ep_1", time.Time{}))
	if lines.Len() != 1 { // that it is disabled is told by the reporter of troubles
		t.Errorf("lines: %+v", lines.All())
	}
}
