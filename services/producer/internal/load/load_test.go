package load_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/load"
	"example.com/signet/services/producer/internal/sample"
	"example.com/signet/services/producer/internal/unanswered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newPlan(t *testing.T, url string) load.Plan {
	t.Helper()
	template, err := sample.Parse([]byte(sample.Default))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner("standard", secret)
	if err != nil {
		t.Fatal(err)
	}
	return load.Plan{URL: url, Rate: 200, Duration: time.Second, Connections: 10, Timeout: 5 * time.Second, Template: template, Signer: signer, UserAgent: "test"}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestRun(t *testing.T) {
	t.Parallel()
	verifier, err := signature.NewVerifier("standard", []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ids, refused := map[string]bool{}, 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		match, err := verifier.Verify(signature.Request{Header: r.Header, Body: body}, time.Now())
		mu.Lock()
		defer mu.Unlock()
		if err != nil || ids[match.ID] || !strings.Contains(string(body), match.ID) || r.Header.Get("X-Own") != "1" {
			refused++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ids[match.ID] = true
		if len(ids)%4 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	plan := newPlan(t, url)
	plan.Header = http.Header{"X-Own": {"1"}}
	got := load.Run(t.Context(), plan)
	if got.Due != 200 || got.Sent != 200 || got.Answered != 200 || got.Statuses[200] != 150 || got.Statuses[503] != 50 || len(got.Statuses) != 2 ||
		got.Succeeded() != 150 || got.Failed() != 50 || len(got.Errors) != 0 || got.Interrupted {
		t.Errorf("%+v", got)
	}
	if len(ids) != 200 || refused > 0 {
		t.Errorf("%d ids, %d refused", len(ids), refused)
	}
	if got.Took < plan.Duration || got.Rate() < 100 || got.Rate() > 200 || got.Latencies.TotalCount() != 200 || got.Quantile(0.5) <= 0 {
		t.Errorf("took %s, rate %f, median %s", got.Took, got.Rate(), got.Quantile(0.5))
	}
	var answered int64
	for _, s := range got.Timeline {
		answered += s.Answered
	}
	if answered != 200 || got.Timeline[0].Answered == 200 {
		t.Errorf("the timeline has %d answers, %d of them in the beginning", answered, got.Timeline[0].Answered)
	}
}

// TestRun_stall: a receiver that answers nothing for half a second shows it in every request that was due meanwhile, as
// if there were as many connections as requests. Counted from when they were sent, four requests would have been slow.
func TestRun_stall(t *testing.T) {
	t.Parallel()
	const stall = 500 * time.Millisecond
	var began atomic.Pointer[time.Time]
	var running, most atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		now, n := time.Now(), running.Add(1)
		defer running.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		began.CompareAndSwap(nil, &now)
		if since := now.Sub(*began.Load()); since > stall && since < 2*stall {
			time.Sleep(2*stall - since)
		}
	})
	plan := newPlan(t, url)
	plan.Duration, plan.Connections = 2*time.Second, 4
	got := load.Run(t.Context(), plan)
	if most.Load() != int64(plan.Connections) {
		t.Errorf("%d requests at once on %d connections", most.Load(), plan.Connections)
	}
	slow := int64(0)
	for _, bar := range got.Latencies.Distribution() {
		if bar.From >= (stall / 2).Microseconds() {
			slow += bar.Count
		}
	}
	// 100 requests became due in the stall, and half of them waited for longer than half of it.
	if slow < 40 || slow > 160 {
		t.Errorf("%d requests took longer than half of the stall", slow)
	}
	if got.Quantile(0.99) < stall*3/4 || got.Quantile(0.5) > stall/2 || got.Quantile(1) < stall*9/10 {
		t.Errorf("p50 %s, p99 %s, max %s", got.Quantile(0.5), got.Quantile(0.99), got.Quantile(1))
	}
	if got.Waited < 50 || got.LongestWait < stall/2 || got.Answered != 400 {
		t.Errorf("%d waited, at most %s; %d answered", got.Waited, got.LongestWait, got.Answered)
	}
}

func TestRun_unanswered(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not see the sender go
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	for name, c := range map[string]struct {
		url, reason string
		connections int
		wantUnsent  bool
		latency     bool
	}{
		"nobody there": {"http://127.0.0.1:1", unanswered.Refused, 10, false, false},
		"resets":       {serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), unanswered.Closed, 10, false, false},
		"hangs":        {hanging, unanswered.Late, 2, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := newPlan(t, c.url)
			plan.Duration, plan.Connections, plan.Timeout = 300*time.Millisecond, c.connections, 200*time.Millisecond
			got := load.Run(t.Context(), plan)
			if got.Answered != 0 || got.Due != 60 || got.Failed() != 60 || got.Errors[c.reason] != got.Sent || (got.Sent < got.Due) != c.wantUnsent {
				t.Errorf("%+v", got)
			}
			if c.latency && (got.Latencies.TotalCount() != 60 || got.Quantile(0.5) < 190*time.Millisecond) || !c.latency && got.Latencies.TotalCount() != 0 {
				t.Errorf("%d latencies, median %s", got.Latencies.TotalCount(), got.Quantile(0.5))
			}
		})
	}
}

