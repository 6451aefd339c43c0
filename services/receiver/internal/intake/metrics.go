package intake

import "github.com/prometheus/client_golang/prometheus"

// unknownLabel stands for every source that does not exist, so that senders cannot make metrics.
const unknownLabel = "unknown"

// Metrics counts what came in.
type Metrics struct {
	webhooks   *prometheus.CounterVec
	rejections *prometheus.CounterVec
}

// NewMetrics registers signet_webhooks_total{source,outcome} and signet_rejections_total{source,reason}.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_webhooks_total",
			Help: "Requests to a webhook path, by what became of them: accepted, duplicate, handshake, rejected, unavailable, error.",
		}, []string{"source", "outcome"}),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_rejections_total",
			Help: "Rejected requests, by the reason that senders are not told.",
		}, []string{"source", "reason"}),
	}
	r.MustRegister(m.webhooks, m.rejections)
	return m
}

func (m *Metrics) taken(source string, duplicate bool) {
	outcome := "accepted"
	if duplicate {
		outcome = "duplicate"
	}
	m.webhooks.WithLabelValues(source, outcome).Inc()
}

func (m *Metrics) greeted(source string) {
	m.webhooks.WithLabelValues(source, "handshake").Inc()
}

func (m *Metrics) refused(source, reason string) {
	m.webhooks.WithLabelValues(source, "rejected").Inc()
	m.rejections.WithLabelValues(source, reason).Inc()
}

func (m *Metrics) lost(source, outcome string) {
	m.webhooks.WithLabelValues(source, outcome).Inc()
}
