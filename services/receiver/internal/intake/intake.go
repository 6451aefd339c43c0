// Package intake is the receiver's public HTTP side: POST /webhook and POST /webhook/{source}, and GET there for
// the providers that test an endpoint so.
//
// A request goes through one order of steps: source, size, handshake, signature, media type, JSON, event type and
// dedupe key, append, reply. It is answered 200 only after it is on disk, with its deliveries; a handshake is not
// stored, and answered as its provider expects. What a sender is told of a refusal is fixed (see replies.go); why it
// was refused stands in the log and in a metric.
//
// It processes nothing: handlers run later, from the store.
package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/event"
	"example.com/signet/services/receiver/internal/source"
)

// Appender stores messages durably; *relay.Store is one.
type Appender interface {
	Append(ctx context.Context, drafts ...relay.Draft) ([]relay.Receipt, error)
}

// Router knows where events of a type go.
type Router interface {
	Targets(eventType string) []string
}

// Config is what an intake needs; every field but PublicURL is required.
type Config struct {
	Sources   *source.Set
	Store     Appender
	Router    Router
	Metrics   *Metrics
	Log       *zap.Logger
	Now       func() time.Time
	PublicURL string // base of the URL that senders use, without a slash at its end; empty: unknown
}

// Intake takes webhooks in. It is safe for concurrent use.
type Intake struct {
	cfg Config
}

// New makes an intake.
func New(cfg Config) *Intake { return &Intake{cfg: cfg} }

// Mount adds the intake's routes.
func (i *Intake) Mount(r fiber.Router) {
	for _, path := range []string{"/webhook", "/webhook/*"} {
		r.Post(path, i.receive)
		r.Get(path, i.probe) // and HEAD, which no provider tests with
		r.All(path, methodNotAllowed)
	}
}

// receive takes one request. Nothing that outlives it may point into c, whose memory is used again.
func (i *Intake) receive(c *fiber.Ctx) error {
	src, ok := i.source(c)
	if !ok {
		return i.refuse(c, unknownLabel, &refusal{codeUnknownSource, "unknown_source", fmt.Errorf("no source at %.64q", c.Path())})
	}
	body, err := service.ReadBody(c, src.MaxBody())
	if err != nil {
		return i.refuse(c, src.Name(), &refusal{codeBodyTooLarge, "body_too_large", nil})
	}
	request, now := i.request(c, body), i.cfg.Now()
	greet, ok, err := src.Handshake(request, now)
	if err != nil {
		return i.refuse(c, src.Name(), unproven(err))
	}
	if ok {
		return i.greet(c, src, greet)
	}
	draft, refused := i.read(c, src, request, now)
	if refused != nil {
		return i.refuse(c, src.Name(), refused)
	}
	receipts, err := i.cfg.Store.Append(c.UserContext(), draft)
	if err != nil {
		return i.failed(c, src.Name(), err)
	}
	i.cfg.Metrics.taken(src.Name(), receipts[0].Duplicate)
	return accepted(c, receipts[0].ID, receipts[0].Duplicate)
}

// probe answers the handshakes that come with GET. Whatever else does is no webhook.
func (i *Intake) probe(c *fiber.Ctx) error {
	src, ok := i.source(c)
	if !ok {
		return methodNotAllowed(c)
	}
	greet, ok, err := src.Handshake(i.request(c, nil), i.cfg.Now())
	switch {
	case err != nil:
		return i.refuse(c, src.Name(), unproven(err))
	case !ok:
		return methodNotAllowed(c)
	}
	return i.greet(c, src, greet)
}

func (i *Intake) source(c *fiber.Ctx) (*source.Source, bool) {
	return i.cfg.Sources.Get(c.Params("*", source.Default))
}

// greet answers a handshake.
func (i *Intake) greet(c *fiber.Ctx, src *source.Source, r signature.Reply) error {
	i.cfg.Metrics.greeted(src.Name())
	i.cfg.Log.Info("handshake answered", zap.String("source", src.Name()), zap.String("signature", src.Proof()))
	return greeting(c, r)
}

// refusal says what the sender is told, and what only we are.
type refusal struct {
	code   code
	reason string // a label of bounded variety
	err    error  // detail for the log; may be nil
}

// unproven is the refusal of a request whose signature, or whose handshake, is not good.
func unproven(err error) *refusal {
	return &refusal{codeInvalidSignature, signatureReason(err), err}
}

