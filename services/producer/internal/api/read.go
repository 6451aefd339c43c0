package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/services/producer/internal/jsontext"
	"example.com/signet/services/producer/internal/publish"
)

const mediaJSON = "application/json"

// rawInput is the input of an operation that reads its body itself.
type rawInput struct {
	Idempotency
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"application/json"` // valid until the handler returns
}

// registerRead is huma.Register for operations that are called so often that decoding their bodies three times, as huma
// does, would be most of their work. What read takes is what huma would have made of it, and everything else (unusual
// spellings of what is right, and all that is wrong) goes huma's way. The value that handle gets may refer to the
// request's memory, so nothing of it is kept unless it is copied.
func registerRead[I, O any](
	to huma.API, op huma.Operation, read func([]byte) (I, bool), handle func(context.Context, Idempotency, I) (*O, error),
) {
	op.RequestBody, op.SkipValidateBody = &huma.RequestBody{}, true
	schema := to.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[I](), true, "")
	huma.Register(to, op, func(ctx context.Context, in *rawInput) (*O, error) {
		if plainJSON(in.ContentType) {
			if value, ok := read(in.RawBody); ok {
				return handle(ctx, in.Idempotency, value)
			}
		}
		var value I
		if err := decode(to, schema, in, &value); err != nil {
			return nil, err
		}
		return handle(ctx, in.Idempotency, value)
	})
	op.RequestBody.Content[mediaJSON].Schema = schema // rather than bytes
}

// plainJSON holds for the usual media types of JSON, and for none that huma would refuse.
func plainJSON(contentType string) bool {
	media, parameters, _ := strings.Cut(contentType, ";")
	return (media == mediaJSON || contentType == "") && !strings.Contains(parameters, "+")
}

// decode checks a body and decodes it as huma does, with huma's words for what is wrong with it.
func decode(api huma.API, schema *huma.Schema, in *rawInput, into any) error {
	const failed = "validation failed"
	var value anyNumbers
	if err := api.Unmarshal(in.ContentType, in.RawBody, &value); err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, huma.ErrUnknownContentType) {
			status = http.StatusUnsupportedMediaType
		}
		return huma.NewError(status, failed, detail("body", err.Error()))
	}
	path, wrong := huma.NewPathBuffer(nil, 0), &huma.ValidateResult{}
	path.Push("body")
	huma.Validate(api.OpenAPI().Components.Schemas, schema, path, huma.ModeWriteToServer, value.any, wrong)
	if len(wrong.Errors) > 0 {
		return huma.Error422UnprocessableEntity(failed, wrong.Errors...)
	}
	if err := api.Unmarshal(in.ContentType, in.RawBody, into); err != nil {
		return huma.Error422UnprocessableEntity(failed, detail("body", err.Error()))
	}
	return nil
}

// anyNumbers is any JSON value; unlike a plain any it takes numbers that no float64 holds.
type anyNumbers struct{ any }

// UnmarshalJSON keeps numbers as they are written.
func (a *anyNumbers) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(&a.any)
}

// readEvent reads an event with the members an event has, by their exact names. False: it is something else.
func readEvent(text []byte) (e event, ok bool) {
	ok = jsontext.Object(text, func(name, value []byte) (ok bool) {
		switch string(name) {
		case "type":
			e.Type, ok = jsontext.String(value)
		case "data":
			e.Data, ok = value, true
		case "id":
			e.ID, ok = jsontext.String(value)
		case "tenant":
			e.Tenant, ok = jsontext.String(value)
		case "ordering_key":
			e.OrderingKey, ok = jsontext.String(value)
		}
		return ok
	})
	return e, ok && e.Type != "" && e.Data != nil
}

// readBatch reads a body of 1 to publish.MaxBatch events.
func readBatch(text []byte) (b batch, ok bool) {
	ok = jsontext.Object(text, func(name, value []byte) bool {
		if string(name) != "events" || b.Events != nil {
			return false
		}
		return jsontext.Array(value, func(text []byte) bool {
			e, ok := readEvent(text)
			b.Events = append(b.Events, e)
			return ok && len(b.Events) <= publish.MaxBatch
		})
	})
	return b, ok && b.Events != nil
}
