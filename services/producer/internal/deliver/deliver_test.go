package deliver_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/deliver"
)

// timed notes how long each attempt may take.
type timed chan time.Duration

func (s timed) Attempt(ctx context.Context, _ webhook.Request) webhook.Attempt {
	until, _ := ctx.Deadline()
	s <- time.Until(until)
	return webhook.Attempt{StatusCode: 200}
}

// TestDeliverer_bound: the engine's own context keeps attempts to the sender's time, so that the sender needs none.
func TestDeliverer_bound(t *testing.T) {
	t.Parallel()
	store, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.PutTarget(t.Context(), relay.Target{ID: "ep_1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), relay.Draft{Source: "s", Type: "t", Targets: []string{"ep_1"}}); err != nil {
		t.Fatal(err)
	}
	left := make(timed, 1)
	d := relay.NewDispatcher(store, relay.DispatcherConfig{Resolver: deliver.New(only{}, left, nil)})
	d.Start()
	if got := <-left; got > webhook.DefaultTimeout || got < webhook.DefaultTimeout/2 {
		t.Errorf("%s are left", got)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
