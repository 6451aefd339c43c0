package handler

import (
	"context"
	"fmt"

	"example.com/signet/pkg/relay"
)

// logged takes what no other handler takes. It has no effect of its own: what it answers is kept with the
// attempt, and logged like the outcome of every delivery.
func logged() Handler {
	return Handler{Name: "log", Pattern: "*", Fallback: true, Apply: applyLogged}
}

func applyLogged(_ context.Context, _ relay.Tx, job relay.Job) relay.Outcome {
	return relay.Delivered(fmt.Sprintf("noted: %d bytes from %s, with no handler of its own", len(job.Message.Body), job.Message.Source))
}
