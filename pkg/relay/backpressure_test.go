package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/signet/pkg/relay"
)

// block keeps the store from committing appends until it is told to let go.
func (f *fixture) block() (release func()) {
	f.t.Helper()
	if f.engine.shared() {
		conn, err := pgx.Connect(context.Background(), f.cfg.URL)
		if err == nil {
			_, err = conn.Exec(context.Background(), `BEGIN; LOCK TABLE messages, journal IN EXCLUSIVE MODE`)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		return func() { _ = conn.Close(context.Background()) }
	}
	begun, free, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { // a transaction of the service's own that takes its time
		over <- f.AppendTx(context.Background(), func(context.Context, *relay.OutboxTx) error {
			close(begun)
			<-free
			return nil
		})
	}()
	<-begun
	return func() {
		close(free)
		if err := <-over; err != nil {
			f.t.Error(err)
		}
	}
}

// TestStore_WriterThatIsBehindRefuses: while nothing can be committed, more appends come than the queue holds. Each is
// refused in bounded time, none is stored later, and the store goes on when it can.
func TestStore_WriterThatIsBehindRefuses(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, func(c *relay.Config) {
			c.AppendWait, c.EffectTimeout = 300*time.Millisecond, time.Second
			if !e.shared() { // it is an effect that blocks
				c.EffectTimeout, c.Lease = time.Minute, 2*time.Minute
			}
		})
		f.target("a")
		f.append(relay.Draft{Targets: []string{"a"}})
		const callers, bound = 4800, 12 * time.Second // on PostgreSQL a group that has begun has 5 s
		for round := range 2 {
			release := f.block()
			var full, behind, slowest atomic.Int64
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					began := time.Now()
					_, err := f.Append(context.Background(), relay.Draft{Source: "refused", Type: "t", DedupeKey: fmt.Sprint(round, i), Targets: []string{"a"}})
					if took := time.Since(began).Milliseconds(); took > slowest.Load() {
						slowest.Store(took)
					}
					switch {
					case !errors.Is(err, relay.ErrUnavailable):
						t.Errorf("an append answered %v", err)
					case strings.Contains(err.Error(), "full"):
						full.Add(1)
					default:
						behind.Add(1)
					}
				})
			}
			all.Wait()
			err := f.AppendTx(t.Context(), func(ctx context.Context, tx *relay.OutboxTx) error {
				_, err := tx.Append(ctx, relay.Draft{Source: "refused", Type: "t"})
				return err
			})
			if !errors.Is(err, relay.ErrUnavailable) {
				t.Errorf("a transaction answered %v", err)
			}
			release()
			took := time.Duration(slowest.Load()) * time.Millisecond
			t.Logf("%d found the queue full, %d waited in vain; the slowest took %v", full.Load(), behind.Load(), took)
			if full.Load() == 0 || behind.Load() == 0 || took > bound {
				t.Errorf("%d found the queue full, %d waited in vain, the slowest %v", full.Load(), behind.Load(), took)
			}
			eventually(t, "an append goes through", func() bool {
				_, err := f.Append(t.Context(), relay.Draft{Source: "s", Type: "t"})
				return err == nil
			})
		}
		// On PostgreSQL the server may go on with what it was given up on for: one statement in each round.
		most := map[engine]int{postgres: 2 * 512}[e]
		if n := f.number(`SELECT count(*) FROM messages WHERE source = 'refused'`); n > most {
			t.Errorf("%d messages were stored whose append was refused, want at most %d", n, most)
		}
		seen := f.dispatch(runners{"a": answer(relay.Delivered(""))})
		if o := next(t, seen); o.State != relay.Done {
			t.Errorf("%+v", o)
		}
		f.balanced()
	})
}

// TestStore_RefusedTextFailsAlone: what no engine can keep as text is refused without harm to what is appended with it.
func TestStore_RefusedTextFailsAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e)
		spoil := []func(*relay.Draft, string){
			func(d *relay.Draft, text string) { d.ID = text },
			func(d *relay.Draft, text string) { d.Source = text },
			func(d *relay.Draft, text string) { d.Type = text },
			func(d *relay.Draft, text string) { d.DedupeKey = text },
			func(d *relay.Draft, text string) { d.OrderingKey = text },
			func(d *relay.Draft, text string) { d.Tenant = text },
			func(d *relay.Draft, text string) { d.Targets = []string{text} },
		}
		var all sync.WaitGroup
		good := 0
		for i := range 20 * len(spoil) {
			d := relay.Draft{Source: "s", Type: "t", Headers: []byte("\x00\xff"), Body: []byte("\xff\x00")}
			bad := i%3 == 0
			if bad {
				spoil[i%len(spoil)](&d, []string{"a\x00b", "a\xffb"}[i%2])
			} else {
				good++
			}
			all.Go(func() {
				if _, err := f.Append(context.Background(), d); bad != errors.Is(err, relay.ErrInvalid) || !bad && err != nil {
					t.Errorf("append %d answered %v", i, err)
				}
			})
		}
		all.Wait()
		if n := f.number(`SELECT count(*) FROM messages`); n != good {
			t.Errorf("%d messages, want %d", n, good)
		}
		f.balanced()
	})
}
