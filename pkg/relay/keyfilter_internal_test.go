package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// TestBloom: what was taken in is had; of what was not, little is.
func TestBloom(t *testing.T) {
	t.Parallel()
	b, random := &bloom{}, rand.New(rand.NewPCG(1, 2))
	in := make([]uint64, filterKeys+1000) // into the second part
	for i := range in {
		in[i] = random.Uint64()
		b.add(in[i])
	}
	for _, h := range in {
		if !b.has(h) {
			t.Fatalf("%x is not had", h)
		}
	}
	wrong := 0
	const tries = 100_000
	for range tries {
		if b.has(random.Uint64()) {
			wrong++
		}
	}
	if wrong > tries/50 {
		t.Errorf("%d of %d are had that were not taken in", wrong, tries)
	}
	if len(b.parts) != 2 {
		t.Errorf("%d parts", len(b.parts))
	}
}

func TestBloom_FullKnowsNothing(t *testing.T) {
	t.Parallel()
	b := &bloom{parts: make([]bloomPart, filterParts)}
	for i := range b.parts {
		b.parts[i] = bloomPart{bits: make([]uint64, 1), n: filterKeys}
	}
	if b.add(1); !b.full || b.parts != nil || !b.has(2) {
		t.Errorf("%d parts, full: %v, has: %v", len(b.parts), b.full, b.has(2))
	}
}

// filtered opens a store whose appends all go through the journal, and waits until its filter is there.
func filtered(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + path, journaled: true, AppendWait: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func ready(t *testing.T, s *Store) *keyFilter {
	t.Helper()
	f := s.engine.log().filter
	for deadline := time.Now().Add(20 * time.Second); f.before.Load() == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the filter is not there")
		}
		<-time.After(time.Millisecond)
	}
	return f
}

// TestKeyFilter_ForgetsNoKey: whether a key is in the journal, in memory or in its table, of this process or of the one
// before, with the filter or while it is read (again): a second message with it is a duplicate.
func TestKeyFilter_ForgetsNoKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "relay.db")
	const keys = 3*filterPage + 7
	draft := func(i int) Draft { return Draft{Source: "s", Type: "t", DedupeKey: fmt.Sprint("key", i)} }
	append1 := func(s *Store, from, to int) (duplicates int) {
		t.Helper()
		for i := from; i < to; i += 500 {
			var drafts []Draft
			for k := i; k < min(i+500, to); k++ {
				drafts = append(drafts, draft(k))
			}
			receipts, err := s.Append(t.Context(), drafts...)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range receipts {
				if r.Duplicate {
					duplicates++
				}
			}
		}
		return duplicates
	}
	s := filtered(t, path)
	ready(t, s)
	if n := append1(s, 0, keys/2); n != 0 {
		t.Errorf("%d new keys are duplicates", n)
	}
	if n := append1(s, 0, keys/2); n != keys/2 {
		t.Errorf("%d duplicates of %d", n, keys/2)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = filtered(t, path) // with what the process before has left
	if n := append1(s, 0, keys/2); n != keys/2 {
		t.Errorf("while they are read: %d duplicates of %d", n, keys/2)
	}
	f := ready(t, s)
	if n := append1(s, keys/2, keys); n != 0 {
		t.Errorf("%d new keys are duplicates", n)
	}
	err := s.write(t.Context(), func(context.Context, *txn) error { // as if too many had been added
		f.own = bloom{full: true}
		s.engine.log().stored(nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := append1(s, 0, keys); n != keys {
		t.Errorf("while they are read again: %d duplicates of %d", n, keys)
	}
	ready(t, s)
	if n := append1(s, 0, keys); n != keys {
		t.Errorf("after that: %d duplicates of %d", n, keys)
	}
	if f.before.Load().full || f.fresh(s.engine.log().hash("s", "key1")) || !f.fresh(s.engine.log().hash("s", "none")) {
		t.Error("the filter says nothing, or is wrong")
	}
}

// TestKeyFilter_InOneTransaction: a key that got its row in a transaction is known to what goes through the journal in it.
func TestKeyFilter_InOneTransaction(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "relay.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ready(t, s)
	drafts := []Draft{{Source: "s", Type: "t", DedupeKey: "k"}}
	for range journalCrowd {
		drafts = append(drafts, Draft{Source: "s", Type: "t"})
	}
	drafts = append(drafts, drafts[0])
	var first, rest []Receipt
	err = s.AppendTx(t.Context(), func(ctx context.Context, tx *OutboxTx) (err error) {
		if first, err = tx.Append(ctx, drafts[0]); err == nil {
			rest, err = tx.Append(ctx, drafts[1:]...)
		}
		return err
	})
	if err != nil || !rest[len(rest)-1].Duplicate || rest[len(rest)-1].ID != first[0].ID {
		t.Errorf("%+v, %+v: %v", first, rest[len(rest)-1:], err)
	}
}
