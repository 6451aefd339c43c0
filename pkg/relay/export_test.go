package relay

import "context"

// Points of the engine's work at which a test may end or stop the process; those of the journal, where there is one.
func Points(journal bool) []string {
	points := []point{beforeAppend, afterAppend, afterClaim, afterEffect, beforeOutcome, afterOutcome}
	if journal {
		points = append(points, beforeRows, afterRows)
	}
	all := make([]string, len(points))
	for i, p := range points {
		all[i] = string(p)
	}
	return all
}

// BeforeRows is the point before the commit that gives the messages of the journal their rows.
const BeforeRows = string(beforeRows)

// AmidReading is the point between the two queries of a list, or of a bulk operation's bounds.
const AmidReading = string(amidReading)

// WithPoints makes a store call reached at each of its Points, from the goroutine that does the work.
func WithPoints(c Config, reached func(point string)) Config {
	c.reached = func(p point) { reached(string(p)) }
	return c
}

// Journaled makes a store put everything through the journal that it has.
func Journaled(c *Config) { c.journaled = true }

// ShortLease lets a store have a lease that runs out before an effect has had its time, as a process has that is stopped
// in the middle of one.
func ShortLease(c *Config) { c.shortLease = true }

// Settled waits until everything that was appended has been dealt with.
func (s *Store) Settled(ctx context.Context) error { return s.settled(ctx) }

// Stopping says whether Stop has begun.
func (d *Dispatcher) Stopping() bool { return d.begins.Err() != nil }

// Staged is how many messages are thought to wait in PostgreSQL's journal.
func (s *Store) Staged() int64 { return s.engine.(*postgresEngine).staged.messages.Load() }

// AfterRows is the point after the commit that gives messages of the journal their rows.
const AfterRows = string(afterRows)

// Settle waits until everything that was appended has its rows, and gives them to what is folded too, for tests that look
// into the tables.
func (s *Store) Settle(ctx context.Context) error {
	if err := s.settled(ctx); err != nil || s.engine.folds() == nil {
		return err
	}
	for more := true; more; {
		err := s.write(ctx, func(ctx context.Context, t *txn) error {
			more = false
			var all []folded
			err := eachFolded(ctx, t, foldedColumns+` ORDER BY f.seq LIMIT 16`, nil, func(f folded) bool {
				all = append(all, f)
				return true
			})
			for i := range all {
				more = true
				for k, outcomes := range all[i].outcomes {
					if outcomes != nil && err == nil {
						err = all[i].thaw(ctx, t, k)
					}
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Folded is how many rows of the journal are folded.
func (s *Store) Folded(ctx context.Context) (n int, err error) {
	return n, s.callers.row(ctx, `SELECT count(*) FROM folded`).Scan(&n)
}

// Queued is how many transactions with foreign code wait for the writer.
func (s *Store) Queued() int { return len(s.effects.effects) }

// Search looks through the journal until the answer is called.
func (s *Store) Search() (end func()) {
	s.search <- struct{}{}
	return func() { <-s.search }
}
