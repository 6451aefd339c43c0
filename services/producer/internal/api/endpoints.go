package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
}

// endpointView is an endpoint as the API shows it.
type endpointView struct {
	ID             string    `json:"id" example:"ep_01jq…"`
	URL            string    `json:"url"`
	Events         []string  `json:"events"`
	Scheme         string    `json:"scheme"`
	Tenant         string    `json:"tenant"`
	Name           string    `json:"name"`
	Concurrency    int       `json:"concurrency" doc:"0: the default"`
	State          string    `json:"state" enum:"enabled,disabled"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	Declared       bool      `json:"declared" doc:"By the service's configuration"`
	CreatedAt      time.Time `json:"created_at"`
}

// createdEndpoint is the one answer that holds a secret.
type createdEndpoint struct {
	endpointView
	Secret    string `json:"secret" doc:"Shown this once"`
	PublicKey string `json:"public_key,omitempty" doc:"What the receiver verifies with, where the scheme has key pairs"`
}

// withSecret shows a new endpoint to whoever made it.
func withSecret(e endpoint.Endpoint, secret string) createdEndpoint {
	shown := createdEndpoint{endpointView: showEndpoint(e), Secret: secret}
	if public, err := signature.PublicKey(e.Scheme, secret); err == nil { // or else both ends share the secret
		shown.PublicKey = public
	}
	return shown
}

func showEndpoint(e endpoint.Endpoint) endpointView {
	state := "disabled"
	if e.Enabled {
		state = "enabled"
	}
	return endpointView{
		ID: e.ID, URL: e.URL, Events: e.Events, Scheme: e.Scheme, Tenant: e.Tenant, Name: e.Name, Concurrency: e.Concurrency,
		State: state, DisabledReason: e.DisabledReason, Declared: e.Declared, CreatedAt: e.CreatedAt,
	}
}

const (
	endpointsTag  = "Endpoints"
	endpointsPath = "/api/v1/endpoints"
)

func registerEndpoints(to huma.API, rooms Rooms) {
	registry := rooms.Endpoints
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath, "Create an endpoint", http.StatusCreated),
		func(ctx context.Context, in *body[endpointSpec]) (*body[createdEndpoint], error) {
			made, secret, err := registry.Create(ctx, in.Body.spec())
			if err != nil {
				return nil, problem(err)
			}
			return reply(withSecret(made, secret)), nil
		})
	huma.Register(to, operation(endpointsTag, http.MethodGet, endpointsPath, "List endpoints", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*body[list[endpointView]], error) {
			all, err := registry.List(ctx)
			if err != nil {
				return nil, problem(err)
			}
			return listOf(all, "", showEndpoint), nil
		})
	huma.Register(to, operation(endpointsTag, http.MethodGet, endpointsPath+"/{id}", "Show an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[endpointView], error) {
			return showOne(registry.Get(ctx, in.id()))
		})
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath+"/{id}/disable", "Disable an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[endpointView], error) {
			return showOne(registry.SetEnabled(ctx, in.id(), false, "disabled through the API"))
		})
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath+"/{id}/enable", "Enable an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *byID) (*body[endpointView], error) {
			return showOne(registry.SetEnabled(ctx, in.id(), true, ""))
		})
}

func (s endpointSpec) spec() endpoint.Spec {
	return endpoint.Spec{
		Name: s.Name, URL: s.URL, Events: s.Events, Scheme: s.Scheme, Secret: s.Secret, Tenant: s.Tenant, Concurrency: s.Concurrency,
	}
}

func showOne(e endpoint.Endpoint, err error) (*body[endpointView], error) {
	if err != nil {
		return nil, problem(err)
	}
	return reply(showEndpoint(e)), nil
}
