package doctor

import (
	"context"
	"fmt"
	"time"

	"example.com/signet/services/producer/internal/sample"
)

// unmarked is what is wrong with an answer that looks like the first one.
const unmarked = `was accepted as if it were new (%d; neither "duplicate":true, nor the first answer's id, nor 208 or 409)`

func replayed() check {
	return check{
		"replayed", "the same request again is recognised",
		"whoever captured a request can have it take effect again, as often as the time allows",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			return e.again(ctx, m, m, func(first, second answer) verdict {
				switch {
				case second.refused():
					return passed(fmt.Sprintf("refused (%d)", second.status))
				case !second.accepted():
					return failed("the same request again " + second.String())
				case !second.recognises(first):
					return failed("the same request again " + fmt.Sprintf(unmarked, second.status))
				}
				return passed(fmt.Sprintf("recognised (%d)", second.status))
			})
		},
	}
}

func duplicateID() check {
	return check{
		"duplicate-id", "an event sent again, signed anew, is recognised and answered with success",
		"senders repeat what they are unsure of: either each repetition takes effect, or a delivered event counts as failed",
		func(ctx context.Context, e *examination) verdict {
			d := e.draftAt(time.Now().Add(-time.Second))
			first, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			d.at = d.at.Add(time.Second)
			second, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			return e.again(ctx, first, second, func(first, second answer) verdict {
				switch {
				case !second.accepted():
					return failed("a repeated delivery " + second.String())
				case !second.recognises(first):
					return failed("a repeated delivery " + fmt.Sprintf(unmarked, second.status))
				}
				return passed(fmt.Sprintf("recognised (%d)", second.status))
			})
		},
	}
}

func spentID() check {
	return check{
		"spent-id", "another event under an unsigned id that was used is taken",
		"the id is not signed, so whoever has one genuine request can spend an id in advance, and the real event is dropped",
		func(ctx context.Context, e *examination) verdict {
			first, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			if !e.right(renamed(first, sample.NewID())) {
				return notApplicable(e.cfg.Scheme + " signs the id")
			}
			second, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			return e.again(ctx, first, renamed(second, first.id), func(first, second answer) verdict {
				switch {
				case !second.accepted():
					return failed("another event under the same id " + second.String())
				case second.recognises(first):
					return failed("another event under the same id was taken for the first")
				}
				return passed(fmt.Sprintf("accepted (%d)", second.status))
			})
		},
	}
}

// again sends two messages, of which the first must be taken as new, and judges the second.
func (e *examination) again(ctx context.Context, first, second message, judge func(first, second answer) verdict) verdict {
	if e.doubt != "" {
		return unknown("not tried, as " + e.doubt)
	}
	before := e.send(ctx, first)
	switch {
	case !before.accepted():
		return failed("the first of two requests " + before.String())
	case before.tells().duplicate:
		return failed("the first of two requests was called a duplicate, though its id is new")
	}
	return judge(before, e.send(ctx, second))
}
