package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/endpoint"
)

// endpointSpec is what a caller asks an endpoint to be; the registry checks it.
type endpointSpec struct {
	URL         string   `json:"url" doc:"http or https, without user info and fragment" example:"https://example.com/webhook"`
	Events      []string `json:"events,omitempty" doc:"Types, beginnings such as order.*, or * (the default)"`
	Scheme      string   `json:"scheme,omitempty" doc:"How deliveries are signed: standard (the default), or another scheme that can sign any JSON event"`
	Secret      string   `json:"secret,omitempty" doc:"What they are signed with; a strong one is made when this is left out"`
	Tenant      string   `json:"tenant,omitempty" doc:"Only this tenant's events go here"`
	Name        string   `json:"name,omitempty" doc:"For people"`
	Concurrency int      `json:"concurrency,omitempty" doc:"Attempts at once, at most 1024; 0: the default of 32"`
	RateLimit   float64  `json:"rate_limit,omitempty" doc:"Attempts a second, from each running producer: 0.001 to 100000; 0: no limit"`
}

// EndpointView is an endpoint as the API shows it. It is exported for huma to see it embedded.
type EndpointView struct {
	ID             string    `json:"id" example:"ep_01jq…"`
	URL            string    `json:"url"`
	Events         []string  `json:"events"`
	Scheme         string    `json:"scheme"`
	Tenant         string    `json:"tenant"`
	Name           string    `json:"name"`
	Concurrency    int       `json:"concurrency" doc:"0: the default"`
	RateLimit      float64   `json:"rate_limit" doc:"Attempts a second; 0: no limit"`
	State          string    `json:"state" enum:"enabled,disabled"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	Breaker        *breaker  `json:"breaker,omitempty" doc:"What this producer makes of the last attempts; left out while it is not known"`
	Declared       bool      `json:"declared" doc:"By the service's configuration"`
	CreatedAt      time.Time `json:"created_at"`
}

// breaker holds attempts back while they fail.
type breaker struct {
	State string     `json:"state" enum:"closed,open,half_open" doc:"open: attempts fail, so none is made for a while; half_open: one is made, to find out"`
	Until *time.Time `json:"until,omitempty" doc:"When an open one is tried again"`
}

// createdEndpoint is the one answer that holds a secret.
type createdEndpoint struct {
	EndpointView
	Secret    string `json:"secret" doc:"Shown this once"`
	PublicKey string `json:"public_key,omitempty" doc:"What the receiver verifies with, where the scheme has key pairs"`
}

// withSecret shows a new endpoint to whoever made it.
func withSecret(e endpoint.Endpoint, secret string) createdEndpoint {
	shown := createdEndpoint{EndpointView: showEndpoint(e), Secret: secret}
	if public, err := signature.PublicKey(e.Scheme, secret); err == nil { // or else both ends share the secret
		shown.PublicKey = public
	}
	return shown
}

func showEndpoint(e endpoint.Endpoint) EndpointView {
	state := "disabled"
	if e.Enabled {
		state = "enabled"
	}
	return EndpointView{
		ID: e.ID, URL: e.URL, Events: e.Events, Scheme: e.Scheme, Tenant: e.Tenant, Name: e.Name, Concurrency: e.Concurrency,
		RateLimit: e.RateLimit, State: state, DisabledReason: e.DisabledReason, Declared: e.Declared, CreatedAt: e.CreatedAt,
	}
}

// endpointViews shows endpoints with what is known of their breakers.
type endpointViews struct {
	breakerOf func(id string) (relay.BreakerStatus, bool)
}

func (v endpointViews) show(e endpoint.Endpoint) EndpointView {
	shown := showEndpoint(e)
	if now, known := v.breakerOf(e.ID); known {
		shown.Breaker = &breaker{State: string(now.State)}
		if !now.Until.IsZero() {
			until := now.Until.UTC().Truncate(time.Millisecond)
			shown.Breaker.Until = &until
		}
	}
	return shown
}

const (
	endpointsTag  = "Endpoints"
	endpointsPath = "/api/v1/endpoints"
)

func registerEndpoints(to huma.API, rooms Rooms) {
	registry, views := rooms.Endpoints, endpointViews{rooms.Breaker}
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath, "Create an endpoint", http.StatusCreated),
		func(ctx context.Context, in *body[endpointSpec]) (*body[createdEndpoint], error) {
			made, secret, err := registry.Create(ctx, in.Body.spec())
			if err != nil {
				return nil, problem(err)
			}
			return reply(withSecret(made, secret)), nil
		})
	huma.Register(to, operation(endpointsTag, http.MethodGet, endpointsPath, "List endpoints", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*body[list[EndpointView]], error) {
			all, err := registry.List(ctx)
			if err != nil {
				return nil, problem(err)
			}
			return listOf(all, "", views.show), nil
		})
	huma.Register(to, operation(endpointsTag, http.MethodGet, endpointsPath+"/{id}", "Show an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[EndpointView], error) {
			return views.showOne(registry.Get(ctx, in.id()))
		})
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath+"/{id}/disable", "Disable an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[EndpointView], error) {
			return views.showOne(registry.SetEnabled(ctx, in.id(), false, "disabled through the API"))
		})
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath+"/{id}/enable", "Enable an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[EndpointView], error) {
			return views.showOne(registry.SetEnabled(ctx, in.id(), true, ""))
		})
}

func (s endpointSpec) spec() endpoint.Spec {
	return endpoint.Spec{
		Name: s.Name, URL: s.URL, Events: s.Events, Scheme: s.Scheme, Secret: s.Secret, Tenant: s.Tenant, Concurrency: s.Concurrency,
		RateLimit: s.RateLimit,
	}
}

func (v endpointViews) showOne(e endpoint.Endpoint, err error) (*body[EndpointView], error) {
	if err != nil {
		return nil, problem(err)
	}
	return reply(v.show(e)), nil
}
