package doctor

import (
	"context"
	"fmt"
)

// check is one case. Its threat says what it means for security when the receiver fails it.
type check struct {
	name, title, threat string
	run                 func(context.Context, *examination) verdict
}

// verdict is the outcome of a check, and what was seen.
type verdict struct {
	outcome Outcome
	detail  string
	means   string // of a failure, where it is something else than the check's threat
}

func passed(detail string) verdict        { return verdict{outcome: Passed, detail: detail} }
func failed(detail string) verdict        { return verdict{outcome: Failed, detail: detail} }
func notApplicable(reason string) verdict { return verdict{outcome: NotApplicable, detail: reason} }
func unknown(reason string) verdict       { return verdict{outcome: Unknown, detail: reason} }

// unrefused is the verdict on what was to be refused and was not.
func (e *examination) unrefused(what string, got answer) verdict {
	if e.doubt != "" && !got.accepted() {
		return unknown(what + " " + got.String() + ", but " + e.doubt)
	}
	return verdict{Failed, what + " " + got.String(), got.meaning()}
}

// uncomposed is the verdict on a request that could not even be made.
func uncomposed(err error) verdict { return unknown("the request cannot be made: " + err.Error()) }

// variant is one of the requests of a case.
type variant struct {
	what string // the subject of a sentence
	message
}

// refuse sends what the receiver must refuse; one that the scheme's rules take is left out, and when none is left the
// case is not applicable for the reason given.
func (e *examination) refuse(ctx context.Context, otherwise string, variants ...variant) verdict {
	var wrong []variant
	for _, v := range variants {
		if !e.right(v.message) {
			wrong = append(wrong, v)
		}
	}
	if len(wrong) == 0 {
		return notApplicable(otherwise)
	}
	return e.refuseAll(ctx, wrong)
}

// refuseAll sends what the receiver must refuse, even if its signature is right.
func (e *examination) refuseAll(ctx context.Context, variants []variant) verdict {
	var last answer
	for _, v := range variants {
		if last = e.send(ctx, v.message); !last.refused() {
			return e.unrefused(v.what, last)
		}
	}
	if e.doubt != "" {
		return unknown("refused, but " + e.doubt)
	}
	return passed(fmt.Sprintf("refused (%d)", last.status))
}

// accept sends what the receiver must take.
func (e *examination) accept(ctx context.Context, variants ...variant) verdict {
	if e.doubt != "" {
		return unknown("not tried, as " + e.doubt)
	}
	var last answer
	for _, v := range variants {
		if last = e.send(ctx, v.message); !last.accepted() {
			return failed(v.what + " " + last.String())
		}
	}
	return passed(fmt.Sprintf("accepted (%d)", last.status))
}
