package trouble_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
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

// press takes publications, after as many errors as it was given.
type press struct {
	mu     sync.Mutex
	errs   []error
	tried  int
	events []publish.Publication
}

func (p *press) Publish(_ context.Context, pub publish.Publication) ([]publish.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried++
	if p.tried <= len(p.errs) {
		return nil, p.errs[p.tried-1]
	}
	p.events = append(p.events, pub)
	return nil, nil
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 6_007_008, time.UTC)

func TestReporter_Report(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  relay.TargetChange
		line    string
		fields  int
		publish bool
	}{
		"disabled":      {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetDisabled, Reason: "why", At: at}, "warn endpoint disabled", 2, true},
		"opened":        {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetOpened, Reason: "why", Until: at, At: at}, "warn endpoint held back", 3, false},
		"closed":        {relay.TargetChange{TargetID: "ep_1", Event: relay.TargetClosed, Reason: "why", At: at}, "info endpoint gets deliveries again", 2, false},
		"gone meantime": {relay.TargetChange{TargetID: "ep_2", Event: relay.TargetDisabled, Reason: "why", At: at}, "warn endpoint disabled", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, lines := observer.New(zap.DebugLevel)
			p := &press{}
			r := trouble.New(named{}, p, zap.New(core))
			r.Start()
			r.Report(tt.change)
			r.Stop()
			r.Stop()
			if lines.Len() != 1 || lines.All()[0].Level.String()+" "+lines.All()[0].Message != tt.line || len(lines.All()[0].Context) != tt.fields {
				t.Errorf("lines: %+v", lines.All())
			}
			if n := testutil.ToFloat64(r.Collector()); n != 1 {
				t.Errorf("counted %v", n)
			}
			if (len(p.events) == 1) != tt.publish {
				t.Fatalf("published: %+v", p.events)
			}
			if tt.publish {
				checkEvent(t, p.events[0])
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

// TestReporter_publishesWhenTheStoreCan goes on until the store takes the event; what is wrong in itself is logged and
// dropped, so that it does not hold up the next.
func TestReporter_publishesWhenTheStoreCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.ErrorLevel)
		p := &press{errs: []error{relay.ErrUnavailable, relay.ErrUnavailable, errors.New("wrong in itself")}}
		r := trouble.New(named{}, p, zap.New(core))
		r.Start()
		defer r.Stop()
		for range 2 {
			r.Report(relay.TargetChange{TargetID: "ep_1", Event: relay.TargetDisabled, At: at})
		}
		synctest.Wait()
		if len(p.events) != 0 || lines.Len() != 0 {
			t.Fatalf("published %+v, logged %+v", p.events, lines.All())
		}
		time.Sleep(time.Minute) // of the bubble's own clock
		synctest.Wait()
		if len(p.events) != 1 || p.tried != 4 || lines.Len() != 1 {
			t.Errorf("tried %d times, published %+v, logged %+v", p.tried, p.events, lines.All())
		}
	})
}
