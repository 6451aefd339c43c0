package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// isolationDue names how many deliveries are due at each of the bad targets: some thousands unless it says more, such as
// RELAY_ISOLATION_DUE=100000.
const isolationDue = "RELAY_ISOLATION_DUE"

// isolationRounds are the turns of each kind; as many again twice when in doubt, and then all of them count.
const isolationRounds = 7

// TestIsolation_ABadTargetDoesNotSlowAGoodOne has three real HTTP servers: one that hangs, one that fails always, both
// with thousands of deliveries due, and a good one. The good one's rate is measured alone and beside the bad ones, in
// turns, and the medians compared. It runs by itself: whatever else ran would be measured too.
func TestIsolation_ABadTargetDoesNotSlowAGoodOne(t *testing.T) { //nolint:paralleltest,tparallel // measures rates
	due, good := 5000, 3000 // of each bad target, and of the good one in each turn
	if underRace {
		due, good = 2000, 400
	}
	if text := os.Getenv(isolationDue); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", isolationDue, err)
		}
		due = n
	}
	for _, e := range []engine{sqlite, postgres} {
		t.Run(string(e), func(t *testing.T) { measureIsolation(t, e, due, good) })
	}
}

func measureIsolation(t *testing.T, e engine, due, good int) {
	f := open(t, e, func(c *relay.Config) {
		c.Schedule, c.Now, c.Migrations = nil, time.Now, nil // as in service: its default schedule, and the real clock
	})
	s := newServers(t)
	f.target("hangs", "fails", "good")
	d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
		Resolver: s, Log: func(what string, err error) { t.Logf("dispatcher: %s: %v", what, err) },
	})
	d.Start()
	t.Cleanup(func() { f.stop(d) })
	for _, bad := range []string{"hangs", "fails"} {
		f.enable(false, bad)
		f.fill(due, relay.Draft{Targets: []string{bad}, Body: []byte(`{"a":1}`)})
	}
	rates := map[bool][]float64{}
	for round := 0; round < 6*isolationRounds; round++ {
		if round > 0 && round%(2*isolationRounds) == 0 && (underRace || median(rates[true]) >= 0.9*median(rates[false])) {
			break
		}
		beside := (round+round/2)%2 == 1 // alone, beside, beside, alone, …: what drifts touches both
		rates[beside] = append(rates[beside], f.goodRate(s, good, beside))
	}
	alone, beside := median(rates[false]), median(rates[true])
	t.Logf("%d due at each bad target: %.0f/s alone, %.0f/s beside (%.2f, %d turns); %d attempts hung, %d failed",
		due, alone, beside, beside/alone, len(rates[true]), s.hung.Load(), s.failed.Load())
	if beside < 0.9*alone && !underRace { // where the bad ones' first attempts take as long as hundreds do otherwise
		t.Errorf("beside the bad ones the good target gets %.2f of its rate, want 0.90: alone %.0f, beside %.0f",
			beside/alone, rates[false], rates[true])
	}
	if s.hung.Load() < relay.DefaultConcurrency || s.failed.Load() < relay.DefaultConcurrency/2 {
		t.Error("the bad targets were hardly tried")
	}
	if n := f.number(`SELECT count(*) FROM deliveries WHERE state = 'failed'`); n != 0 {
		t.Errorf("%d deliveries are failed", n)
	}
	f.enable(false, "hangs", "fails")
	f.quiesce()
	f.balanced()
}

// goodRate is how many deliveries a second the good target gets of a backlog.
func (f *fixture) goodRate(s *servers, n int, beside bool) float64 {
	f.t.Helper()
	f.enable(false, "good", "hangs", "fails")
	f.quiesce()
	f.fill(n, relay.Draft{Targets: []string{"good"}, Body: []byte(`{"a":1}`)})
	s.good.Store(0)
	if beside {
		hung, failed := s.hung.Load(), s.failed.Load()
		f.enable(true, "hangs", "fails")
		eventually(f.t, "the bad ones are being tried", func() bool { return s.hung.Load() > hung && s.failed.Load() > failed })
	}
	f.enable(true, "good")
	began := time.Now()
	eventually(f.t, "the good one has got everything", func() bool { return s.good.Load() >= int64(n) })
	return float64(n) / time.Since(began).Seconds()
}

func (f *fixture) enable(enabled bool, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		if err := f.SetTarget(f.t.Context(), id, enabled, "test"); err != nil {
			f.t.Fatal(err)
		}
	}
}

// quiesce waits until nothing is claimed.
func (f *fixture) quiesce() {
	f.t.Helper()
	eventually(f.t, "nothing is claimed", func() bool {
		return f.number(`SELECT count(*) FROM deliveries WHERE state = 'delivering'`) == 0
	})
}

// servers are three receivers.
type servers struct {
	url                map[string]string
	client             *http.Client
	good, hung, failed atomic.Int64
}

// hangTime is how long an attempt waits for an answer. A service waits longer, and so ties up less of everything else.
const hangTime = 300 * time.Millisecond

func newServers(t *testing.T) *servers {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * relay.DefaultConcurrency}
	s := &servers{url: map[string]string{}, client: &http.Client{Transport: transport}}
	for id, handler := range map[string]http.HandlerFunc{
		"good": func(http.ResponseWriter, *http.Request) { s.good.Add(1) },
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			s.hung.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // or else the server does not notice that the client has gone
			<-r.Context().Done()
		},
		"fails": func(w http.ResponseWriter, _ *http.Request) {
			s.failed.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		},
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		s.url[id] = server.URL
	}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

// Resolve makes attempts by HTTP.
func (s *servers) Resolve(id string) (relay.Runner, bool) {
	url, ok := s.url[id]
	return relay.Remote(func(ctx context.Context, job relay.Job) relay.Outcome { return s.post(ctx, url, job) }), ok
}

func (s *servers) post(ctx context.Context, url string, job relay.Job) relay.Outcome {
	if job.Delivery.TargetID == "hangs" {
		bounded, cancel := context.WithTimeout(ctx, hangTime)
		defer cancel()
		ctx = bounded
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(job.Message.Body))
	if err != nil {
		return relay.Permanent(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return relay.Retry(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	err = errors.Join(err, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("answered %d", response.StatusCode))
	}
	if err != nil {
		return relay.Retry(err)
	}
	return relay.Delivered("")
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