func TestRun_interrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var count atomic.Int64
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not see the sender go
		n := count.Add(1)
		if n == 50 {
			interrupt()
		}
		if n == 49 {
			<-r.Context().Done() // is on its way for ever
		}
	})
	plan := newPlan(t, url)
	plan.Duration, plan.Timeout = time.Hour, time.Minute
	began := time.Now()
	got := load.Run(ctx, plan)
	if took := time.Since(began); took > 10*time.Second || !got.Interrupted || got.Answered < 40 || got.Answered > 100 || got.Errors[unanswered.Cancelled] != 1 {
		t.Errorf("after %s: %+v", took, got)
	}
}

// TestRun_cut: a request whose connection is cut counts as that, and is not sent again by anybody.
func TestRun_cut(t *testing.T) {
	t.Parallel()
	var count atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if count.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	plan := newPlan(t, url)
	plan.Connections, plan.Duration = 1, 200*time.Millisecond
	var err error
	if plan.Signer, err = signature.NewSigner("stripe", secret); err != nil { // without an id of its own
		t.Fatal(err)
	}
	got := load.Run(t.Context(), plan)
	if count.Load() != 40 || got.Answered != 20 || got.Failed() != 20 || got.Sent != 40 {
		t.Errorf("%d requests at the receiver: %+v", count.Load(), got)
	}
}

// TestResult_WriteSVG_few: with few requests the rate that is drawn is the one that was, and a lonely point is seen.
func TestResult_WriteSVG_few(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, serve(t, func(http.ResponseWriter, *http.Request) {}))
	plan.Rate, plan.Duration = 50, 100*time.Millisecond
	var svg bytes.Buffer
	if err := load.Run(t.Context(), plan).WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	if text := svg.String(); strings.Count(text, "<circle ") != 5 || !strings.Contains(text, ">50</text>") {
		t.Errorf("not five points: %s", text)
	}
}

// TestOnTime: what a timer is late by is not the receiver's, and a longer stall of this process may be.
func TestOnTime(t *testing.T) {
	t.Parallel()
	due := time.Now()
	for late, want := range map[time.Duration]time.Duration{
		-time.Millisecond: -time.Millisecond, 0: 0, time.Millisecond: time.Millisecond, load.TimerLate: 0, time.Second: 0,
	} {
		if got := load.OnTime(due, due.Add(late)).Sub(due); got != want {
			t.Errorf("started %v late, it counts from %v", late, got)
		}
	}
}

func TestPlan_Requests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate     float64
		duration time.Duration
		want     int64
	}{{200, time.Second, 200}, {0.5, 10 * time.Second, 5}, {0.5, time.Second, 1}, {1.5, 2 * time.Second, 3}} {
		if got := (load.Plan{Rate: c.rate, Duration: c.duration}).Requests(); got != c.want {
			t.Errorf("%f for %s: %d", c.rate, c.duration, got)
		}
	}
}

func TestResult_Write(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := newPlan(t, url)
	plan.Duration = 200 * time.Millisecond
	some := load.Run(t.Context(), plan)
	plan.URL = "http://127.0.0.1:1"
	for name, r := range map[string]load.Result{"some": some, "none answered": load.Run(t.Context(), plan)} {
		var svg, page bytes.Buffer
		if err := errors.Join(r.WriteSVG(&svg), r.WriteHTML(&page, "a <b>", "x & y")); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(svg.String(), "%!") || strings.Contains(page.String(), "%!") {
			t.Errorf("%s: a number that could not be written", name)
		}
		lines, decoder := 0, xml.NewDecoder(&svg)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
				lines++
				for _, a := range start.Attr {
					if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
						t.Errorf("%s: a line of %s", name, a.Value)
					}
				}
			}
		}
		want := 6 // percentiles, three latencies, two rates
		if r.Answered == 0 {
			want = 5 // no percentiles of nothing
		}
		if lines != want || strings.Contains(page.String(), "no request was answered") != (r.Answered == 0) {
			t.Errorf("%s: %d lines", name, lines)
		}
		for _, want := range []string{"<title>a &lt;b&gt;</title>", "<pre>x &amp; y</pre>", "</svg>\n</html>"} {
			if !strings.Contains(page.String(), want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
	}
}