// read turns a request into a draft, or says why not.
func (i *Intake) read(c *fiber.Ctx, src *source.Source, r signature.Request, now time.Time) (relay.Draft, *refusal) {
	match, err := src.Verify(r, now)
	if err != nil {
		return relay.Draft{}, unproven(err)
	}
	match.ID, match.EventType = strings.Clone(match.ID), strings.Clone(match.EventType)
	envelope, refused := readDocument(c, src, match.Scheme, r.Body)
	if refused != nil {
		return relay.Draft{}, refused
	}
	eventType := i.eventType(match, &envelope, src.Name())
	return relay.Draft{
		Source:    src.Name(),
		Type:      eventType,
		DedupeKey: dedupeKey(&c.Request().Header, match, envelope.ID(), r.Body, src.ReplayGuard()),
		Headers:   headersJSON(&c.Request().Header),
		Body:      append([]byte(nil), r.Body...),
		Targets:   i.cfg.Router.Targets(eventType),
		Redeliver: true,
	}, nil
}

// request is what the signature package sees. The URL is spelled as in the request line, because that spelling
// is what was signed; where the public one is not known, it is the path and query alone, which nobody signs.
func (i *Intake) request(c *fiber.Ctx, body []byte) signature.Request {
	target := string(c.Request().Header.RequestURI())
	if !strings.HasPrefix(target, "/") { // with a host of its own, as for a proxy
		target = string(c.Request().URI().RequestURI())
	}
	return signature.Request{
		Method: strings.Clone(c.Method()),
		URL:    i.cfg.PublicURL + target,
		Header: &header{h: &c.Request().Header},
		Body:   body,
	}
}

// readDocument reads the JSON in a body whose signature is good, or nothing in a form that has none.
func readDocument(c *fiber.Ctx, src *source.Source, scheme string, body []byte) (event.Envelope, *refusal) {
	if encoded(&c.Request().Header) {
		return event.Envelope{}, &refusal{codeUnsupportedMedia, "content_encoding", nil}
	}
	bodyID := src.BodyID(scheme)
	switch src.Media(string(c.Request().Header.ContentType()), scheme) {
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
	return event.Envelope{}, &refusal{codeUnsupportedMedia, "media_type", fmt.Errorf("the Content-Type is %.64q", c.Request().Header.ContentType())}
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

// eventType is the verified scheme's own header, or else what the event says of itself. A type that cannot be
// kept is no ground to lose an event that is genuine.
func (i *Intake) eventType(match signature.Match, envelope *event.Envelope, sourceName string) string {
	stated := match.EventType
	if stated == "" {
		stated = string(envelope.Type())
	}
	kept, ok := event.CleanType(stated)
	if !ok {
		i.cfg.Log.Info("event type cannot be kept, taken as unknown",
			zap.String("source", sourceName), zap.Int("length", len(stated)))
	}
	return kept
}

// refuse answers a request that is not taken.
func (i *Intake) refuse(c *fiber.Ctx, sourceName string, r *refusal) error {
	i.cfg.Metrics.refused(sourceName, r.reason)
	fields := []zap.Field{zap.String("source", sourceName), zap.String("reason", r.reason)}
	if r.err != nil {
		fields = append(fields, zap.String("detail", r.err.Error()))
	}
	i.cfg.Log.Info("webhook refused", fields...)
	return reply(c, r.code)
}

// failed answers a request that could not be stored.
func (i *Intake) failed(c *fiber.Ctx, sourceName string, err error) error {
	if errors.Is(err, relay.ErrUnavailable) {
		i.cfg.Metrics.lost(sourceName, "unavailable")
		i.cfg.Log.Warn("webhook not taken: store unavailable", zap.String("source", sourceName), zap.Error(err))
		return reply(c, codeUnavailable)
	}
	i.cfg.Metrics.lost(sourceName, "error")
	i.cfg.Log.Error("webhook not taken", zap.String("source", sourceName), zap.Error(err))
	return reply(c, codeInternal)
}

// Errors words the replies to requests that no route answered, for service.ServerOptions.
func (i *Intake) Errors(c *fiber.Ctx, status int, _ error) error {
	if status == fiber.StatusRequestEntityTooLarge && strings.HasPrefix(c.Path(), "/webhook") {
		return i.refuse(c, unknownLabel, &refusal{codeBodyTooLarge, "body_too_large", nil})
	}
	return reply(c, codeOf(status))
}

// signatureReason names a verification error for the log and the metric.
func signatureReason(err error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{source.ErrNoSecret, "no_secret"},
		{signature.ErrMissing, "missing"},
		{signature.ErrMalformed, "malformed"},
		{signature.ErrMismatch, "mismatch"},
		{signature.ErrTooOld, "too_old"},
		{signature.ErrTooNew, "too_new"},
		{signature.ErrAmbiguous, "ambiguous"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return "other"
}
