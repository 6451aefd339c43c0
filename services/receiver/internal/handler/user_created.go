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
	return Handler{Name: "user-created", Pattern: "user.created", ApplyAll: applyUsersCreated}
}

func applyUsersCreated(ctx context.Context, tx relay.Tx, jobs []relay.Job) []relay.Outcome {
	entries := make([]books.UserEntry, len(jobs))
	return applyAll(jobs,
		func(i int) error {
			id, err := readUser(jobs[i].Message.Body)
			entries[i] = books.UserEntry{Event: posted(jobs[i]), UserID: id}
			return err
		},
		func() ([]books.Result, error) { return books.PostUsers(ctx, tx, entries) },
		func(i int, r books.Result) string {
			return story(r.Posting, jobs[i], "user "+entries[i].UserID+" created", fmt.Sprintf("users: %d", r.Totals.Users))
		})
}

func readUser(body []byte) (string, error) {
	fields, err := event.Parse(body)
	if err != nil {
		return "", err
	}
	return fields.ID("user_id", "id")
}

// applyAll reads every job, then posts them all, then tells what came of each. When one cannot be read nothing is posted:
// the others are asked for again, each alone.
func applyAll(
	jobs []relay.Job, read func(i int) error, post func() ([]books.Result, error), tell func(i int, r books.Result) string,
) []relay.Outcome {
	outcomes := make([]relay.Outcome, len(jobs))
	whole := true
	for i := range jobs {
		if err := read(i); err != nil {
			outcomes[i], whole = relay.Permanent(err), false
		}
	}
	if !whole {
		return outcomes
	}
	results, err := post()
	for i := range jobs {
		if err != nil {
			outcomes[i] = relay.Retry(err)
			continue
		}
		outcomes[i] = relay.Delivered(tell(i, results[i]))
	}
	return outcomes
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
