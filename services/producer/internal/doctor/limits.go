package doctor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"example.com/signet/services/producer/internal/unanswered"
)

func oversized() check {
	return check{
		"oversized", "a body that is too large is refused",
		"anybody can have the receiver fill its memory, as a signature is only known to be wrong once the body is read",
		func(ctx context.Context, e *examination) verdict {
			d := e.draft()
			d.body = append(d.body, bytes.Repeat([]byte(" "), e.cfg.Oversize-len(d.body))...)
			m, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			said := "refused"
			for _, chunked := range []bool{false, true} {
				m.chunked = chunked
				got := e.send(ctx, m)
				what := fmt.Sprintf("a body of %s", size(e.cfg.Oversize))
				if chunked {
					what += " that does not say how long it is"
				}
				switch {
				case got.dropped():
					said = "cut off"
				case !got.refused():
					return e.unrefused(what, got)
				default:
					said = fmt.Sprintf("refused (%d)", got.status)
				}
			}
			if e.doubt != "" {
				return unknown(said + ", but " + e.doubt)
			}
			return passed(said)
		},
	}
}

func size(bytes int) string {
	if bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

func mediaType() check {
	return check{
		"media-type", "a signed body under another media type is refused",
		"the signature does not cover the Content-Type, so whoever captured a request chooses what parser reads it",
		func(ctx context.Context, e *examination) verdict {
			var variants []variant
			for _, other := range []string{"text/plain", "application/xml"} {
				d := e.draft()
				d.contentType = other
				m, err := e.compose(d)
				if err != nil {
					return uncomposed(err)
				}
				variants = append(variants, variant{"JSON called " + other, m})
			}
			return e.refuseAll(ctx, variants)
		},
	}
}

func slowBody() check {
	return check{
		"slow-body", "a body that never ends is cut off",
		"a few hundred slow senders, who need no secret, hold every connection that the receiver has",
		func(ctx context.Context, e *examination) verdict {
			d := e.draft()
			d.body = append(d.body, bytes.Repeat([]byte(" "), 2<<10)...) // a byte a pause: more than it gets to see
			m, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			drip := &drip{ctx: ctx, rest: d.body, pause: min(time.Second, e.cfg.SlowLimit/10)}
			got := e.exchange(ctx, m, drip, e.cfg.SlowLimit)
			after := got.took.Round(100 * time.Millisecond).String()
			switch {
			case got.dropped():
				return passed("cut off after " + after)
			case got.accepted():
				return failed("a body that was not sent to its end " + got.String())
			case got.status != 0:
				return passed(fmt.Sprintf("answered (%d) after %s", got.status, after))
			case got.reason == unanswered.Late:
				return failed(fmt.Sprintf("a byte every %s was read for %s and longer", drip.pause, e.cfg.SlowLimit))
			}
			return unknown(got.String())
		},
	}
}

// drip is a body that comes a byte at a time.
type drip struct {
	ctx   context.Context // an io.Reader is told of no other end
	rest  []byte
	pause time.Duration
	begun bool
}

// Read returns the first bytes at once, and each further one after the pause.
func (d *drip) Read(into []byte) (int, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	n := 1
	if d.begun {
		timer := time.NewTimer(d.pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-d.ctx.Done():
			return 0, d.ctx.Err()
		}
	} else {
		d.begun, n = true, 64
	}
	n = copy(into, d.rest[:min(n, len(d.rest))])
	d.rest = d.rest[n:]
	return n, nil
}
