// Package adminapi is the receiver's typed API for operators, on the admin port: messages, deliveries, replay,
// and what the projection says.
//
// It translates between HTTP and the store, and decides nothing itself except which deliveries a message's
// replay is about. The bearer token, problem documents and the OpenAPI document come with the huma.API it is
// given (service.NewAPI). The shapes are relied on by other programs: fields are added, never changed.
package adminapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
)

// API answers the operations.
type API struct {
	store *relay.Store
	books *books.Reader
}

// Register adds every operation to api.
func Register(api huma.API, store *relay.Store, reader *books.Reader) {
	a := &API{store: store, books: reader}
	get(api, "list-messages", "/api/v1/messages", "List messages, newest first", a.listMessages)
	get(api, "get-message", "/api/v1/messages/{id}", "One message with headers, body and deliveries", a.getMessage)
	post(api, "replay-message", "/api/v1/messages/{id}/replay", "Deliver a message again to each of its targets", a.replayMessage)
	get(api, "list-deliveries", "/api/v1/deliveries", "List deliveries, newest first", a.listDeliveries)
	get(api, "get-delivery", "/api/v1/deliveries/{id}", "One delivery with its attempts", a.getDelivery)
	post(api, "retry-delivery", "/api/v1/deliveries/{id}/retry", "Try a failed or waiting delivery again, now", a.retryDelivery)
	post(api, "retry-deliveries", "/api/v1/deliveries/retry", "Try all that a filter selects again", a.retryDeliveries)
	post(api, "replay-deliveries", "/api/v1/deliveries/replay", "Deliver all that a filter selects again", a.replayDeliveries)
	post(api, "cancel-deliveries", "/api/v1/deliveries/cancel", "Cancel all that a filter selects", a.cancelDeliveries)
	get(api, "get-stats", "/api/v1/stats", "Lifetime totals", a.getStats)
	get(api, "list-domain-orders", "/api/v1/domain/orders", "Completed orders in the books, by id", a.listOrders)
	get(api, "list-domain-users", "/api/v1/domain/users", "Users in the books, by id", a.listUsers)
}

func get[I, O any](api huma.API, id, path, summary string, f func(context.Context, *I) (*O, error)) {
	huma.Register(api, huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound},
	}, f)
}

func post[I, O any](api huma.API, id, path, summary string, f func(context.Context, *I) (*O, error)) {
	huma.Register(api, huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: path, Summary: summary,
		Errors: []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}, f)
}

// problem maps an error to its status, in this one place. What it does not know becomes a 500 whose text only
// the log has.
func problem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, relay.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, relay.ErrInvalid), errors.Is(err, books.ErrCursor):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, relay.ErrState):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, relay.ErrUnavailable):
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable("the store cannot write now"), http.Header{"Retry-After": {"1"}})
	}
	return err
}

// answer is the body of a reply.
type answer[T any] struct {
	Body T
}

func reply[T any](body T, err error) (*answer[T], error) {
	if err != nil {
		return nil, problem(err)
	}
	return &answer[T]{Body: body}, nil
}

// list is a page of items.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" doc:"The cursor of the next page; empty after the last"`
}

// convert makes a list that is never null.
func convert[A, B any](items []A, one func(A) B) []B {
	converted := make([]B, len(items))
	for i, item := range items {
		converted[i] = one(item)
	}
	return converted
}

// byID names one thing.
type byID struct {
	ID string `path:"id" maxLength:"256"`
}
