package deliver

import (
	"time"

	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
)

// Story tells the log what becomes of deliveries, a line for each attempt.
type Story struct {
	endpoints Endpoints
	log       *zap.Logger
}

// NewStory makes a story.
func NewStory(endpoints Endpoints, log *zap.Logger) *Story {
	return &Story{endpoints: endpoints, log: log}
}

// Observe tells of one attempt whose outcome is on disk; it serves relay.DispatcherConfig.
func (s *Story) Observe(o relay.Observation) {
	fields := []zap.Field{
		zap.String("message_id", o.Job.Message.ID),
		zap.String("endpoint", s.label(o.Job.Delivery.TargetID)),
		zap.Int("attempt", o.Job.Delivery.Attempts),
		zap.Duration("took", o.Duration.Round(10*time.Microsecond)),
	}
	if o.Outcome.StatusCode != 0 {
		fields = append(fields, zap.Int("status", o.Outcome.StatusCode))
	}
	if o.Outcome.Err != nil {
		fields = append(fields, zap.String("reason", o.Outcome.Err.Error()))
	}
	eventType := o.Job.Message.Type
	switch o.State {
	case relay.Done:
		s.log.Info(eventType+" delivered", fields...)
	case relay.Failed, relay.Cancelled:
		s.log.Warn(eventType+" given up", append(fields, zap.String("delivery", o.Job.Delivery.ID))...)
	case relay.Paused:
		s.log.Warn(eventType+" not delivered, waits for its endpoint to be enabled", fields...)
	default:
		s.log.Warn(eventType+" not delivered yet", append(fields, zap.Time("next", o.NextAt.Truncate(time.Millisecond)))...)
	}
	if o.Outcome.Disable != "" {
		s.log.Warn("endpoint disabled", zap.String("endpoint", s.label(o.Job.Delivery.TargetID)), zap.String("reason", o.Outcome.Disable))
	}
}

func (s *Story) label(targetID string) string {
	if to, ok := s.endpoints.Live(targetID); ok {
		return to.Label()
	}
	return targetID
}
