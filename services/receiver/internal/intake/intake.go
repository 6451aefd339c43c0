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
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/event"
	"example.com/signet/services/receiver/internal/source"
)

// Appender stores messages durably, and keeps nothing of a draft when it has returned; *relay.Store is one.
type Appender interface {
	Append(ctx context.Context, drafts ...relay.Draft) ([]relay.Receipt, error)
}

// Router knows where events of a type go: always to the same targets.
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
	cfg      Config
	types    *types
	tallies  map[*source.Source]tally
	requests sync.Pool // of *incoming
}

// New makes an intake.
func New(cfg Config) *Intake {
	i := &Intake{cfg: cfg, types: newTypes(cfg.Router), tallies: map[*source.Source]tally{}}
	for _, src := range cfg.Sources.All() {
		i.tallies[src] = cfg.Metrics.tally(src.Name())
	}
	i.requests.New = func() any { return &incoming{} }
	return i
}

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
	in := i.begin(c, body)
	defer i.end(in)
	now := i.cfg.Now()
	greet, ok, err := src.Handshake(in.request, now)
	if err != nil {
		return i.refuse(c, src.Name(), unproven(err))
	}
	if ok {
		return i.greet(c, src, greet)
	}
	draft, refused := i.read(src, in, now)
	if refused != nil {
		return i.refuse(c, src.Name(), refused)
	}
	receipts, err := i.cfg.Store.Append(c.UserContext(), draft)
	if err != nil {
		return i.failed(c, src.Name(), err)
	}
	i.tallies[src].taken(receipts[0].Duplicate)
	return accepted(c, receipts[0].ID, receipts[0].Duplicate)
}

// probe answers the handshakes that come with GET. Whatever else does is no webhook.
func (i *Intake) probe(c *fiber.Ctx) error {
	src, ok := i.source(c)
	if !ok {
		return methodNotAllowed(c)
	}
	in := i.begin(c, nil)
	defer i.end(in)
	greet, ok, err := src.Handshake(in.request, i.cfg.Now())
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

// read turns a request into a draft, or says why not. The draft is as good as the request is.
func (i *Intake) read(src *source.Source, in *incoming, now time.Time) (relay.Draft, *refusal) {
	match, err := src.Verify(in.request, now)
	if err != nil {
		return relay.Draft{}, unproven(err)
	}
	envelope, refused := in.open(src, match.Scheme)
	if refused != nil {
		return relay.Draft{}, refused
	}
	way := i.route(match, &envelope, src.Name())
	body := in.request.Body
	return relay.Draft{
		Source:    src.Name(),
		Type:      way.eventType,
		DedupeKey: dedupeKey(&in.header, match, envelope.ID(), body, src.ReplayGuard()),
		Headers:   in.header.json(),
		Body:      body,
		Targets:   way.targets,
		Redeliver: true,
	}, nil
}

// route goes by the verified scheme's own header, or else by what the event says of itself. A type that cannot be
// kept is no ground to lose an event that is genuine.
func (i *Intake) route(match signature.Match, envelope *event.Envelope, sourceName string) route {
	stated := match.EventType
	if stated == "" {
		stated = utils.UnsafeString(envelope.Type())
	}
	way, ok := i.types.route(stated)
	if !ok {
		i.cfg.Log.Info("event type cannot be kept, taken as unknown",
			zap.String("source", sourceName), zap.Int("length", len(stated)))
	}
	return way
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
