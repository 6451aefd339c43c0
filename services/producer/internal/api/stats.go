package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
)

// stats are lifetime totals.
type stats struct {
	Messages   int64      `json:"messages"`
	Deliveries stateCount `json:"deliveries"`
	Domain     domain     `json:"domain" doc:"What was published about users and completed orders; equal to a receiver's when nothing is pending"`
}

// stateCount has a field for every state.
type stateCount struct {
	Pending    int64 `json:"pending"`
	Delivering int64 `json:"delivering"`
	Delivered  int64 `json:"delivered"`
	Failed     int64 `json:"failed"`
	Paused     int64 `json:"paused"`
	Cancelled  int64 `json:"cancelled"`
}

// domain is the ledger's totals.
type domain struct {
	Users           int64 `json:"users"`
	OrdersCompleted int64 `json:"orders_completed"`
	RevenueMinor    int64 `json:"revenue_minor"`
}

func registerStats(to huma.API, rooms Rooms) {
	huma.Register(to, operation("Stats", http.MethodGet, "/api/v1/stats", "Show totals", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*body[stats], error) {
			totals, err := rooms.Engine.Stats(ctx)
			if err != nil {
				return nil, problem(err)
			}
			books, err := rooms.Books(ctx)
			if err != nil {
				return nil, problem(err)
			}
			return reply(stats{
				Messages: totals.Messages,
				Deliveries: stateCount{
					Pending:    totals.Deliveries[relay.Pending],
					Delivering: totals.Deliveries[relay.Delivering],
					Delivered:  totals.Deliveries[relay.Done],
					Failed:     totals.Deliveries[relay.Failed],
					Paused:     totals.Deliveries[relay.Paused],
					Cancelled:  totals.Deliveries[relay.Cancelled],
				},
				Domain: domain{Users: books.Users, OrdersCompleted: books.OrdersCompleted, RevenueMinor: books.RevenueMinor},
			}), nil
		})
}
