package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/unanswered"
)

// longest is what the histograms count to, in microseconds; what takes longer counts as that.
const longest = int64(time.Hour / time.Microsecond)

// slices is in how many parts of equal length the duration is looked at.
const slices = 60

// Result is what came of a load.
type Result struct {
	Plan        Plan
	Due         int64            // requests that became due
	Sent        int64            // those that were sent
	Answered    int64            // those that were answered, with any status
	Statuses    map[int]int64    // answers by status
	Errors      map[string]int64 // requests sent and not answered, by reason: see package unanswered
	Waited      int64            // requests that were due before a connection was free
	LongestWait time.Duration    // of them
	Took        time.Duration    // until the last answer, and at least the plan's duration unless interrupted
	Interrupted bool
	// Latencies are in microseconds, from when a request was due until its answer was read, but for what a timer was late
	// by. Requests without an answer in time, and those that could not even be sent, count with the time until they were
	// given up. What failed otherwise has no latency, and is not in it.
	Latencies *hdrhistogram.Histogram
	Timeline  []Slice
}

// Slice is a part of the duration: what became due in it.
type Slice struct {
	Until     time.Duration // its end, since the beginning
	Answered  int64
	Failed    int64 // not answered, or not sent
	Latencies *hdrhistogram.Histogram
}

// Rate is answers a second.
func (r Result) Rate() float64 { return float64(r.Answered) / r.Took.Seconds() }

// Failed is how many requests were not answered with success.
func (r Result) Failed() int64 { return r.Due - r.Succeeded() }

// Succeeded is how many requests were answered with a status of success.
func (r Result) Succeeded() int64 {
	var n int64
	for status, count := range r.Statuses {
		if status >= 200 && status < 300 {
			n += count
		}
	}
	return n
}

// Quantile is a latency that this share of requests, between 0 and 1, did not exceed.
func (r Result) Quantile(q float64) time.Duration { return quantile(r.Latencies, q) }

func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	return time.Duration(h.ValueAtQuantile(q*100)) * time.Microsecond
}

// recorder counts; it is safe for concurrent use.
type recorder struct {
	mu       sync.Mutex
	began    time.Time
	duration time.Duration
	last     time.Time
	counted  Result
}

func newRecorder(began time.Time, duration time.Duration) *recorder {
	c := &recorder{began: began, duration: duration, last: began, counted: Result{
		Statuses: map[int]int64{}, Errors: map[string]int64{},
		Latencies: hdrhistogram.New(1, longest, 3), Timeline: make([]Slice, slices),
	}}
	for i := range c.counted.Timeline {
		c.counted.Timeline[i] = Slice{Until: duration * time.Duration(i+1) / slices, Latencies: hdrhistogram.New(1, longest, 2)}
	}
	return c
}

// started notes how long a request waited for a connection.
func (c *recorder) started(waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted.Due++
	c.counted.Sent++
	if waited > 0 {
		c.counted.Waited++
		c.counted.LongestWait = max(c.counted.LongestWait, waited)
	}
}

// unsent notes a request that was due and is not going to be sent.
func (c *recorder) unsent(due, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted.Due++
	c.slice(due).Failed++
	c.latency(due, now)
}

// record notes what came of a request.
func (c *recorder) record(due, now time.Time, a webhook.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = now
	if a.StatusCode != 0 {
		c.counted.Answered++
		c.counted.Statuses[a.StatusCode]++
		c.slice(due).Answered++
		c.latency(due, now)
		return
	}
	reason := unanswered.Reason(a.Err)
	c.counted.Errors[reason]++
	c.slice(due).Failed++
	if reason == unanswered.Late || reason == unanswered.Cancelled { // it would have taken longer still
		c.latency(due, now)
	}
}

func (c *recorder) latency(due, now time.Time) {
	took := min(max(now.Sub(due).Microseconds(), 1), longest)
	_ = c.counted.Latencies.RecordValue(took) // within the bounds just now
	_ = c.slice(due).Latencies.RecordValue(took)
}

func (c *recorder) slice(due time.Time) *Slice {
	n := int(due.Sub(c.began) * slices / c.duration)
	return &c.counted.Timeline[min(max(n, 0), slices-1)]
}

func (c *recorder) result(p Plan, interrupted bool) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.counted
	r.Plan, r.Interrupted, r.Took = p, interrupted, c.last.Sub(c.began)
	if interrupted {
		r.Took = max(r.Took, time.Millisecond)
	} else {
		r.Took = max(r.Took, c.duration)
	}
	return r
}
