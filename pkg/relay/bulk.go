package relay

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the highest rate of a [Bulk], in deliveries a second.
const MaxRate = 1_000_000

// Bulk asks for one change to every delivery that a filter selects.
type Bulk struct {
	Filter DeliveryFilter
	DryRun bool // change nothing, only count
	// Rate is how many deliveries a second become due, 1 to MaxRate; 0: all at once. A target gets what it can take in
	// any case, but a million at once keeps what is new to it waiting.
	Rate int
	// Limit is after how many deliveries the call ends; 0: when there are no more. The next call goes on where this
	// one ended, at the same rate, when it is given Cursor.
	Limit  int
	Cursor string // BulkResult.Next of the call before; empty: from the beginning
	// Operation makes a replay idempotent: one made by NewOperation, or BulkResult.Operation of the call before. Within
	// one operation nothing is replayed twice, however often the call is repeated. Empty: the store makes one.
	Operation string
}

// BulkResult says what a call did. It holds for what was committed also when the call ended with an error.
type BulkResult struct {
	Matched   int64  // deliveries the filter selected
	Changed   int64  // of them; the others were in another state when their turn came, or had been replayed before
	Next      string // where to go on; empty: all was done
	Operation string // of ReplayAll; empty for the others
}

// bulkKind is what is done to deliveries.
type bulkKind struct {
	from    []State // states the filter may ask for
	without []State // what it selects when it asks for none
	change  func(context.Context, *txn, *bulkRun, []selected) (int64, error)
}

// RetryAll makes the deliveries a filter selects due now, or spread by the rate, as [Store.Retry] does. Filter.State is
// Failed (and that when empty) or Cancelled.
//
// It works from the oldest to the newest of the deliveries that were there when it began, in small transactions in each
// of which their states are looked at again. When ctx ends, the result's Next says where to go on; but the call may as
// well be repeated whole, as what is retried is not failed any more. ErrInvalid names the field that is wrong.
func (s *Store) RetryAll(ctx context.Context, b Bulk) (BulkResult, error) {
	return s.bulk(ctx, b, bulkKind{from: []State{Failed, Cancelled}, without: []State{Failed}, change: retrySelected})
}

// ReplayAll repeats the deliveries a filter selects, as [Store.Replay] does: of one that was delivered a new delivery is
// made, one that failed or was cancelled is retried. Filter.State is Done (and that when empty), Failed or Cancelled.
// It works as [Store.RetryAll] does; what makes repeating the call harmless is Bulk.Operation.
func (s *Store) ReplayAll(ctx context.Context, b Bulk) (BulkResult, error) {
	return s.bulk(ctx, b, bulkKind{from: []State{Done, Failed, Cancelled}, without: []State{Done}, change: replaySelected})
}

// CancelAll ends the deliveries a filter selects, as [Store.Cancel] does. Filter.State is Pending, Paused (both when
// empty) or Failed. It works as [Store.RetryAll] does; Rate means nothing here.
func (s *Store) CancelAll(ctx context.Context, b Bulk) (BulkResult, error) {
	return s.bulk(ctx, b, bulkKind{from: []State{Pending, Paused, Failed}, without: []State{Pending, Paused}, change: cancelSelected})
}

// How much of a bulk operation happens at once.
const (
	bulkGroup  = 256  // deliveries changed in one transaction
	bulkWindow = 8192 // positions looked at in one query, so that none holds its snapshot for long
)

// bulkRun is one call on its way.
type bulkRun struct {
	Bulk
	store     *Store
	kind      bulkKind
	states    []State
	operation operation
	position  int64 // up to here everything is done
	bound     int64 // what came later is left alone
	due       int64 // when the next one becomes due, at a rate
	result    BulkResult
}

func (s *Store) bulk(ctx context.Context, b Bulk, kind bulkKind) (BulkResult, error) {
	run := &bulkRun{Bulk: b, store: s, kind: kind}
	if err := run.prepare(ctx); err != nil {
		return BulkResult{}, err
	}
	err := run.all(ctx)
	if run.position < run.bound {
		run.result.Next = run.cursor()
	}
	return run.result, err
}

const selectBounds = `SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM deliveries`

