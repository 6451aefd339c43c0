// Package app puts the receiver together and runs it: the store, the handlers' dispatcher, the public and the
// admin side, in the order in which each needs the one before, and stops them in the reverse order.
//
// Use New, Start, Addr and Stop in tests (with port 0), and Run in a program.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/config"
	"example.com/signet/services/receiver/internal/handler"
	"example.com/signet/services/receiver/internal/intake"
	"example.com/signet/services/receiver/internal/source"
)

// Name is what the service calls itself.
const Name = "signet-receiver"

// When each part must have stopped, from the beginning of the stop: container runtimes kill after 10 s.
const (
	publicBy   = 3 * time.Second
	dispatchBy = 8 * time.Second
	adminBy    = 9 * time.Second
)

// Options are what an app needs besides its configuration.
type Options struct {
	Version string
	Log     *zap.Logger      // nil: silent
	Now     func() time.Time // nil: time.Now
}

// App is one receiver.
type App struct {
	cfg     config.Config
	options Options
	log     *zap.Logger

	sources    *source.Set
	router     *handler.Router
	store      *relay.Store
	token      string
	admin      *service.Server
	public     *service.Server
	metrics    *intake.Metrics
	deliveries *deliveryMetrics
	dispatcher *relay.Dispatcher
	retention  *relay.Retention
	registry   prometheus.Registerer
}

// New checks what can be checked without opening anything.
func New(cfg config.Config, options Options) (*App, error) {
	if options.Log == nil {
		options.Log = zap.NewNop()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	sources, err := source.NewSet(cfg.Sources)
	if err != nil {
		return nil, err
	}
	router, err := handler.NewRouter(handler.All())
	if err != nil {
		return nil, err
	}
	return &App{cfg: cfg, options: options, log: options.Log, sources: sources, router: router}, nil
}

// Start opens everything and returns when requests are taken. After an error nothing is left open.
func (a *App) Start(ctx context.Context) error {
	a.warn()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"open the database", a.openStore},
		{"register the handlers", a.registerHandlers},
		{"find the admin token", a.findToken},
		{"open the admin side", a.openAdmin},
		{"start the dispatcher", a.startDispatcher},
		{"start the retention", a.startRetention},
		{"open the public side", a.openPublic},
	} {
		if err := step.run(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", step.name, err), a.Stop(context.WithoutCancel(ctx)))
		}
	}
	a.announce()
	return nil
}

// Addr is the address of the public side, with the port it was given.
func (a *App) Addr() string { return a.public.Addr() }

// AdminAddr is the address of the admin side, with the port it was given.
func (a *App) AdminAddr() string { return a.admin.Addr() }

// AdminToken is the bearer token of the admin side.
func (a *App) AdminToken() string { return a.token }

// Stop takes no more requests, lets what is running finish or gives its lease back, and closes the database.
// It takes at most 10 s, and less when ctx ends before.
func (a *App) Stop(ctx context.Context) error {
	began := time.Now()
	var errs []error
	step := func(by time.Duration, stop func(context.Context) error) {
		ctx, cancel := context.WithDeadline(ctx, began.Add(by))
		defer cancel()
		errs = append(errs, stop(ctx))
	}
	if a.public != nil {
		step(publicBy, a.public.Stop)
	}
	if a.dispatcher != nil {
		step(dispatchBy, a.dispatcher.Stop)
	}
	if a.admin != nil {
		step(adminBy, a.admin.Stop)
	}
	if a.retention != nil {
		a.retention.Stop()
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// Run starts the app and stops it when ctx ends, or when one of its listeners fails.
func (a *App) Run(ctx context.Context) error {
	defer service.TuneMemory()()
	if err := a.Start(ctx); err != nil {
		return err
	}
	var failure error
	select {
	case <-ctx.Done():
		a.log.Info("stopping")
	case failure = <-a.public.Failed():
	case failure = <-a.admin.Failed():
	}
	err := errors.Join(failure, a.Stop(context.WithoutCancel(ctx)))
	if err == nil {
		a.log.Info("stopped")
	}
	return err
}
