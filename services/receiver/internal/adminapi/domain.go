package adminapi

import (
	"context"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
)

type stats struct {
	Messages   int64            `json:"messages"`
	Deliveries map[string]int64 `json:"deliveries" doc:"By state; every state is present"`
	Domain     domain           `json:"domain"`
}

type domain struct {
	Users           int64 `json:"users"`
	OrdersCompleted int64 `json:"orders_completed"`
	RevenueMinor    int64 `json:"revenue_minor"`
}

type domainQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
	Cursor string `query:"cursor" doc:"What the page before answered as next"`
}

type order struct {
	OrderID      string `json:"order_id"`
	AmountMinor  int64  `json:"amount_minor"`
	Currency     string `json:"currency" doc:"ISO 4217; empty when the event named none"`
	Applied      int64  `json:"applied" doc:"How often its message took effect; always 1"`
	RevenueMinor int64  `json:"revenue_minor" doc:"What it added to the revenue"`
}

type user struct {
	UserID  string `json:"user_id"`
	Applied int64  `json:"applied" doc:"How often its message took effect; always 1"`
}

func (a *API) getStats(ctx context.Context, _ *struct{}) (*answer[stats], error) {
	counted, err := a.store.Stats(ctx)
	if err != nil {
		return nil, problem(err)
	}
	totals, err := a.books.Totals(ctx)
	if err != nil {
		return nil, problem(err)
	}
	s := stats{Messages: counted.Messages, Deliveries: map[string]int64{}, Domain: domain(totals)}
	for _, state := range relay.States() {
		s.Deliveries[string(state)] = counted.Deliveries[state]
	}
	return reply(s, nil)
}

func (a *API) listOrders(ctx context.Context, q *domainQuery) (*answer[list[order]], error) {
	found, next, err := a.books.Orders(ctx, q.Cursor, q.Limit)
	return reply(list[order]{Items: convert(found, func(o books.Order) order { return order(o) }), Next: next}, err)
}

func (a *API) listUsers(ctx context.Context, q *domainQuery) (*answer[list[user]], error) {
	found, next, err := a.books.Users(ctx, q.Cursor, q.Limit)
	return reply(list[user]{Items: convert(found, func(u books.User) user { return user(u) }), Next: next}, err)
}
