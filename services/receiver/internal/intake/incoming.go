package intake

import (
	"fmt"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/event"
	"example.com/signet/services/receiver/internal/source"
)

// incoming is one request while it is taken in. All of it points into memory that serves the next request.
type incoming struct {
	request signature.Request // as the signature package sees it
	header  header
	url     []byte
}

// begin reads what is needed of a request, until end. The URL is spelled as in the request line, because that spelling
// is what was signed; where the public one is not known, it is the path and query alone, which nobody signs.
func (i *Intake) begin(c *fiber.Ctx, body []byte) *incoming {
	in := i.requests.Get().(*incoming)
	raw := &c.Request().Header
	in.header.read(raw)
	target := raw.RequestURI()
	if len(target) == 0 || target[0] != '/' { // with a host of its own, as for a proxy
		target = c.Request().URI().RequestURI()
	}
	in.url = append(append(in.url[:0], i.cfg.PublicURL...), target...)
	in.request = signature.Request{Method: c.Method(), URL: utils.UnsafeString(in.url), Header: &in.header, Body: body}
	return in
}

// end lets go of a request. Nothing may point into it any more.
func (i *Intake) end(in *incoming) {
	in.header.forget()
	in.request = signature.Request{}
	i.requests.Put(in)
}

// open reads the JSON in a body whose signature is good, or nothing in a form that has none.
func (in *incoming) open(src *source.Source, scheme string) (event.Envelope, *refusal) {
	if in.header.encoded() {
		return event.Envelope{}, &refusal{codeUnsupportedMedia, "content_encoding", nil}
	}
	body, bodyID := in.request.Body, src.BodyID(scheme)
	contentType := in.header.first(fasthttp.HeaderContentType)
	switch src.Media(contentType, scheme) {
	case source.JSON:
		return openJSON(body, bodyID)
	case source.Undeclared:
		if envelope, ok := event.Open(body, bodyID); ok {
			return envelope, nil
		}
	case source.Payload:
		payload, ok := event.FormPayload(body)
		if !ok {
			return event.Envelope{}, &refusal{codeUnsupportedMedia, "form_without_payload", nil}
		}
		return openJSON(payload, bodyID)
	case source.Fields:
		if !event.IsJSON(body) { // or else a JSON event that somebody calls a form
			return openFields(body, bodyID), nil
		}
	case source.Refused:
	}
	return event.Envelope{}, &refusal{codeUnsupportedMedia, "media_type", fmt.Errorf("the Content-Type is %.64q", contentType)}
}

// openFields opens the JSON that Slack sends in the one field of some of its forms. Other forms have none.
func openFields(form []byte, bodyID string) event.Envelope {
	payload, ok := event.FormPayload(form)
	if !ok {
		return event.Envelope{}
	}
	envelope, _ := event.Open(payload, bodyID)
	return envelope
}

func openJSON(document []byte, bodyID string) (event.Envelope, *refusal) {
	envelope, ok := event.Open(document, bodyID)
	if !ok {
		return event.Envelope{}, &refusal{codeInvalidJSON, "invalid_json", nil}
	}
	return envelope, nil
}
