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

// WithPoints makes a store call reached at each of its Points, from the goroutine that does the work.
func WithPoints(c Config, reached func(point string)) Config {
	c.reached = func(p point) { reached(string(p)) }
	return c
}

// Journaled makes a store put everything through the journal that it has.
func Journaled(c *Config) { c.journaled = true }

// Settle waits until everything that was appended has its rows.
func (s *Store) Settle(ctx context.Context) error { return s.settled(ctx) }
