// Package handler holds what the receiver does with events: one file for each handler, registered by the
// pattern of event types it takes.
//
// To add one, write its file and add its line to [All]. A handler works inside its delivery's transaction: what
// it does through tx takes effect exactly once, together with the delivery's completion, and what it does
// otherwise may happen more than once. It has bounded time and must not wait for a network.
package handler

// All lists the handlers, one line each.
func All() []Handler {
	return []Handler{
		userCreated(),
		orderCompleted(),
		logged(),
	}
}
