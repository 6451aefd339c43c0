package webhook

import (
	"slices"
	"time"
)

// Stats is how a client has fared since it was made.
type Stats struct {
	Deliveries map[Status]int // how many stand where; every status is there
	Attempts   int            // attempts that have ended
	Took       Percentiles    // how long attempts took, of those of the remembered deliveries
}

// Percentiles are durations that so many percent of all do not exceed; zero when there are none.
type Percentiles struct{ P50, P90, P95, P99, Max time.Duration }

// Total is how many deliveries there have been.
func (s Stats) Total() int {
	total := 0
	for _, n := range s.Deliveries {
		total += n
	}
	return total
}

// SuccessRate is the share of the finished deliveries that succeeded, 0 to 1; 0 when none has finished.
func (s Stats) SuccessRate() float64 {
	finished := s.Deliveries[StatusSuccess] + s.Deliveries[StatusFailed]
	if finished == 0 {
		return 0
	}
	return float64(s.Deliveries[StatusSuccess]) / float64(finished)
}

// percentiles sorts took, and reads them off by the nearest rank.
func percentiles(took []time.Duration) Percentiles {
	if len(took) == 0 {
		return Percentiles{}
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	return Percentiles{P50: at(50), P90: at(90), P95: at(95), P99: at(99), Max: at(100)}
}
