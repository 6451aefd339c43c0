package adminapi

import (
	"cmp"
	"context"
	"time"

	"example.com/signet/pkg/relay"
)

type deliveryQuery struct {
	Message string `query:"message" doc:"A message's id"`
	Target  string `query:"target" doc:"A target's id, such as handler:log"`
	// Endpoint is what the producer calls the same filter.
	Endpoint string    `query:"endpoint" doc:"The same as target"`
	State    string    `query:"state" enum:"pending,delivering,delivered,failed,paused,cancelled"`
	Type     string    `query:"type"`
	Since    time.Time `query:"since" doc:"Made at or after this time, RFC 3339"`
	Until    time.Time `query:"until" doc:"Made before this time, RFC 3339"`
	Limit    int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string    `query:"cursor" doc:"What the page before answered as next"`
}

// Delivery is one message on its way to one target. It is exported for huma to see it embedded.
type Delivery struct {
	ID         string     `json:"id"`
	MessageID  string     `json:"message_id"`
	Target     string     `json:"target"`
	EndpointID string     `json:"endpoint_id" doc:"The same as target, under the producer's name for it"`
	Type       string     `json:"type"`
	State      string     `json:"state"`
	Attempts   int        `json:"attempts"`
	NextAt     *time.Time `json:"next_at" doc:"When it is next due; null unless it waits"`
	LastStatus int        `json:"last_status" doc:"Of the last attempt; 0: none, as for handlers"`
	LastError  string     `json:"last_error" doc:"Of the last attempt; empty after a success"`
}

type fullDelivery struct {
	Delivery
	ReplayOf   string    `json:"replay_of" doc:"The delivery this one repeats; empty: none"`
	AttemptLog []attempt `json:"attempt_log" nullable:"false" doc:"The attempts, first to last"`
}

type attempt struct {
	Number     int       `json:"number"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`
	Status     int       `json:"status" doc:"0: none"`
	Error      string    `json:"error" doc:"Empty: it succeeded"`
	Detail     string    `json:"detail" doc:"What the target said"`
}

func (a *API) listDeliveries(ctx context.Context, q *deliveryQuery) (*answer[list[Delivery]], error) {
	filter := relay.DeliveryFilter{
		MessageID: q.Message, TargetID: cmp.Or(q.Target, q.Endpoint), Type: q.Type, State: relay.State(q.State), Since: q.Since, Until: q.Until,
	}
	found, next, err := a.store.Deliveries(ctx, filter, relay.Page{Limit: q.Limit, Cursor: q.Cursor})
	return reply(list[Delivery]{Items: convert(found, toDelivery), Next: next}, err)
}

func (a *API) getDelivery(ctx context.Context, in *byID) (*answer[fullDelivery], error) {
	found, attempts, err := a.store.Delivery(ctx, in.ID)
	return reply(fullDelivery{Delivery: toDelivery(found), ReplayOf: found.ReplayOf, AttemptLog: convert(attempts, toAttempt)}, err)
}

func (a *API) retryDelivery(ctx context.Context, in *byID) (*answer[Delivery], error) {
	found, err := a.store.Retry(ctx, in.ID)
	return reply(toDelivery(found), err)
}

func toDelivery(d relay.Delivery) Delivery {
	converted := Delivery{
		ID: d.ID, MessageID: d.MessageID, Target: d.TargetID, EndpointID: d.TargetID, Type: d.Type, State: string(d.State),
		Attempts: d.Attempts, LastStatus: d.LastStatus, LastError: d.LastError,
	}
	if !d.NextAt.IsZero() {
		next := d.NextAt.UTC()
		converted.NextAt = &next
	}
	return converted
}

func toAttempt(a relay.Attempt) attempt {
	return attempt{
		Number: a.Number, StartedAt: a.StartedAt.UTC(), DurationMS: float64(a.Duration) / float64(time.Millisecond),
		Status: a.StatusCode, Error: a.Error, Detail: a.Detail,
	}
}
