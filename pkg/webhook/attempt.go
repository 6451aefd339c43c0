package webhook

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds what a receiver may ask for in Retry-After.
const MaxRetryAfter = 24 * time.Hour

// Class says what an attempt means for the webhook.
type Class int

// The classes of an attempt.
const (
	Retry     Class = iota // may succeed later: 408, 425, 429, 5xx, no answer, no answer in time
	Delivered              // 2xx
	Permanent              // other 4xx, redirects, and requests that could not be made at all
	Gone                   // 410: the receiver wants no more webhooks at this URL
)

// String names the class in lower case.
func (c Class) String() string {
	switch c {
	case Delivered:
		return "delivered"
	case Permanent:
		return "permanent"
	case Gone:
		return "gone"
	default:
		return "retry"
	}
}

// Attempt is what came of one try.
type Attempt struct {
	At         time.Time     // when it began, as signed
	StatusCode int           // 0: no answer
	Duration   time.Duration // until the answer was read
	RetryAfter time.Duration // what the receiver asked for, 0 to MaxRetryAfter; 0: nothing
	Response   []byte        // the first KeptResponse bytes of the answer's body
	Err        error         // why it is not delivered; nil exactly when the class is Delivered
}

// Class sorts the attempt by its status code, or by its error when there was no answer.
func (a Attempt) Class() Class {
	switch code := a.StatusCode; {
	case code == 0 && (errors.Is(a.Err, ErrInvalidURL) || errors.Is(a.Err, ErrUnsendable)):
		return Permanent
	case code == 0:
		return Retry
	case code >= 200 && code < 300:
		return Delivered
	case code == http.StatusGone:
		return Gone
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return Retry
	default:
		return Permanent
	}
}

// parseRetryAfter reads a Retry-After value, seconds or an HTTP date (RFC 9110, section 10.2.3), and answers 0
// for anything else.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // only digits: what does not fit is merely long
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
