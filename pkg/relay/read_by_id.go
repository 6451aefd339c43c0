package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// byID looks for what has an id in all places where it may be, as of one moment. What has rows, or is folded, is found at
// once, however much waits in the journal; the journal itself is read only where it cannot be unfolded, or not in time.
func (s *Store) byID(ctx context.Context, what, id string, read func(r reader, journal bool) (ok bool, err error)) error {
	if e, ok := s.engine.(*postgresEngine); ok {
		return s.byRowID(ctx, e, what, id, read)
	}
	found, err := s.byRow(ctx, read)
	if err != nil || found {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, rowsWait)
	defer cancel()
	unfolded := s.settled(bounded)
	if unfolded != nil && (ctx.Err() != nil || errors.Is(unfolded, errStopped)) {
		return unfolded
	}
	journal := unfolded != nil || s.engine.log().broken()
	if journal {
		select { // while many wait, all of them may get here
		case s.search <- struct{}{}:
			defer func() { <-s.search }()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rowsWait):
			return fmt.Errorf("%w: others look through the journal", ErrUnavailable)
		}
	}
	return s.snapshot(ctx, func(r reader) error {
		ok, err := read(r, journal)
		if err == nil && !ok {
			err = s.engine.missing(ctx, r, what, id)
		}
		return err
	})
}

// byRow looks where no waiting is needed.
func (s *Store) byRow(ctx context.Context, read func(r reader, journal bool) (ok bool, err error)) (found bool, err error) {
	select {
	case <-s.appends.stopped:
		return false, errStopped
	default:
	}
	err = s.snapshot(ctx, func(r reader) (err error) {
		found, err = read(r, false)
		return err
	})
	return found, err
}

// byRowID is byID where most have rows: what has none is looked for again when everything has them.
func (s *Store) byRowID(ctx context.Context, e *postgresEngine, what, id string, read func(r reader, journal bool) (ok bool, err error)) error {
	ok, err := read(s.callers, false)
	if err != nil || ok {
		return err
	}
	if _, _, ours := foldableID(id); ours {
		if err := s.settled(ctx); err != nil {
			return err
		}
		ok, err = read(s.callers, false)
	}
	if err == nil && !ok {
		err = e.missing(ctx, s.callers, what, id)
	}
	return err
}
