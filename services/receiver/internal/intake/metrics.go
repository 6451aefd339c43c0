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

// tally counts what is taken from one source. It is looked up once, because labels are slow to look up, and is there
// with zeros before the first webhook, so that a rate over it sees that one.
type tally struct {
	accepted, duplicate prometheus.Counter
}

func (m *Metrics) tally(source string) tally {
	return tally{m.webhooks.WithLabelValues(source, "accepted"), m.webhooks.WithLabelValues(source, "duplicate")}
}

func (t tally) taken(duplicate bool) {
	if duplicate {
		t.duplicate.Inc()
	} else {
		t.accepted.Inc()
	}
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
