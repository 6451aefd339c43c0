package app

import (
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
)

// warn tells at every start what is allowed but unwise.
func (a *App) warn() {
	if len(a.cfg.Unknown) > 0 {
		a.log.Warn("environment variables with our prefix that mean nothing here", zap.Strings("variables", a.cfg.Unknown))
	}
	for _, pair := range a.sources.Sharing() {
		a.log.Warn("two sources share a secret: what is sent to one may count at the other", zap.Strings("sources", pair[:]))
	}
	for _, s := range a.sources.All() {
		if s.Unsigned() {
			a.log.Warn("WEBHOOK_ALLOW_UNSIGNED=true: anybody who reaches this source is believed", zap.String("source", s.Name()))
		}
		if s.Refuses() {
			say := a.log.Info
			if len(a.sources.All()) == 1 { // nobody can send anything
				say = a.log.Warn
			}
			say("source without a secret refuses everything; set WEBHOOK_SECRET, or <SOURCE>_WEBHOOK_SECRET for a source of its own",
				zap.String("source", s.Name()))
		}
		if s.Untidy() {
			a.log.Warn("a secret begins or ends with a space, a line's end or quotes, which count as part of it", zap.String("source", s.Name()))
		}
		if err := s.Warning(); err != nil {
			a.log.Warn("a secret does not serve every scheme", zap.String("source", s.Name()), zap.String("detail", err.Error()))
		}
		if caution := s.Caution(); caution != "" {
			a.log.Warn(caution, zap.String("source", s.Name()))
		}
	}
}

// announce tells a person where to go.
func (a *App) announce() {
	if n := a.store.Recovered(); n > 0 {
		a.log.Info("leases taken back", zap.Int("count", n))
	}
	base := "http://" + reachable(a.Addr())
	if a.cfg.PublicURL != "" {
		base = a.cfg.PublicURL
	}
	for _, s := range a.sources.All() {
		a.log.Info("webhooks: "+base+s.Path(), zap.String("source", s.Name()), zap.String("signature", s.Proof()))
	}
	token := zap.String("token", "RECEIVER_ADMIN_TOKEN")
	if a.cfg.AdminToken == "" {
		token = zap.String("token_file", a.cfg.TokenFile())
	}
	a.log.Info("admin API: http://"+reachable(a.AdminAddr())+"/api/openapi.json", token)
	a.log.Info("ready", zap.String("version", a.options.Version), zap.String("address", a.Addr()), zap.String("database", a.cfg.DatabaseName()))
}

// reachable turns an address that is listened on into one to open on the same machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// observe tells what became of each attempt, after it is committed.
func (a *App) observe(o relay.Observation) {
	a.deliveries.count(o)
	log, what := a.log.Info, o.Job.Message.Type+" applied"
	switch o.State {
	case relay.Done:
	case relay.Failed:
		log, what = a.log.Warn, o.Job.Message.Type+" failed"
	default:
		log, what = a.log.Warn, o.Job.Message.Type+" will be tried again"
	}
	var fields []zap.Field
	if o.Outcome.Detail != "" {
		fields = append(fields, zap.String("detail", o.Outcome.Detail))
	}
	if o.Outcome.Err != nil {
		fields = append(fields, zap.String("reason", o.Outcome.Err.Error()))
	}
	if !o.NextAt.IsZero() {
		fields = append(fields, zap.Time("next", o.NextAt.Truncate(time.Millisecond)))
	}
	log(what, append(fields,
		zap.String("message_id", o.Job.Message.ID),
		zap.String("handler", o.Job.Delivery.TargetID),
		zap.Int("attempt", o.Job.Delivery.Attempts),
		zap.Duration("took", o.Duration.Round(10*time.Microsecond)))...)
}

func (a *App) engineFault(msg string, err error) {
	a.log.Error(msg, zap.Error(err))
}

// deliveryMetrics counts what became of attempts.
type deliveryMetrics struct {
	attempts *prometheus.CounterVec
}

func newDeliveryMetrics(r prometheus.Registerer) *deliveryMetrics {
	m := &deliveryMetrics{attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_deliveries_total",
		Help: "Attempts at deliveries, by target and the state they left the delivery in.",
	}, []string{"target", "state"})}
	r.MustRegister(m.attempts)
	return m
}

func (m *deliveryMetrics) count(o relay.Observation) {
	m.attempts.WithLabelValues(o.Job.Delivery.TargetID, string(o.State)).Inc()
}
