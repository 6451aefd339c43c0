package handler

import (
	"context"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
	"example.com/signet/services/receiver/internal/event"
)

// orderCompleted enters completed orders and their revenue into the books.
func orderCompleted() Handler {
	return Handler{Name: "order-completed", Pattern: "order.completed", ApplyAll: applyOrdersCompleted}
}

func applyOrdersCompleted(ctx context.Context, tx relay.Tx, jobs []relay.Job) []relay.Outcome {
	entries := make([]books.OrderEntry, len(jobs))
	return applyAll(jobs,
		func(i int) error {
			order, err := readOrder(jobs[i].Message.Body)
			entries[i] = books.OrderEntry{Event: posted(jobs[i]), Order: order}
			return err
		},
		func() ([]books.Result, error) { return books.PostOrders(ctx, tx, entries) },
		func(i int, r books.Result) string {
			order := entries[i].Order
			what := "order " + order.OrderID + " completed: " + event.FormatMinor(order.AmountMinor)
			if order.Currency != "" {
				what += " " + order.Currency
			}
			return story(r.Posting, jobs[i], what, "revenue "+event.FormatMinor(r.Totals.RevenueMinor))
		})
}

func readOrder(body []byte) (books.Order, error) {
	fields, err := event.Parse(body)
	if err != nil {
		return books.Order{}, err
	}
	var order books.Order
	if order.OrderID, err = fields.ID("order_id", "id"); err != nil {
		return books.Order{}, err
	}
	if order.AmountMinor, err = fields.Amount(); err != nil {
		return books.Order{}, err
	}
	order.Currency, err = fields.Currency()
	return order, err
}
