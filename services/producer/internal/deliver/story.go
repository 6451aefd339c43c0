package deliver

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

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
	level, what := tell(o.State)
	// Asked first: most lines of a busy service are left out, and those cost nothing but the question.
	if s.log.Core().Enabled(level) {
		s.log.Log(level, o.Job.Message.Type+what, s.fields(o)...)
	}
	if o.Outcome.Disable != "" {
		s.log.Warn("endpoint disabled", zap.String("endpoint", s.label(o.Job.Delivery.TargetID)), zap.String("reason", o.Outcome.Disable))
	}
}

// tell words what a delivery's new state means for its event.
func tell(state relay.State) (level zapcore.Level, what string) {
	switch state {
	case relay.Done:
		return zap.InfoLevel, " delivered"
	case relay.Failed, relay.Cancelled:
		return zap.WarnLevel, " given up"
	case relay.Paused:
		return zap.WarnLevel, " not delivered, waits for its endpoint to be enabled"
	default:
		return zap.WarnLevel, " not delivered yet"
	}
}

func (s *Story) fields(o relay.Observation) []zap.Field {
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
	switch o.State {
	case relay.Done, relay.Paused:
	case relay.Failed, relay.Cancelled:
		fields = append(fields, zap.String("delivery", o.Job.Delivery.ID))
	default:
		fields = append(fields, zap.Time("next", o.NextAt.Truncate(time.Millisecond)))
	}
	return fields
}

func (s *Story) label(targetID string) string {
	if to, ok := s.endpoints.Live(targetID); ok {
		return to.Label()
	}
	return targetID
}
