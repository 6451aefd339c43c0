package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/publish"
)

// event is an event as publishers write it. Its fields are checked by the publisher, which knows all of their
// bounds; the schema only tells of them.
type event struct {
	Type        string          `json:"type" doc:"Such as order.completed: at most 256 letters, digits or any of . _ - / :" example:"order.completed"`
	Data        json.RawMessage `json:"data" doc:"Any JSON value of at most 256 KiB; delivered as it stands"`
	ID          string          `json:"id,omitempty" doc:"The publisher's own id; a second event with it is a duplicate"`
	Tenant      string          `json:"tenant,omitempty" doc:"Only this tenant's endpoints are told"`
	OrderingKey string          `json:"ordering_key,omitempty" doc:"Events with one key reach an endpoint one after the other, in order"`
}

func (e event) event() publish.Event {
	return publish.Event{Type: e.Type, Data: e.Data, ID: e.ID, Tenant: e.Tenant, OrderingKey: e.OrderingKey}
}

// receipt says what became of an event.
type receipt struct {
	ID         string `json:"id" doc:"The message's id; the first one's when this is its duplicate" example:"msg_01jq…"`
	Deliveries int    `json:"deliveries" doc:"How many endpoints it goes to"`
	Duplicate  bool   `json:"duplicate"`
}

func showReceipt(r publish.Receipt) receipt {
	return receipt{ID: r.ID, Deliveries: r.Deliveries, Duplicate: r.Duplicate}
}

// eventView is a message as the API shows it.
type eventView struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source" doc:"api or demo"`
	Tenant      string          `json:"tenant"`
	OrderingKey string          `json:"ordering_key"`
	CreatedAt   time.Time       `json:"created_at"`
	Body        json.RawMessage `json:"body" doc:"The envelope as it is delivered"`
	Deliveries  []Delivery      `json:"deliveries"`
}

// Idempotency names a whole request, for publishers whose events have no ids. It is exported because only then
// its field is seen where it is embedded.
type Idempotency struct {
	Key string `header:"Idempotency-Key" doc:"Names this request: sent again with the same key, its events are duplicates, unless they have ids of their own. At most 400 bytes"`
}

// value copies the key: the server uses the header's memory again.
func (k Idempotency) value() (string, error) {
	if !publish.ValidKey(k.Key, publish.MaxIdempotencyKey) {
		message := fmt.Sprintf("must be at most %d bytes of text without control characters", publish.MaxIdempotencyKey)
		return "", huma.Error422UnprocessableEntity("Idempotency-Key "+message, detail("header.Idempotency-Key", message))
	}
	return strings.Clone(k.Key), nil
}

const eventsTag = "Events"

// batch is what the body of several events is.
type batch struct {
	Events []event `json:"events" minItems:"1" maxItems:"1000" nullable:"false" doc:"All of them are accepted, or none"`
}

func registerEvents(to huma.API, rooms Rooms) {
	one, many := operation(eventsTag, http.MethodPost, "/api/v1/events", "Publish an event", http.StatusAccepted),
		operation(eventsTag, http.MethodPost, "/api/v1/events/batch", "Publish events", http.StatusAccepted)
	registerRead(to, one, readEvent, func(ctx context.Context, key Idempotency, in event) (*body[receipt], error) {
		receipts, err := accept(ctx, rooms.Publisher, key, []event{in})
		if err != nil {
			return nil, single(err)
		}
		return reply(showReceipt(receipts[0])), nil
	})
	registerRead(to, many, readBatch, func(ctx context.Context, key Idempotency, in batch) (*body[receiptList], error) {
		receipts, err := accept(ctx, rooms.Publisher, key, in.Events)
		if err != nil {
			return nil, problem(err)
		}
		items := make([]receipt, len(receipts))
		for i, r := range receipts {
			items[i] = showReceipt(r)
		}
		return reply(receiptList{Items: items}), nil
	})
	huma.Register(to, operation(eventsTag, http.MethodGet, "/api/v1/events/{id}", "Show an event", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[eventView], error) {
			message, err := rooms.Engine.Message(ctx, in.id())
			if err != nil {
				return nil, problem(err)
			}
			return reply(showEvent(message)), nil
		})
}

type receiptList struct {
	Items []receipt `json:"items" doc:"In the order of the events"`
}

// byID is the input of operations on one thing.
type byID struct {
	ID string `path:"id" maxLength:"256"`
}

// id copies the id: the server uses the path's memory again.
func (b byID) id() string { return strings.Clone(b.ID) }

func accept(ctx context.Context, to *publish.Publisher, key Idempotency, events []event) ([]publish.Receipt, error) {
	name, err := key.value()
	if err != nil {
		return nil, err
	}
	publication := publish.Publication{Source: "api", Key: name, Events: make([]publish.Event, len(events))}
	for i, e := range events {
		publication.Events[i] = e.event()
	}
	return to.Publish(ctx, publication)
}

// single words an error for a request whose body is the event.
func single(err error) error {
	var bad *publish.InvalidError
	if errors.As(err, &bad) {
		message := bad.Field + " " + bad.Problem
		return huma.Error422UnprocessableEntity(message, detail("body."+bad.Field, bad.Problem))
	}
	return problem(err)
}

func showEvent(m relay.Message) eventView {
	view := eventView{
		ID: m.ID, Type: m.Type, Source: m.Source, Tenant: m.Tenant, OrderingKey: m.OrderingKey, CreatedAt: m.CreatedAt,
		Body: m.Body, Deliveries: make([]Delivery, len(m.Deliveries)),
	}
	for i, d := range m.Deliveries {
		view.Deliveries[i] = showDelivery(d)
	}
	return view
}
