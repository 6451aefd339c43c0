package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
	"example.com/signet/services/producer/internal/demo"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/publish"
)

// retryAfter is how many seconds a caller is asked to wait while the store cannot write.
const retryAfter = 1

// problem gives an error its status. What is not known here is left as it is: the frame answers 500 for it and
// keeps its text to the log.
func problem(err error) error {
	var badEvent *publish.InvalidError
	switch {
	case errors.As(err, &badEvent):
		return invalid(err, detail(eventLocation(badEvent), badEvent.Problem))
	case len(specFaults(err)) > 0:
		return invalid(err, specFaults(err)...)
	case errors.Is(err, relay.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, relay.ErrUnavailable), errors.Is(err, relay.ErrTxDone), errors.Is(err, context.DeadlineExceeded):
		return huma.ErrorWithHeaders(
			huma.Error503ServiceUnavailable("the store cannot write now; nothing was accepted"),
			http.Header{"Retry-After": {strconv.Itoa(retryAfter)}},
		)
	case errors.Is(err, relay.ErrNotFound), errors.Is(err, endpoint.ErrNotFound), errors.Is(err, demo.ErrOrderNotFound):
		return huma.Error404NotFound(text(err))
	case errors.Is(err, demo.ErrUserNotFound):
		return invalid(err, detail("body.user_id", "is not the id of a user"))
	case errors.Is(err, relay.ErrState), errors.Is(err, demo.ErrCompleted):
		return huma.Error409Conflict(text(err))
	default:
		return err
	}
}

// text is an error's without the names of the rooms it went through.
func text(err error) string {
	for _, known := range []error{
		relay.ErrNotFound, relay.ErrState, endpoint.ErrNotFound, demo.ErrOrderNotFound, demo.ErrCompleted,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

func detail(location, message string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Message: message}
}

func invalid(err error, details ...*huma.ErrorDetail) error {
	errs := make([]error, len(details))
	for i, d := range details {
		errs[i] = d
	}
	return huma.Error422UnprocessableEntity(err.Error(), errs...)
}

// eventLocation is where an event stands in a batch.
func eventLocation(e *publish.InvalidError) string {
	return "body.events[" + strconv.Itoa(e.Index) + "]." + e.Field
}

// specFaults collects every fault of an endpoint's spec.
func specFaults(err error) []*huma.ErrorDetail {
	var one *endpoint.InvalidError
	if !errors.As(err, &one) {
		return nil
	}
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return []*huma.ErrorDetail{detail("body."+one.Field, one.Problem)}
	}
	var details []*huma.ErrorDetail
	for _, each := range all.Unwrap() {
		var fault *endpoint.InvalidError
		if errors.As(each, &fault) {
			details = append(details, detail("body."+fault.Field, fault.Problem))
		}
	}
	return details
}
