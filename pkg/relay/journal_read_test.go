package relay_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// onSmallDisk is a store on a disk that can be filled: during an attempt at the target "claimed", or at a point of the
// store's work. Its first message is delivered.
func onSmallDisk(t *testing.T, attempt func(*relaytest.Disk), reached func(disk *relaytest.Disk, point string)) (*fixture, *relaytest.Disk) {
	t.Helper()
	disk := relaytest.SmallDisk(t, "8m")
	f := newFixture(t, journaled, "sqlite:"+filepath.Join(disk.Dir, "full.db"), func(c *relay.Config) {
		*c = relay.WithPoints(*c, func(point string) { reached(disk, point) })
	})
	f.quiet = true
	f.reopen()
	t.Cleanup(func() { _ = f.Close() })
	f.target("claimed", "waits", "off")
	if err := f.SetTarget(t.Context(), "off", false, "by hand"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.run(runners{"claimed": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
		attempt(disk)
		return relay.Delivered("")
	})}))
	first := f.append(relay.Draft{Targets: []string{"claimed"}})
	eventually(t, "the dispatcher has begun", func() bool { return f.only(first.ID).State == relay.Done })
	return f, disk
}

// TestJournal_IsReadWhileTheDiskIsFull: a message and its deliveries are found by their ids as they were accepted, whether
// their rows can be made or not; totals stay exact, and lists answer.
func TestJournal_IsReadWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	draft := relay.Draft{
		Source: "s", Type: "t", DedupeKey: "k", Tenant: "acme", OrderingKey: "o", Headers: []byte(`{"a":["b"]}`), Body: make([]byte, 256<<10),
		Targets: []string{"claimed", "waits", "off"},
	}
	var armed atomic.Bool
	f, disk := onSmallDisk(t, func(*relaytest.Disk) {}, func(disk *relaytest.Disk, point string) {
		if point == relay.BeforeRows && armed.CompareAndSwap(true, false) {
			disk.Fill()
		}
	})
	armed.Store(true)
	got := f.append(draft)
	eventually(t, "rows cannot be made", func() bool { return errors.Is(f.Settled(t.Context()), relay.ErrUnavailable) })
	m := must(f.Message(t.Context(), got.ID))(t)
	if m.ID != got.ID || m.Source != "s" || m.Type != "t" || m.DedupeKey != "k" || m.Tenant != "acme" || m.OrderingKey != "o" ||
		string(m.Headers) != string(draft.Headers) || len(m.Body) != len(draft.Body) || m.CreatedAt.IsZero() || len(m.Deliveries) != 3 {
		t.Errorf("message: %+v", m)
	}
	for i, want := range []relay.State{relay.Pending, relay.Pending, relay.Paused} {
		d, attempts, err := f.Delivery(t.Context(), m.Deliveries[i].ID)
		if err != nil || d.State != want || d.TargetID != draft.Targets[i] || d.MessageID != m.ID || d.NextAt.IsZero() || len(attempts) != 0 {
			t.Errorf("delivery %d: %+v, %v, %v", i, d, attempts, err)
		}
		if !reflect.DeepEqual(d, m.Deliveries[i]) {
			t.Errorf("alone it is %+v, and with its message %+v", d, m.Deliveries[i])
		}
	}
	if _, err := f.Message(t.Context(), relay.NewMessageID(f.clock.Now())); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a message that is not there: %v", err)
	}
	if _, _, err := f.Delivery(t.Context(), got.ID); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a delivery that is not there: %v", err)
	}
	if _, _, err := f.Messages(t.Context(), relay.MessageFilter{}, relay.Page{}); err != nil {
		t.Errorf("messages: %v", err)
	}
	if _, _, err := f.Deliveries(t.Context(), relay.DeliveryFilter{}, relay.Page{}); err != nil {
		t.Errorf("deliveries: %v", err)
	}
	if stats := must(f.Stats(t.Context()))(t); stats.Messages != 2 || stats.Deliveries[relay.Paused] != 1 {
		t.Errorf("stats: %+v", stats)
	}
	before := m
	disk.Clear()
	eventually(t, "the rows are there", func() bool { return f.Settled(context.Background()) == nil })
	after := must(f.Message(t.Context(), got.ID))(t)
	for i := range after.Deliveries[1:] { // the first may have been claimed by now
		if !reflect.DeepEqual(after.Deliveries[i+1], before.Deliveries[i+1]) {
			t.Errorf("with its row it is %+v, and before %+v", after.Deliveries[i+1], before.Deliveries[i+1])
		}
	}
	eventually(t, "it is delivered", func() bool { return must(f.Stats(t.Context()))(t).Deliveries[relay.Done] == 2 })
	f.balanced()
}

// TestJournal_ShowsWhatIsUnderWayWhileTheDiskIsFull: an attempt was begun, and its outcome cannot be recorded.
func TestJournal_ShowsWhatIsUnderWayWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	var began atomic.Int64
	f, disk := onSmallDisk(t, func(disk *relaytest.Disk) {
		if began.Add(1) == 2 {
			disk.Fill()
		}
	}, func(*relaytest.Disk, string) {})
	got := f.append(relay.Draft{Body: make([]byte, 256<<10), Targets: []string{"claimed"}})
	eventually(t, "its attempt is made", func() bool { return began.Load() == 2 })
	eventually(t, "nothing can be written", func() bool { return errors.Is(f.Ping(t.Context()), relay.ErrUnavailable) })
	if d := f.only(got.ID); d.State != relay.Delivering || d.Attempts != 1 || !d.NextAt.IsZero() {
		t.Errorf("delivery: %+v", d)
	}
	disk.Clear()
	f.clock.advance(2 * time.Minute) // if the outcome got lost, the lease runs out
	eventually(t, "it is delivered", func() bool { return f.only(got.ID).State == relay.Done })
	f.balanced()
}

// TestJournal_IsReadWhileMuchWaits: who asks for what has rows waits for nothing, and who asks for what has none yet sees it as
// it was accepted after a while.
func TestJournal_IsReadWhileMuchWaits(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	held, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	f := newFixture(t, journaled, "sqlite:"+filepath.Join(t.TempDir(), "relay.db"), func(c *relay.Config) {
		*c = relay.WithPoints(*c, func(point string) {
			if point == relay.BeforeRows && armed.CompareAndSwap(true, false) {
				close(held)
				<-released
			}
		})
	})
	f.reopen()
	t.Cleanup(func() { _ = f.Close() })
	defer release()
	f.target("a")
	first := f.append(relay.Draft{Targets: []string{"a"}})
	before := must(f.Message(t.Context(), first.ID))(t)
	armed.Store(true)
	second := f.append(relay.Draft{Targets: []string{"a"}})
	settled := make(chan error, 1)
	go func() { settled <- f.Settled(t.Context()) }()
	<-held // and no rows are made from here on
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if m, err := f.Message(soon, first.ID); err != nil || !reflect.DeepEqual(m, before) {
		t.Errorf("with rows: %+v, %v", m, err)
	}
	if _, err := f.Message(soon, second.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without rows, for who cannot wait: %v", err)
	}
	patient, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if m := must(f.Message(patient, second.ID))(t); m.ID != second.ID || len(m.Deliveries) != 1 || m.Deliveries[0].State != relay.Pending {
		t.Errorf("without rows: %+v", m)
	}
	searched := f.Search()
	if _, err := f.Message(patient, second.ID); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("while another looks through the journal: %v", err)
	}
	searched()
	release()
	if err := <-settled; err != nil {
		t.Error(err)
	}
	f.balanced()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Message(t.Context(), first.ID); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("of a closed store: %v", err)
	}
}
