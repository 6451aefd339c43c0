// Package api is the producer's HTTP API: events, endpoints, deliveries and totals under /api/v1, and the demo
// shop under /demo.
//
// Its operations are typed; their OpenAPI document and the bearer token are the frame's affair. It translates
// between HTTP and the rooms that do the work, and maps every error to its status in one place.
package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/demo"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/ledger"
	"example.com/signet/services/producer/internal/publish"
)

// MaxBody is the most bytes of a request's body.
const MaxBody = 5 << 20

// Engine is what the API needs of the delivery engine.
type Engine interface {
	Message(ctx context.Context, id string) (relay.Message, error)
	Delivery(ctx context.Context, id string) (relay.Delivery, []relay.Attempt, error)
	Deliveries(ctx context.Context, filter relay.DeliveryFilter, page relay.Page) ([]relay.Delivery, string, error)
	Retry(ctx context.Context, deliveryID string) (relay.Delivery, error)
	RetryAll(ctx context.Context, bulk relay.Bulk) (relay.BulkResult, error)
	ReplayAll(ctx context.Context, bulk relay.Bulk) (relay.BulkResult, error)
	CancelAll(ctx context.Context, bulk relay.Bulk) (relay.BulkResult, error)
	Stats(ctx context.Context) (relay.Stats, error)
}

// Rooms are what the API opens to its callers. Shop is nil without the demo.
type Rooms struct {
	Engine    Engine
	Publisher *publish.Publisher
	Endpoints *endpoint.Registry
	Books     func(ctx context.Context) (ledger.Books, error)
	Shop      *demo.Shop
}

// Register adds the operations to an API.
func Register(to huma.API, rooms Rooms) {
	registerEvents(to, rooms)
	registerEndpoints(to, rooms)
	registerDeliveries(to, rooms)
	registerBulk(to, rooms)
	registerStats(to, rooms)
	if rooms.Shop != nil {
		registerDemo(to, rooms.Shop)
	}
}

// operation describes one operation; its id is made of the summary.
func operation(tag, method, path, summary string, status int, failures ...int) huma.Operation {
	failures = append(failures, http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusInternalServerError)
	if method != http.MethodGet {
		failures = append(failures, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable)
	}
	return huma.Operation{
		OperationID:   strings.ReplaceAll(strings.ToLower(summary), " ", "-"),
		Tags:          []string{tag},
		Method:        method,
		Path:          path,
		Summary:       summary,
		DefaultStatus: status,
		Errors:        failures,
		MaxBodyBytes:  MaxBody,
	}
}

// body is a reply that is only a body.
type body[T any] struct {
	Body T
}

func reply[T any](value T) *body[T] { return &body[T]{Body: value} }

// list is the shape of every list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next" doc:"Cursor of the next page; empty after the last"`
}

func listOf[T, U any](items []T, next string, show func(T) U) *body[list[U]] {
	shown := make([]U, len(items))
	for i, item := range items {
		shown[i] = show(item)
	}
	return reply(list[U]{Items: shown, Next: next})
}
