// Package trouble tells of endpoints that get no deliveries: those that are left alone for a while because their
// attempts fail, and those that were disabled.
//
// A [Reporter] turns each such change into a line of the log and a count. That an endpoint was disabled it also
// publishes, as an event of type endpoint.disabled, to the endpoints of the same tenant that want it, but never to the
// one it is about. An endpoint is disabled once until somebody enables it, so events about events come to an end.
//
// It decides nothing: the delivery engine does.
package trouble

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
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

// again is how long the reporter waits before it publishes again what the store could not take.
const again = time.Second

// Endpoints finds an endpoint as it is now.
type Endpoints interface {
	Live(id string) (endpoint.Live, bool)
}

// Publisher accepts events.
type Publisher interface {
	Publish(ctx context.Context, p publish.Publication) ([]publish.Receipt, error)
}

// Reporter tells of changes. It is safe for concurrent use.
type Reporter struct {
	endpoints Endpoints
	publisher Publisher
	log       *zap.Logger
	changes   *prometheus.CounterVec

	mu       sync.Mutex
	waiting  []relay.TargetChange // disabled, and not published yet
	ring     chan struct{}
	stopping chan struct{}
	stopped  chan struct{}
	once     sync.Once
}

// New makes a reporter; Start starts its publishing.
func New(endpoints Endpoints, publisher Publisher, log *zap.Logger) *Reporter {
	return &Reporter{
		endpoints: endpoints, publisher: publisher, log: log,
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_endpoint_changes_total",
			Help: "What happened to endpoints without anybody asking: opened (held back because attempts fail), closed, disabled.",
		}, []string{"change"}),
		ring: make(chan struct{}, 1), stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Collector counts the changes, by what they are.
func (r *Reporter) Collector() prometheus.Collector { return r.changes }

// Start begins to publish, in a goroutine of its own. Call it once.
func (r *Reporter) Start() { go r.loop() }

// Stop publishes what is left, or drops it when the store does not take it at once, and ends the goroutine that Start
// has begun.
func (r *Reporter) Stop() {
	r.once.Do(func() { close(r.stopping) })
	<-r.stopped
}

// Report takes note of a change; it serves relay.DispatcherConfig and never waits.
func (r *Reporter) Report(c relay.TargetChange) {
	r.changes.WithLabelValues(string(c.Event)).Inc()
	fields := []zap.Field{zap.String("endpoint", r.label(c.TargetID)), zap.String("reason", c.Reason)}
	switch c.Event {
	case relay.TargetDisabled:
		r.log.Warn("endpoint disabled", fields...)
	case relay.TargetOpened:
		r.log.Warn("endpoint held back", append(fields, zap.Time("until", c.Until.Truncate(time.Millisecond)))...)
		return
	default:
		r.log.Info("endpoint gets deliveries again", fields...)
		return
	}
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	r.mu.Unlock()
	select {
	case r.ring <- struct{}{}:
	default:
	}
}

func (r *Reporter) loop() {
	defer close(r.stopped)
	for {
		var retry <-chan time.Time
		if !r.publishAll() {
			retry = time.After(again)
		}
		select {
		case <-r.ring:
		case <-retry:
		case <-r.stopping:
			r.publishAll()
			return
		}
	}
}

// publishAll publishes what waits. False: some of it has to wait for longer.
func (r *Reporter) publishAll() bool {
	for {
		r.mu.Lock()
		if len(r.waiting) == 0 {
			r.mu.Unlock()
			return true
		}
		c := r.waiting[0]
		r.mu.Unlock()
		err := r.publish(context.Background(), c)
		if errors.Is(err, relay.ErrUnavailable) {
			return false
		}
		if err != nil {
			r.log.Error("publish that an endpoint was disabled", zap.String("endpoint", r.label(c.TargetID)), zap.Error(err))
		}
		r.mu.Lock()
		r.waiting = r.waiting[1:]
		r.mu.Unlock()
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

func (r *Reporter) publish(ctx context.Context, c relay.TargetChange) error {
	of, ok := r.endpoints.Live(c.TargetID)
	if !ok {
		return nil
	}
	data, err := json.Marshal(disabled{
		EndpointID: c.TargetID, Name: of.Name, URL: webhook.Redact(of.URL), Reason: c.Reason, DisabledAt: c.At.UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		return err
	}
	_, err = r.publisher.Publish(ctx, publish.Publication{
		Source: source, Except: c.TargetID,
		Events: []publish.Event{{
			// With an id it is published once, even when the answer to the first time was lost.
			Type: DisabledType, ID: c.TargetID + ":" + strconv.FormatInt(c.At.UnixMicro(), 10), Tenant: of.Tenant, Data: data,
		}},
	})
	return err
}

func (r *Reporter) label(targetID string) string {
	if to, ok := r.endpoints.Live(targetID); ok {
		return to.Label()
	}
	return targetID
}
