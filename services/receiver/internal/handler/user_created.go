package handler

import (
	"context"
	"fmt"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
	"example.com/signet/services/receiver/internal/event"
)

// userCreated enters new users into the books.
func userCreated() Handler {
	return Handler{Name: "user-created", Pattern: "user.created", Apply: applyUserCreated}
}

func applyUserCreated(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
	fields, err := event.Parse(job.Message.Body)
	if err != nil {
		return relay.Permanent(err)
	}
	id, err := fields.ID("user_id", "id")
	if err != nil {
		return relay.Permanent(err)
	}
	posting, totals, err := books.PostUser(ctx, tx, posted(job), id)
	if err != nil {
		return relay.Retry(err)
	}
	return relay.Delivered(story(posting, job, "user "+id+" created", fmt.Sprintf("users: %d", totals.Users)))
}

// posted says to the books which message is posted.
func posted(job relay.Job) books.Event {
	return books.Event{MessageID: job.Message.ID, Replay: job.Delivery.ReplayOf != ""}
}

// story tells a person what became of an event.
func story(p books.Posting, job relay.Job, what, totals string) string {
	switch {
	case p == books.Posted:
		return what + " (" + totals + ")"
	case p == books.Repeated:
		return what + " AGAIN by the same message (" + totals + ")"
	case job.Delivery.ReplayOf != "":
		return what + " before; a replay changes nothing"
	}
	return what + " before by another message; nothing changed"
}
