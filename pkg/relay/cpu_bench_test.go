package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"example.com/signet/pkg/relay"
)

// cpu is the processor time this process has used, in microseconds.
func cpu(b *testing.B) float64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1000
}

// BenchmarkIngest is what a receiver does: 128 callers append messages with random dedupe keys, alone, and while an
// effect of two rows is applied for each of them. It reports processor time, which neighbours change less than they
// change the wall's.
func BenchmarkIngest(b *testing.B) {
	b.Run("append", func(b *testing.B) { benchIngest(b, benchStore(b, sqlite), relay.Runner{}, false) })
	b.Run("effect", func(b *testing.B) { benchIngest(b, benchStore(b, sqlite), relay.Effect(projecting), true) })
	b.Run("remote", func(b *testing.B) { benchIngest(b, benchStore(b, sqlite), answer(relay.Delivered("")), true) })
}

// projecting keeps one row for each message and one sum.
func projecting(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
	for _, name := range []string{job.Message.DedupeKey, "sum"} {
		if _, err := tx.Exec(ctx, increment, name); err != nil {
			return relay.Retry(err)
		}
	}
	return relay.Delivered("counted")
}

func benchIngest(b *testing.B, s *relay.Store, runner relay.Runner, dispatch bool) {
	seen := make(chan struct{}, b.N)
	if dispatch {
		d := relay.NewDispatcher(s, relay.DispatcherConfig{
			Resolver: runners{"a": runner}, Observe: func(relay.Observation) { seen <- struct{}{} },
		})
		d.Start()
		defer func() {
			if err := d.Stop(context.Background()); err != nil {
				b.Error(err)
			}
		}()
	}
	body := bytes.Repeat([]byte("x"), 580)
	headers := bytes.Repeat([]byte("h"), 300)
	work := make(chan int, b.N)
	for i := range b.N {
		work <- i
	}
	close(work)
	b.ResetTimer()
	before := cpu(b)
	var callers sync.WaitGroup
	for range 128 {
		callers.Go(func() {
			for range work {
				key := fmt.Sprintf("%016x-%016x", rand.Uint64(), rand.Uint64())
				if _, err := s.Append(context.Background(), relay.Draft{
					Source: "default", Type: "order.completed", DedupeKey: key, Headers: headers, Body: body, Targets: []string{"a"},
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	callers.Wait()
	accepted := cpu(b) - before
	for range b.N {
		if !dispatch {
			break
		}
		<-seen
	}
	b.ReportMetric((cpu(b)-before)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(accepted/float64(b.N), "accept-cpu-µs/op")
}
