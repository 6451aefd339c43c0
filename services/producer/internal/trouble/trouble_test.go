package trouble_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/publish"
	"example.com/signet/services/producer/internal/trouble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// named knows one endpoint.
type named struct{}

func (named) Live(id string) (endpoint.Live, bool) {
	return endpoint.Live{Name: "shop", Tenant: "acme", URL: "https://example.com/hook?key=hunter2"}, id == "ep_1"
}

// press keeps publications, or fails.
type press struct {
	err    error
	events []publish.Publication
}

func (p *press) Drafts(pub publish.Publication) ([]relay.Draft, error) {
	if p.err != nil {
		return nil, p.err
	}
	p.events = append(p.events, pub)
	return []relay.Draft{{Type: pub.Events[0].Type}}, nil
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 6_007_008, time.UTC)

func TestReporter_Report(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change relay.TargetChange
		line   string
		fields int
	}{
		"disabled": {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetDisabled, Reason: "why", At: at}, "warn endpoint disabled", 2},
		"opened":   {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetOpened, Reason: "why", Until: at, At: at}, "warn endpoint held back", 3},
		"closed":   {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetClosed, Reason: "why", At: at}, "info endpoint gets deliveries again", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, lines := observer.New(zap.DebugLevel)
			p := &press{}
			r := trouble.New(named{}, p, zap.New(core))
			r.Report(tt.change)
			if lines.Len() != 1 || lines.All()[0].Level.String()+" "+lines.All()[0].Message != tt.line || len(lines.All()[0].Context) != tt.fields {
				t.Errorf("lines: %+v", lines.All())
			}
			if n := testutil.ToFloat64(r.Collector()); n != 1 {
				t.Errorf("counted %v", n)
			}
			if len(p.events) != 0 {
				t.Errorf("published after the fact: %+v", p.events)
			}
		})
	}
}

// TestReporter_Announce makes the event, and has no other effect: it may be asked again.
func TestReporter_Announce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		id    string
		err   error
		made  bool
		lines int
	}{
		"disabled":        {"ep_1", nil, true, 0},
		"gone meantime":   {"ep_2", nil, false, 0},
		"wrong in itself": {"ep_1", errors.New("wrong"), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, lines := observer.New(zap.DebugLevel)
			p := &press{err: tt.err}
			r := trouble.New(named{}, p, zap.New(core))
			drafts := r.Announce(relay.TargetChange{TargetID: tt.id, Event: relay.TargetDisabled, Reason: "why", At: at})
			if (len(drafts) == 1) != tt.made || len(p.events) != len(drafts) || lines.Len() != tt.lines {
				t.Fatalf("made %+v, logged %+v", drafts, lines.All())
			}
			if tt.made {
				checkEvent(t, p.events[0])
			}
			if n := testutil.CollectAndCount(r.Collector()); n != 0 {
				t.Errorf("counted %d", n)
			}
		})
	}
}

func checkEvent(t *testing.T, pub publish.Publication) {
	t.Helper()
	e := pub.Events[0]
	if pub.Except != "ep_1" || len(pub.Events) != 1 || e.Type != trouble.DisabledType || e.Tenant != "acme" || e.ID != "ep_1:1767323045006007" {
		t.Errorf("publication: %+v", pub)
	}
	var data map[string]string
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"endpoint_id": "ep_1", "name": "shop", "reason": "why", "disabled_at": "2026-01-02T03:04:05.006Z", "url": data["url"],
	}
	for k, v := range want {
		if data[k] != v {
			t.Errorf("%s: %q, not %q", k, data[k], v)
		}
	}
	if len(data) != len(want) || data["url"] == "" || data["url"] == "https://example.com/hook?key=hunter2" {
		t.Errorf("data: %v", data)
	}
}
