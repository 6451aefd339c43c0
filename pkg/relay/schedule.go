package relay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Schedule says how long to wait before each attempt: element k before attempt k+1, measured from the end of
// the one before. Its length is the number of attempts; when they are spent the delivery has failed.
type Schedule []time.Duration

// DefaultSchedule spreads ten attempts over a little more than three days.
func DefaultSchedule() Schedule {
	const h = time.Hour
	return Schedule{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}
}

// Bounds of a schedule.
const (
	maxScheduleAttempts = 100
	maxDelay            = 7 * 24 * time.Hour
	maxRetryAfter       = 24 * time.Hour
	jitter              = 0.2 // each delay is changed by up to this part of itself, either way
)

// ParseSchedule reads delays separated by commas, such as "0s,5s,5m,30m": 1 to 100 of them, each from 0 to
// seven days (168h).
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for i, part := range strings.Split(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || d < 0 || d > maxDelay {
			return nil, fmt.Errorf("%w schedule: delay %d: %q is not a duration from 0s to 168h", ErrInvalid, i+1, part)
		}
		s = append(s, d)
	}
	return s, s.validate()
}

func (s Schedule) validate() error {
	if len(s) > maxScheduleAttempts {
		return fmt.Errorf("%w schedule: %d attempts, at most %d", ErrInvalid, len(s), maxScheduleAttempts)
	}
	for i, d := range s {
		if d < 0 || d > maxDelay {
			return fmt.Errorf("%w schedule: delay %d: %v is not from 0s to 168h", ErrInvalid, i+1, d)
		}
	}
	return nil
}

// UnmarshalText reads the form of [ParseSchedule].
func (s *Schedule) UnmarshalText(text []byte) error {
	parsed, err := ParseSchedule(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// next says when the attempt after `spent` attempts is due, or false when there is none left. It is never
// before notBefore, which counts for at most 24 hours.
func (s Schedule) next(spent int, now time.Time, notBefore time.Duration) (time.Time, bool) {
	if spent >= len(s) {
		return time.Time{}, false
	}
	delay := time.Duration(float64(s[spent]) * (1 + jitter*(2*rand.Float64()-1)))
	return now.Add(max(delay, min(notBefore, maxRetryAfter))), true
}
