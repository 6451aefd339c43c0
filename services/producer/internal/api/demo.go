package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/services/producer/internal/demo"
	"example.com/signet/services/producer/internal/ledger"
)

// userSpec is a new customer of the demo shop.
type userSpec struct {
	Name  string `json:"name" minLength:"1" maxLength:"200" example:"Ada Baker"`
	Email string `json:"email" format:"email" maxLength:"254" example:"ada@example.com"`
}

// userView is a customer and the message that tells of them.
type userView struct {
	demo.User
	MessageID string `json:"message_id"`
}

// amount is a decimal number as its text: no binary fraction comes between 19.99 and 1999 cents.
type amount string

// Schema tells the API that it is a number.
func (amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Description: "At most two decimals", Examples: []any{19.99}}
}

// UnmarshalJSON keeps the number's text.
func (a *amount) UnmarshalJSON(number []byte) error {
	*a = amount(number)
	return nil
}

// MarshalJSON writes the number.
func (a amount) MarshalJSON() ([]byte, error) { return []byte(a), nil }

// orderSpec is a new order.
type orderSpec struct {
	UserID   string `json:"user_id" maxLength:"256"`
	Amount   amount `json:"amount"`
	Currency string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" default:"EUR" doc:"ISO 4217"`
}

// orderView is an order, and the message that tells of what was just done to it.
type orderView struct {
	OrderID     string     `json:"order_id" example:"ord_01jq…"`
	UserID      string     `json:"user_id"`
	Amount      amount     `json:"amount"`
	AmountMinor int64      `json:"amount_minor"`
	Currency    string     `json:"currency"`
	State       string     `json:"state" enum:"created,completed"`
	CreatedAt   time.Time  `json:"created_at"`
	CompletedAt *time.Time `json:"completed_at"`
	MessageID   string     `json:"message_id,omitempty"`
}

func showOrder(o demo.Order) orderView {
	view := orderView{
		OrderID: o.ID, UserID: o.UserID, Amount: amount(ledger.FormatMinor(o.AmountMinor)), AmountMinor: o.AmountMinor,
		Currency: o.Currency, State: "created", CreatedAt: o.CreatedAt,
	}
	if o.Completed {
		view.State, view.CompletedAt = "completed", &o.CompletedAt
	}
	return view
}

const (
	demoTag    = "Demo"
	ordersPath = "/demo/orders"
)

func registerDemo(to huma.API, shop *demo.Shop) {
	huma.Register(to, operation(demoTag, http.MethodPost, "/demo/users", "Create a demo user", http.StatusCreated),
		func(ctx context.Context, in *body[userSpec]) (*body[userView], error) {
			user, message, err := shop.CreateUser(ctx, in.Body.Name, in.Body.Email)
			if err != nil {
				return nil, problem(err)
			}
			return reply(userView{User: user, MessageID: message.ID}), nil
		})
	huma.Register(to, operation(demoTag, http.MethodPost, ordersPath, "Create a demo order", http.StatusCreated),
		func(ctx context.Context, in *body[orderSpec]) (*body[orderView], error) {
			minor, err := ledger.ParseMinor(string(in.Body.Amount), 2)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity("amount "+err.Error(), detail("body.amount", err.Error()))
			}
			order, message, err := shop.CreateOrder(ctx, in.Body.UserID, minor, in.Body.Currency)
			if err != nil {
				return nil, problem(err)
			}
			return told(order, message.ID), nil
		})
	huma.Register(to, operation(demoTag, http.MethodPost, ordersPath+"/{id}/complete", "Complete a demo order", http.StatusOK,
		http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *byID) (*body[orderView], error) {
			order, message, err := shop.CompleteOrder(ctx, in.id())
			if err != nil {
				return nil, problem(err)
			}
			return told(order, message.ID), nil
		})
	huma.Register(to, operation(demoTag, http.MethodGet, ordersPath, "List demo orders", http.StatusOK),
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
			Cursor string `query:"cursor" doc:"The page before's next"`
		},
		) (*body[list[orderView]], error) {
			orders, err := shop.Orders(ctx, in.Limit, strings.Clone(in.Cursor))
			if err != nil {
				return nil, problem(err)
			}
			next := ""
			if len(orders) == in.Limit {
				next = orders[len(orders)-1].ID
			}
			return listOf(orders, next, showOrder), nil
		})
}

func told(o demo.Order, messageID string) *body[orderView] {
	view := showOrder(o)
	view.MessageID = messageID
	return reply(view)
}
