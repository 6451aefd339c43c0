package handler

import (
	"context"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/receiver/internal/books"
	"example.com/signet/services/receiver/internal/event"
)

// orderCompleted enters completed orders and their revenue into the books.
func orderCompleted() Handler {
	return Handler{Name: "order-completed", Pattern: "order.completed", Apply: applyOrderCompleted}
}

func applyOrderCompleted(ctx context.Context, tx relay.Tx, job relay.Job) relay.Outcome {
	order, err := readOrder(job.Message.Body)
	if err != nil {
		return relay.Permanent(err)
	}
	posting, totals, err := books.PostOrder(ctx, tx, posted(job), order)
	if err != nil {
		return relay.Retry(err)
	}
	what := "order " + order.OrderID + " completed: " + event.FormatMinor(order.AmountMinor)
	if order.Currency != "" {
		what += " " + order.Currency
	}
	return relay.Delivered(story(posting, job, what, "revenue "+event.FormatMinor(totals.RevenueMinor)))
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
