package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/batch"
)

// unsigned signs nothing.
type unsigned struct{}

func (unsigned) Signer(string, string) (*signature.Signer, error) { return nil, nil }

// sender is a receiver that is asked without a network between, as the fake clock and a million entries have none.
type sender func(ctx context.Context, url string, payload []byte) error

func (s sender) Send(ctx context.Context, url string, payload any, _ ...webhook.SendOption) (webhook.Delivery, error) {
	return webhook.Delivery{}, s(ctx, url, payload.([]byte))
}

func config(s sender) batch.Config {
	var ids atomic.Int64
	return batch.Config{
		Sender: s, Signers: unsigned{}, Concurrent: 4,
		NewID: func() string { return fmt.Sprint("msg_", ids.Add(1)) },
		Tell:  func(batch.Outcome) error { return nil },
		Grace: 2 * time.Second, Idle: time.Second,
	}
}

// entries are n lines.
func entries(n int) string {
	var text strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&text, "{\"url\":\"u\",\"payload\":%d}\n", i+1)
	}
	return text.String()
}

func reader(t *testing.T, from io.Reader) *batch.Reader {
	t.Helper()
	r, err := batch.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun_rate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		began := time.Now()
		c := config(func(context.Context, string, []byte) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began))
			return nil
		})
		c.Rate = 4
		ticks := 0
		c.Every, c.Tick = time.Second, func(batch.Tally) { ticks++ }
		tally, err := batch.Run(t.Context(), reader(t, strings.NewReader(entries(21))), c)
		if err != nil || tally.Delivered != 21 || tally.Read != int64(len(entries(21))) {
			t.Fatalf("%+v: %v", tally, err)
		}
		for i, when := range at {
			if want := time.Duration(i) * 250 * time.Millisecond; (when - want).Abs() > time.Microsecond {
				t.Errorf("entry %d began after %s, not %s", i, when, want)
			}
		}
		if ticks < 4 || ticks > 5 {
			t.Errorf("%d ticks in five seconds", ticks)
		}
	})
}

func TestRun_concurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := config(func(context.Context, string, []byte) error { time.Sleep(time.Second); return nil })
		tally, err := batch.Run(t.Context(), reader(t, strings.NewReader(entries(40))), c)
		if took := time.Since(began); err != nil || tally.Delivered != 40 || took != 10*time.Second {
			t.Errorf("four at once took %s for 40: %+v, %v", took, tally, err)
		}
	})
}

// Stopping lets what is on its way end, if it does so soon, and accounts for every entry.
func TestRun_stops(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		takes             time.Duration
		delivered, failed int
		after             time.Duration
	}{
		"soon":   {time.Second, 4, 0, time.Second},
		"slowly": {time.Hour, 0, 4, 2500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(500*time.Millisecond, cancel)
				c := config(func(ctx context.Context, _ string, _ []byte) error {
					select {
					case <-time.After(tt.takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				var unsent []int
				c.Tell = func(o batch.Outcome) error {
					if o.Unsent {
						unsent = append(unsent, o.Entry.Number)
					}
					return nil
				}
				began := time.Now()
				tally, err := batch.Run(ctx, reader(t, strings.NewReader(entries(1000))), c)
				if took := time.Since(began); took != tt.after {
					t.Errorf("took %s", took)
				}
				if err != nil || tally.Delivered != tt.delivered || tally.Failed != tt.failed || tally.Unsent != 996 || tally.Unread != nil {
					t.Errorf("%+v: %v", tally, err)
				}
				if len(unsent) != 996 || !slices.IsSorted(unsent) || unsent[0] != 5 {
					t.Errorf("not sent: %d, from %v", len(unsent), unsent[:1])
				}
			})
		})
	}
}

// A pipe that says nothing more does not keep a run that was stopped.
func TestRun_stopsWaitingForAPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, in := io.Pipe()
		go func() { _, _ = io.WriteString(in, entries(3)) }()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		tally, err := batch.Run(ctx, reader(t, out), config(func(context.Context, string, []byte) error { return nil }))
		if took := time.Since(began); took != time.Minute+time.Second {
			t.Errorf("took %s", took)
		}
		if err != nil || tally.Delivered != 3 || !errors.Is(tally.Unread, batch.ErrStopped) {
			t.Errorf("%+v: %v", tally, err)
		}
		_ = in.Close()
	})
}

// When what is told cannot be kept, such as on a full disk, nothing more is sent.
func TestRun_stopsWhenNothingCanBeKept(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	var sent atomic.Int64
	c := config(func(context.Context, string, []byte) error { sent.Add(1); return errors.New("refused") })
	told := 0
	c.Tell = func(batch.Outcome) error { told++; return full }
	tally, err := batch.Run(t.Context(), reader(t, strings.NewReader(entries(100_000))), c)
	if !errors.Is(err, full) || told != 1 || sent.Load() > 1000 || tally.Failed+tally.Unsent != 100_000 || tally.From == "" {
		t.Errorf("%+v, %d sent, told %d times: %v", tally, sent.Load(), told, err)
	}
}

func TestRun_tellsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	tally, err := batch.Run(t.Context(), reader(t, strings.NewReader(`[{"url":"u","payload":1},{"payload":1},{`)), config(func(context.Context, string, []byte) error { return nil }))
	if err != nil || tally.Delivered != 1 || tally.Failed != 1 || tally.Unread == nil {
		t.Errorf("%+v: %v", tally, err)
	}
}

// endless is a batch that is never in memory.
type endless struct {
	left  int
	entry []byte
	rest  []byte
}

func (e *endless) Read(into []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.rest = e.entry
	}
	n := copy(into, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// A million entries take no more memory than a few, in every format.
func TestRun_millionEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	pad := strings.Repeat("x", 30)
	for name, tt := range map[string]struct {
		n                  int
		head, entry, close string
	}{
		"lines": {1_000_000, "", `{"url":"http://host/","payload":{"pad":"` + pad + `"}}` + "\n", ""},
		"array": {50_000, "[", `{"url":"http://host/","payload":{"pad":"` + pad + `"}},` + "\n", `{"url":"u","payload":1}]`},
		"yaml":  {10_000, "", "- url: http://host/\n  payload: {pad: " + pad + "}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var most atomic.Uint64
			var count atomic.Int64
			c := config(func(context.Context, string, []byte) error {
				if count.Add(1)%10_000 == 0 {
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					most.Store(max(most.Load(), m.HeapAlloc))
				}
				return nil
			})
			var before runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			text := io.MultiReader(strings.NewReader(tt.head), &endless{left: tt.n, entry: []byte(tt.entry)}, strings.NewReader(tt.close))
			tally, err := batch.Run(t.Context(), reader(t, text), c)
			if err != nil || tally.Delivered < tt.n || tally.Failed != 0 {
				t.Fatalf("%+v: %v", tally, err)
			}
			grown := int64(most.Load()) - int64(before.HeapAlloc)
			t.Logf("%d MB of input, heap grew by %d KiB", tally.Read>>20, grown>>10)
			if grown > 4<<20 {
				t.Errorf("the heap grew by %d KiB", grown>>10)
			}
		})
	}
}
