package relay_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

func benchStore(b *testing.B, e engine) *relay.Store {
	b.Helper()
	s, err := relay.Open(b.Context(), relay.Config{URL: e.url(b), Migrations: []relay.Migrations{ledger}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.PutTarget(b.Context(), relay.Target{ID: "a", Concurrency: 128}); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkAppend is durable ingest by 128 callers at once: one message of 580 bytes with one delivery each.
func BenchmarkAppend(b *testing.B) {
	for _, e := range []engine{sqlite, postgres} {
		b.Run(string(e), func(b *testing.B) { benchAppend(b, benchStore(b, e)) })
	}
}

func benchAppend(b *testing.B, s *relay.Store) {
	body := bytes.Repeat([]byte("x"), 580)
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Append(context.Background(), relay.Draft{Source: "s", Type: "t", Body: body, Targets: []string{"a"}}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkDrain empties a backlog, attempts recorded: through a target that answers at once, and through an
// effect that changes one row.
func BenchmarkDrain(b *testing.B) {
	for _, e := range []engine{sqlite, postgres} {
		b.Run(string(e)+"/remote", func(b *testing.B) { benchDrain(b, benchStore(b, e), answer(relay.Delivered(""))) })
		b.Run(string(e)+"/effect", func(b *testing.B) { benchDrain(b, benchStore(b, e), relay.Effect(counting)) })
	}
}

func benchDrain(b *testing.B, s *relay.Store, runner relay.Runner) {
	drafts := make([]relay.Draft, 0, 500)
	for i := range b.N {
		drafts = append(drafts, relay.Draft{Source: "s", Type: "t", Body: []byte("counter"), Targets: []string{"a"}})
		if len(drafts) == cap(drafts) || i == b.N-1 {
			if _, err := s.Append(b.Context(), drafts...); err != nil {
				b.Fatal(err)
			}
			drafts = drafts[:0]
		}
	}
	done := make(chan struct{}, b.N)
	d := relay.NewDispatcher(s, relay.DispatcherConfig{
		Resolver: runners{"a": runner}, Observe: func(relay.Observation) { done <- struct{}{} },
	})
	b.ResetTimer()
	d.Start()
	for range b.N {
		<-done
	}
	b.StopTimer()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		b.Fatal(err)
	}
}