func (r *bulkRun) prepare(ctx context.Context) error {
	if r.Rate < 0 || r.Rate > MaxRate {
		return fmt.Errorf("%w rate: %d, want 0 to %d", ErrInvalid, r.Rate, MaxRate)
	}
	if r.Limit < 0 {
		return fmt.Errorf("%w limit: %d is negative", ErrInvalid, r.Limit)
	}
	switch r.states = r.kind.without; {
	case r.Filter.State == "":
	case slices.Contains(r.kind.from, r.Filter.State):
		r.states = []State{r.Filter.State}
	default:
		return fmt.Errorf("%w state: %q, want one of %v", ErrInvalid, r.Filter.State, r.kind.from)
	}
	if slices.Contains(r.kind.from, Done) {
		if r.Operation == "" {
			r.Operation = NewOperation(r.store.cfg.Now())
		}
		var err error
		if r.operation, err = parseOperation(r.Operation); err != nil {
			return err
		}
		r.result.Operation = r.Operation
	}
	if r.Cursor != "" {
		return r.resume()
	}
	if err := r.store.settled(ctx); err != nil {
		return err
	}
	var first int64
	firstFolded, lastFolded, err := r.store.engine.folds().bounds(ctx) // first: what is thawed meanwhile is among the rows
	if r.store.cfg.reach(amidReading); err == nil {
		err = r.store.callers.row(ctx, selectBounds).Scan(&first, &r.bound)
	}
	r.position, r.bound = min(first, firstFolded)-1, max(r.bound, lastFolded)
	return err
}

// cursor holds where a call ended: its position, the bound of the first call, and when the next delivery is due.
func (r *bulkRun) cursor() string {
	parts := make([]string, 3)
	for i, n := range []int64{r.position, r.bound, r.due} {
		parts[i] = strconv.FormatInt(n, 36)
	}
	return cursorPrefix + strings.Join(parts, ".")
}

func (r *bulkRun) resume() error {
	text, ours := strings.CutPrefix(r.Cursor, cursorPrefix)
	parts := strings.Split(text, ".")
	if !ours || len(parts) != 3 {
		return fmt.Errorf("%w cursor: not one that a call answered", ErrInvalid)
	}
	for i, into := range []*int64{&r.position, &r.bound, &r.due} {
		n, err := strconv.ParseInt(parts[i], 36, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w cursor: not one that a call answered", ErrInvalid)
		}
		*into = n
	}
	return nil
}

func (r *bulkRun) all(ctx context.Context) error {
	for r.position < r.bound && !r.full() {
		end := r.position + min(r.bound-r.position, bulkWindow)
		if r.Filter.MessageID != "" { // these are few, and an index finds them
			end = r.bound
		}
		found, err := r.selected(ctx, end)
		if err != nil {
			return err
		}
		for len(found) > 0 && !r.full() {
			group := found[:min(len(found), bulkGroup, r.left())]
			if err := r.do(ctx, group); err != nil {
				return err
			}
			found = found[len(group):]
			r.position = group[len(group)-1].seq
		}
		if len(found) == 0 {
			r.position = end
		}
	}
	return nil
}

func (r *bulkRun) left() int {
	if r.Limit == 0 {
		return math.MaxInt
	}
	return r.Limit - int(r.result.Matched)
}

func (r *bulkRun) full() bool { return r.left() <= 0 }

// do changes one group.
func (r *bulkRun) do(ctx context.Context, group []selected) error {
	if r.DryRun {
		r.result.Matched += int64(len(group))
		return nil
	}
	began := time.Now()
	changed, err := r.commit(ctx, group)
	if err != nil {
		return err
	}
	r.result.Matched += int64(len(group))
	r.result.Changed += changed
	r.position = group[len(group)-1].seq
	return pause(ctx, time.Since(began)) // others want to write too
}

// commit changes those of a group that are still as they were selected.
func (r *bulkRun) commit(ctx context.Context, group []selected) (changed int64, err error) {
	seqs := make([]int64, len(group))
	for i, d := range group {
		seqs[i] = d.seq
	}
	var due int64
	err = r.store.write(ctx, func(ctx context.Context, t *txn) error {
		if slices.Contains(r.states, Done) { // nothing else is folded
			if err := t.engine.folds().thawDeliveries(ctx, t, seqs); err != nil {
				return err
			}
		}
		rows, err := t.query(ctx, lockSelected, list(seqs))
		if err != nil {
			return err
		}
		now, err := collect(rows, scanSelected)
		if err != nil {
			return err
		}
		now = slices.DeleteFunc(now, func(d selected) bool { return !slices.Contains(r.states, d.state) })
		attempt := *r // a rollback must not move it on
		attempt.due = max(r.due, t.now.UnixMicro())
		changed, err = 0, nil
		if len(now) > 0 {
			changed, err = r.kind.change(ctx, t, &attempt, now)
		}
		due = attempt.due + changed*attempt.step()
		return err
	})
	if err == nil {
		r.due = due
	}
	return changed, err
}

// step is the time between two deliveries, in microseconds.
func (r *bulkRun) step() int64 {
	if r.Rate == 0 {
		return 0
	}
	return int64(time.Second/time.Microsecond) / int64(r.Rate)
}
