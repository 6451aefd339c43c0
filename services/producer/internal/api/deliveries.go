package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
)

// Delivery is one message on its way to one endpoint. It is exported for huma to see it embedded.
type Delivery struct {
	ID         string     `json:"id" example:"dlv_01jq…"`
	MessageID  string     `json:"message_id"`
	EndpointID string     `json:"endpoint_id"`
	Type       string     `json:"type"`
	State      string     `json:"state" enum:"pending,delivering,delivered,failed,paused,cancelled"`
	Attempts   int        `json:"attempts" doc:"Made so far, one that is running included"`
	NextAt     *time.Time `json:"next_at" doc:"When it is next due; null unless pending or paused"`
	LastStatus int        `json:"last_status" doc:"Of the last attempt's answer; 0: none"`
	LastError  string     `json:"last_error" doc:"Empty after a success"`
}

// attempt is one try.
type attempt struct {
	Number     int       `json:"number"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`
	Status     int       `json:"status" doc:"0: no answer"`
	Error      string    `json:"error"`
	Response   string    `json:"response" doc:"The beginning of the answer's body"`
}

// deliveryDetail is a delivery with its attempts.
type deliveryDetail struct {
	Delivery
	AttemptLog []attempt `json:"attempt_log" doc:"The first attempt first"`
}

func showDelivery(d relay.Delivery) Delivery {
	view := Delivery{
		ID: d.ID, MessageID: d.MessageID, EndpointID: d.TargetID, Type: d.Type, State: string(d.State),
		Attempts: d.Attempts, LastStatus: d.LastStatus, LastError: d.LastError,
	}
	if !d.NextAt.IsZero() {
		view.NextAt = &d.NextAt
	}
	return view
}

func showAttempt(a relay.Attempt) attempt {
	return attempt{
		Number: a.Number, StartedAt: a.StartedAt, DurationMS: float64(a.Duration.Microseconds()) / 1000, Status: a.StatusCode,
		Error: a.Error, Response: strings.ToValidUTF8(a.Detail, "\uFFFD"),
	}
}

// deliveryQuery is what a list of deliveries can be narrowed by.
type deliveryQuery struct {
	Message  string    `query:"message" doc:"A message's id"`
	Endpoint string    `query:"endpoint" doc:"An endpoint's id"`
	State    string    `query:"state" enum:"pending,delivering,delivered,failed,paused,cancelled"`
	Type     string    `query:"type" doc:"An event type, whole"`
	Since    time.Time `query:"since" doc:"RFC 3339"`
	Until    time.Time `query:"until" doc:"RFC 3339, exclusive"`
	Limit    int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string    `query:"cursor" doc:"The page before's next"`
}

func (q deliveryQuery) filter() (relay.DeliveryFilter, relay.Page) {
	filter := relay.DeliveryFilter{
		MessageID: strings.Clone(q.Message), TargetID: strings.Clone(q.Endpoint), Type: strings.Clone(q.Type),
		State: relay.State(strings.Clone(q.State)), Since: q.Since, Until: q.Until,
	}
	return filter, relay.Page{Limit: q.Limit, Cursor: strings.Clone(q.Cursor)}
}

const (
	deliveriesTag  = "Deliveries"
	deliveriesPath = "/api/v1/deliveries"
)

func registerDeliveries(to huma.API, rooms Rooms) {
	engine := rooms.Engine
	huma.Register(to, operation(deliveriesTag, http.MethodGet, deliveriesPath, "List deliveries", http.StatusOK),
		func(ctx context.Context, in *deliveryQuery) (*body[list[Delivery]], error) {
			filter, page := in.filter()
			items, next, err := engine.Deliveries(ctx, filter, page)
			if err != nil {
				return nil, problem(err)
			}
			return listOf(items, next, showDelivery), nil
		})
	huma.Register(to, operation(deliveriesTag, http.MethodGet, deliveriesPath+"/{id}", "Show a delivery", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[deliveryDetail], error) {
			found, attempts, err := engine.Delivery(ctx, in.id())
			if err != nil {
				return nil, problem(err)
			}
			view := deliveryDetail{Delivery: showDelivery(found), AttemptLog: make([]attempt, len(attempts))}
			for i, a := range attempts {
				view.AttemptLog[i] = showAttempt(a)
			}
			return reply(view), nil
		})
	huma.Register(to, operation(deliveriesTag, http.MethodPost, deliveriesPath+"/{id}/retry", "Retry a delivery", http.StatusOK,
		http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *byID) (*body[Delivery], error) {
			retried, err := engine.Retry(ctx, in.id())
			if err != nil {
				return nil, problem(err)
			}
			return reply(showDelivery(retried)), nil
		})
}
