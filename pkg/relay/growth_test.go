package relay_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// TestRetention_TheFileStopsGrowing: under steady traffic what was removed makes room for what comes.
func TestRetention_TheFileStopsGrowing(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	f.target("a")
	seen := f.dispatch(runners{"a": answer(relay.Delivered("thank you"))})
	r := f.retention(relay.RetentionPolicy{Delivered: day, Dedupe: 2 * day})
	body := bytes.Repeat([]byte("x"), 1500)
	var steady int
	for round := range 20 { // half a day each
		drafts := make([]relay.Draft, 250)
		for i := range drafts {
			drafts[i] = relay.Draft{Source: "s", Type: "t", DedupeKey: relay.NewMessageID(f.clock.Now()), Body: body, Targets: []string{"a"}}
		}
		drafts[0].Body = bytes.Repeat(body, 100) // and one that fills pages of its own
		if _, err := f.Append(t.Context(), drafts...); err != nil {
			t.Fatal(err)
		}
		for range drafts {
			next(t, seen)
		}
		f.clock.advance(day / 2)
		f.pass(r)
		switch pages := f.number(`SELECT page_count FROM pragma_page_count`); {
		case round == 6:
			steady = pages
		case round > 6 && pages > steady+steady/10:
			t.Fatalf("%d pages after %d rounds, %d after 7", pages, round+1, steady)
		}
	}
	if n := f.number(`SELECT count(*) FROM messages`); n > 1000 {
		t.Errorf("%d messages are left: this proved nothing", n)
	}
	f.balanced()
}

// TestStore_WALStaysBoundedBesideReaders: there is never a moment without somebody who reads.
func TestStore_WALStaysBoundedBesideReaders(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	wal := strings.TrimPrefix(f.cfg.URL, "sqlite:") + "-wal"
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				rows, err := f.Query(ctx, `SELECT id FROM messages LIMIT 10`)
				if err != nil {
					return
				}
				for rows.Next() {
					<-time.After(time.Millisecond) // somebody who is slow
				}
				_, _ = rows.Err(), rows.Close()
			}
		})
	}
	body := bytes.Repeat([]byte("x"), 1<<20)
	const unbounded = 400 << 20
	var largest int64
	for shrunk := false; !shrunk && largest < unbounded; {
		f.append(relay.Draft{Body: body})
		info, err := os.Stat(wal)
		if err != nil {
			t.Fatal(err)
		}
		shrunk, largest = info.Size() < largest, max(largest, info.Size())
	}
	cancel()
	readers.Wait()
	if t.Logf("the -wal file grew to %d MiB", largest>>20); largest >= unbounded {
		t.Error("it would have gone on")
	}
}
