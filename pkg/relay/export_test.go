package relay

// The points of the engine's work at which a test may end or stop the process.
func Points() []string {
	var all []string
	for _, p := range []point{beforeAppend, afterAppend, afterClaim, afterEffect, beforeOutcome, afterOutcome} {
		all = append(all, string(p))
	}
	return all
}

// WithPoints makes a store call reached at each of its Points, from the goroutine that does the work.
func WithPoints(c Config, reached func(point string)) Config {
	c.reached = func(p point) { reached(string(p)) }
	return c
}
