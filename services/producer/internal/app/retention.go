package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
)

// startRetention begins to remove what has been kept for long enough.
func (a *App) startRetention(context.Context) error {
	removed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_removed_total",
		Help: "What retention has removed since the start: message, delivery, dedupe_key.",
	}, []string{"kind"})
	a.registry.MustRegister(removed)
	retention, err := relay.NewRetention(a.store, relay.RetentionConfig{
		Policy: a.cfg.Retention.Policy(),
		Observe: func(r relay.Removed) {
			removed.WithLabelValues("message").Add(float64(r.Messages))
			removed.WithLabelValues("dedupe_key").Add(float64(r.Keys))
			for _, n := range r.Deliveries {
				removed.WithLabelValues("delivery").Add(float64(n))
			}
		},
		Log: func(what string, err error) { a.log.Error("engine: "+what, zap.Error(err)) },
	})
	if err != nil {
		return err
	}
	retention.Start()
	a.later("stop the retention", func(context.Context) error { retention.Stop(); return nil })
	return nil
}
