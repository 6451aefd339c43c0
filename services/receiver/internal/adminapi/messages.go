package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
)

type messageQuery struct {
	Source string    `query:"source"`
	Type   string    `query:"type"`
	State  string    `query:"state" enum:"pending,delivering,delivered,failed,paused,cancelled" doc:"Messages with a delivery in this state"`
	Since  time.Time `query:"since" doc:"Received at or after this time, RFC 3339"`
	Until  time.Time `query:"until" doc:"Received before this time, RFC 3339"`
	Limit  int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string    `query:"cursor" doc:"What the page before answered as next"`
}

// Message is one that was accepted, as lists show it. It is exported for huma to see it embedded.
type Message struct {
	ID         string            `json:"id"`
	Source     string            `json:"source"`
	Type       string            `json:"type"`
	ReceivedAt time.Time         `json:"received_at"`
	Deliveries []messageDelivery `json:"deliveries" nullable:"false"`
}

type messageDelivery struct {
	ID       string `json:"id"`
	Target   string `json:"target"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
}

type fullMessage struct {
	Message
	DedupeKey string              `json:"dedupe_key" doc:"Empty: never a duplicate"`
	Headers   map[string][]string `json:"headers"`
	Body      []byte              `json:"body" doc:"The raw body, base64"`
}

func (a *API) listMessages(ctx context.Context, q *messageQuery) (*answer[list[Message]], error) {
	filter := relay.MessageFilter{Source: q.Source, Type: q.Type, State: relay.State(q.State), Since: q.Since, Until: q.Until}
	found, next, err := a.store.Messages(ctx, filter, relay.Page{Limit: q.Limit, Cursor: q.Cursor})
	return reply(list[Message]{Items: convert(found, toMessage), Next: next}, err)
}

func (a *API) getMessage(ctx context.Context, in *byID) (*answer[fullMessage], error) {
	found, err := a.store.Message(ctx, in.ID)
	if err != nil {
		return nil, problem(err)
	}
	full := fullMessage{Message: toMessage(found), DedupeKey: found.DedupeKey, Body: found.Body}
	if err := json.Unmarshal(found.Headers, &full.Headers); err != nil {
		return nil, fmt.Errorf("headers of message %s: %w", found.ID, err)
	}
	return reply(full, nil)
}

// replayed is what a replay set going.
type replayed struct {
	Items []Delivery `json:"items" nullable:"false"`
}

// replayMessage sets the last delivery to each target going again: one that failed is retried, one that was
// delivered is repeated as a new delivery. What is still under way is left alone.
func (a *API) replayMessage(ctx context.Context, in *byID) (*answer[replayed], error) {
	found, err := a.store.Message(ctx, in.ID)
	if err != nil {
		return nil, problem(err)
	}
	var going []relay.Delivery
	for _, last := range lastByTarget(found.Deliveries) {
		again, err := a.store.Replay(ctx, last.ID)
		if errors.Is(err, relay.ErrState) {
			continue
		}
		if err != nil {
			return nil, problem(err)
		}
		going = append(going, again)
	}
	if len(going) == 0 {
		return nil, huma.Error409Conflict("no delivery of this message is delivered or failed, so there is nothing to replay")
	}
	return reply(replayed{Items: convert(going, toDelivery)}, nil)
}

// lastByTarget keeps the last delivery to each target, so that replaying twice does not double the deliveries.
func lastByTarget(deliveries []relay.Delivery) []relay.Delivery {
	var last []relay.Delivery
	at := map[string]int{}
	for _, d := range deliveries {
		i, seen := at[d.TargetID]
		switch {
		case !seen:
			at[d.TargetID] = len(last)
			last = append(last, d)
		case d.ID > last[i].ID: // ids sort by the time they were made
			last[i] = d
		}
	}
	return last
}

func toMessage(m relay.Message) Message {
	return Message{
		ID: m.ID, Source: m.Source, Type: m.Type, ReceivedAt: m.CreatedAt.UTC(),
		Deliveries: convert(m.Deliveries, func(d relay.Delivery) messageDelivery {
			return messageDelivery{ID: d.ID, Target: d.TargetID, State: string(d.State), Attempts: d.Attempts}
		}),
	}
}
