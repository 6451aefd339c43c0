package app_test

import (
	"net/http"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/signet/pkg/relay/relaytest"
	"example.com/signet/services/producer/internal/endpoint"
)

// TestApp_replicasHearOfEndpoints: two producers on one PostgreSQL. What is published at the one goes to an endpoint that
// was made at the other, and is kept while that is disabled there.
func TestApp_replicasHearOfEndpoints(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"notified": "", "polled": "&listen=off"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t)
			cfg.DatabaseURL = relaytest.Postgres(t) + options
			if err := cfg.EncryptionKey.UnmarshalText([]byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")); err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.ErrorLevel)
			one, two := startLogged(t, cfg, zap.New(core)), startLogged(t, cfg, zap.New(core))
			to := newSink(t, nil)
			event := map[string]any{"type": "order.created", "data": map[string]any{}}
			made := one.endpoint(map[string]any{"url": to.URL, "events": []string{"order.*"}})
			var first eventAnswer
			two.eventually("what is published at the other has somewhere to go", func() bool {
				first = two.publish(event)
				return first.Deliveries == 1
			}, func() any { return first })
			one.settled(first.ID, "delivered")

			two.must(http.StatusOK, "POST", "/api/v1/endpoints/"+made.ID+"/disable", nil, nil)
			kept := one.publish(event)
			if got := one.settled(kept.ID, "paused"); got.Attempts != 0 {
				t.Errorf("attempted although it is disabled: %+v", got)
			}
			two.must(http.StatusOK, "POST", "/api/v1/endpoints/"+made.ID+"/enable", nil, nil)
			two.settled(kept.ID, "delivered")

			elsewhere := newSink(t, nil)
			declared := endpoint.Spec{Name: "shop", URL: to.URL, Events: []string{"user.*"}, Secret: "a secret of this test's own"}
			for _, url := range []string{to.URL, elsewhere.URL} { // a third one declares an endpoint, and then declares it anew
				declared.URL = url
				cfg.Endpoints = []endpoint.Spec{declared}
				startLogged(t, cfg, zap.New(core)).end()
			}
			one.eventually("what is published goes where it was last declared to go", func() bool {
				one.publish(map[string]any{"type": "user.created", "data": map[string]any{}})
				return len(elsewhere.requests()) > 0
			}, func() any { return len(elsewhere.requests()) })
			if n := logs.Len(); n > 0 {
				t.Errorf("%d errors were logged: %+v", n, logs.All())
			}
		})
	}
}
