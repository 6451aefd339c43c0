package signature

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Faults of the time.

const (
	digitsOfSeconds = 10 // of a Unix time from 2001 to 2286
	digitsOfMillis  = 13
)

// timeFindings say whether a genuine request is too old or too new. Right says
// that nothing else is wrong with it.
func (i *inquiry) timeFindings(v *Verifier, at time.Time, right bool) []Finding {
	prefix := "Apart from that, the time of the request"
	if right {
		prefix = "The signature is right, but its time"
	}
	if at.IsZero() {
		return nil
	}
	age := i.now.Sub(at)
	if age.Abs() <= v.tolerance {
		return nil
	}
	if other := time.Unix(at.UnixMilli(), 0); i.now.Sub(other).Abs() <= v.tolerance {
		return []Finding{finding(CauseTimestampUnit, "%s is in seconds where %s has milliseconds, and so seems to lie in 1970.", prefix, v.scheme.name)}
	}
	stamp := at.UTC().Format(time.RFC3339)
	if age > 0 {
		return []Finding{finding(CauseTooOld, "%s, %s, is %s.", prefix, stamp, distance(age, "before", v.tolerance))}
	}
	return []Finding{finding(CauseTooNew, "%s, %s, is %s: the two clocks differ.", prefix, stamp, distance(age, "after", v.tolerance))}
}

// distance words how far a time is from now, and from the tolerance. Durations
// end at 292 years, and Time.Sub keeps to that.
func distance(age time.Duration, side string, tolerance time.Duration) string {
	span := age.Abs()
	if span == math.MaxInt64 {
		return fmt.Sprintf("more than 292 years %s now, far beyond the tolerance of %s", side, brief(tolerance))
	}
	return fmt.Sprintf("%s %s now, %s beyond the tolerance of %s", brief(span), side, brief(span-tolerance), brief(tolerance))
}

func brief(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// claimedTime is the same for a request that was not proven.
func (i *inquiry) claimedTime() []Finding {
	if i.scheme.read == nil {
		return nil
	}
	c := new(claim)
	if err := i.scheme.read(i.request, c); err != nil {
		return nil
	}
	return i.timeFindings(i.verifier, c.match.Timestamp, false)
}

// otherUnits supposes that the time is in milliseconds where the scheme has
// seconds, or the reverse: in the header only, or also in what was signed.
func (i *inquiry) otherUnits(yield func(variant) bool) {
	for _, name := range i.sample.names {
		digits, values := i.sample.times[name], i.request.Header.Values(name)
		if digits == 0 || len(values) != 1 || len(values[0]) > maxHeader {
			continue
		}
		sent, meant, ok := otherUnit(values[0], digits)
		if !ok {
			continue
		}
		r := i.request.withHeaders(headerSet{name: {strings.Replace(values[0], sent, meant, 1)}})
		f := found(CauseTimestampUnit, "The time in %s has %d digits where the scheme has %d: it is in %s.", name, len(sent), digits, unitOf(len(sent)))
		asSigned := i.rekeyed(func(c *claim) { c.message = replacePieces(c.message, r.Body, meant, sent) }, i.ownKeys())
		if !yield(variant{request: r, finding: f}) || !yield(variant{request: r, finding: f, verifier: asSigned}) {
			return
		}
	}
}

// otherUnit finds a time in the other unit, and how it is in the scheme's.
func otherUnit(value string, digits int) (sent, meant string, ok bool) {
	for start := 0; start < len(value); start++ {
		length := digitsAt(value, start)
		sent = value[start : start+length]
		switch {
		case digits == digitsOfSeconds && length == digitsOfMillis:
			return sent, sent[:digitsOfSeconds], true
		case digits == digitsOfMillis && length == digitsOfSeconds:
			return sent, sent + "000", true
		}
		start += length
	}
	return "", "", false
}

func unitOf(digits int) string {
	if digits == digitsOfMillis {
		return "milliseconds"
	}
	return "seconds"
}

// ownKeys are the verifier's, by themselves.
func (i *inquiry) ownKeys() []verifyingKey {
	var keys []verifyingKey
	for _, key := range i.verifier.keys {
		keys = append(keys, key.verifyingKey)
	}
	return keys
}

// replacePieces changes the signed pieces other than the body. The pieces are
// copied, for they lie in scratch.
func replacePieces(message [][]byte, body []byte, old, replacement string) [][]byte {
	changed := slices.Clone(message)
	for n, piece := range changed {
		if !bytes.Equal(piece, body) {
			changed[n] = bytes.Replace(bytes.Clone(piece), []byte(old), []byte(replacement), 1)
		}
	}
	return changed
}
