// Package trouble tells of endpoints that get no deliveries: those that are left alone for a while because their
// attempts fail, and those that were disabled.
//
// A [Reporter] turns each such change into a line of the log and a count. That an endpoint is disabled is also published,
// as an event of type endpoint.disabled, to the endpoints of the same tenant that want it, but never to the one it is
// about. It is appended in the transaction that disables the endpoint, so there is one without the other at no time. An
// endpoint is disabled once until somebody enables it, so events about events come to an end.
//
// It decides nothing: the delivery engine does.
package trouble

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/publish"
)

// DisabledType is the type of the event that tells of a disabled endpoint.
const DisabledType = "endpoint.disabled"

// source is the name space of these events' ids.
const source = "producer"

// Endpoints finds an endpoint as it is now.
type Endpoints interface {
	Live(id string) (endpoint.Live, bool)
}

// Publisher makes the messages of events.
type Publisher interface {
	Drafts(p publish.Publication) ([]relay.Draft, error)
}

// Reporter tells of changes. It is safe for concurrent use.
type Reporter struct {
	endpoints Endpoints
	publisher Publisher
	log       *zap.Logger
	changes   *prometheus.CounterVec
}

// New makes a reporter.
func New(endpoints Endpoints, publisher Publisher, log *zap.Logger) *Reporter {
	return &Reporter{
		endpoints: endpoints, publisher: publisher, log: log,
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_endpoint_changes_total",
			Help: "What happened to endpoints without anybody asking: opened (held back because attempts fail), closed, disabled.",
		}, []string{"change"}),
	}
}

// Collector counts the changes, by what they are.
func (r *Reporter) Collector() prometheus.Collector { return r.changes }

// Report takes note of a change; it serves relay.DispatcherConfig and never waits.
func (r *Reporter) Report(c relay.TargetChange) {
	r.changes.WithLabelValues(string(c.Event)).Inc()
	fields := []zap.Field{zap.String("endpoint", r.label(c.TargetID)), zap.String("reason", c.Reason)}
	switch c.Event {
	case relay.TargetDisabled:
		r.log.Warn("endpoint disabled", fields...)
	case relay.TargetOpened:
		r.log.Warn("endpoint held back", append(fields, zap.Time("until", c.Until.Truncate(time.Millisecond)))...)
	default:
		r.log.Info("endpoint gets deliveries again", fields...)
	}
}

// disabled is the event's data.
type disabled struct {
	EndpointID string    `json:"endpoint_id"`
	Name       string    `json:"name"`
	URL        string    `json:"url"` // without what may be a credential
	Reason     string    `json:"reason"`
	DisabledAt time.Time `json:"disabled_at"`
}

// Announce answers the event that tells that an endpoint is disabled; it serves relay.DispatcherConfig and never waits. An
// endpoint that is gone is not told of.
func (r *Reporter) Announce(c relay.TargetChange) []relay.Draft {
	of, ok := r.endpoints.Live(c.TargetID)
	if !ok {
		return nil
	}
	drafts, err := r.drafts(c, of)
	if err != nil {
		r.log.Error("publish that an endpoint was disabled", zap.String("endpoint", of.Label()), zap.Error(err))
		return nil
	}
	return drafts
}

func (r *Reporter) drafts(c relay.TargetChange, of endpoint.Live) ([]relay.Draft, error) {
	data, err := json.Marshal(disabled{
		EndpointID: c.TargetID, Name: of.Name, URL: webhook.Redact(of.URL), Reason: c.Reason, DisabledAt: c.At.UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		return nil, err
	}
	return r.publisher.Drafts(publish.Publication{
		Source: source, Except: c.TargetID,
		Events: []publish.Event{{
			Type: DisabledType, ID: c.TargetID + ":" + strconv.FormatInt(c.At.UnixMicro(), 10), Tenant: of.Tenant, Data: data,
		}},
	})
}

func (r *Reporter) label(targetID string) string {
	if to, ok := r.endpoints.Live(targetID); ok {
		return to.Label()
	}
	return targetID
}
