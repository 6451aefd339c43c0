// Package app puts the producer together: it opens the rooms in order, starts what runs, and stops it in the
// reverse order.
//
// It decides nothing itself; what the parts do is theirs.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/config"
	"example.com/signet/services/producer/internal/deliver"
	"example.com/signet/services/producer/internal/demo"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/http1"
	"example.com/signet/services/producer/internal/keyring"
	"example.com/signet/services/producer/internal/ledger"
	"example.com/signet/services/producer/internal/publish"
	"example.com/signet/services/producer/internal/trouble"
)

const (
	name  = "signet-producer"
	title = "Signet producer"

	// outboxTimeout bounds one publication's transaction. Only this service's own code runs in it, and a batch
	// of a thousand events for many endpoints is allowed its time.
	outboxTimeout = 5 * time.Second
	// lease is how long an attempt may be under way before it counts as lost.
	lease = 4 * webhook.DefaultTimeout
	// patience is how long attempts under way have at the end.
	patience = 8 * time.Second
)

// App is the running producer.
type App struct {
	cfg     config.Config
	version string
	log     *zap.Logger

	store      *relay.Store
	endpoints  *endpoint.Registry
	publisher  *publish.Publisher
	dispatcher *relay.Dispatcher
	reporter   *trouble.Reporter
	transport  *http1.Transport
	shop       *demo.Shop // nil without the demo
	generator  *demo.Generator
	public     *service.Server
	admin      *service.Server
	registry   prometheus.Registerer

	cleanups []cleanup
}

// cleanup undoes one step of starting.
type cleanup struct {
	what string
	do   func(context.Context) error
}

// New makes a producer that [App.Start] starts. version is what it says it is.
func New(cfg config.Config, version string, log *zap.Logger) *App {
	return &App{cfg: cfg, version: version, log: log}
}

// Start opens everything and begins to serve and deliver. When it fails, what it had opened is closed again.
func (a *App) Start(ctx context.Context) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"open the store", a.openStore},
		{"open the endpoints", a.openEndpoints},
		{"start delivering", a.startDelivering},
		{"start the demo", a.startDemo},
		{"serve the admin port", a.serveAdmin},
		{"start the retention", a.startRetention},
		{"serve the API", a.serveAPI},
	} {
		if err := step.do(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", step.what, err), a.Stop(ctx))
		}
	}
	a.welcome()
	return nil
}

// Stop ends everything in the reverse order: no new requests, no new demo events, attempts under way (for up to
// eight seconds), then the store. It is done once ctx ends at the latest, apart from the commit that is under way.
func (a *App) Stop(ctx context.Context) error {
	var errs []error
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		if err := a.cleanups[i].do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.cleanups[i].what, err))
		}
	}
	a.cleanups = nil
	return errors.Join(errs...)
}

// Addr is where the API is served.
func (a *App) Addr() string { return a.public.Addr() }

// AdminAddr is where metrics and health are served for operators.
func (a *App) AdminAddr() string { return a.admin.Addr() }

// Failed yields the error that ended one of the listeners, if anything but Stop does.
func (a *App) Failed(ctx context.Context) error {
	select {
	case err := <-a.public.Failed():
		return err
	case err := <-a.admin.Failed():
		return err
	case <-ctx.Done():
		return nil
	}
}

func (a *App) later(what string, do func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{what, do})
}

func (a *App) openStore(ctx context.Context) error {
	var tables []relay.Migrations
	for _, of := range []func() (relay.Migrations, error){
		keyring.Migrations, endpoint.Migrations, ledger.Migrations, demo.Migrations,
	} {
		m, err := of()
		if err != nil {
			return err
		}
		tables = append(tables, m)
	}
	store, err := relay.Open(ctx, relay.Config{
		URL: a.cfg.DatabaseURL, Schedule: a.cfg.Schedule, Migrations: tables, EffectTimeout: outboxTimeout, Lease: lease,
		DisableAfter: a.cfg.DisableAfter,
		Note:         func(what string, err error) { a.log.Debug("engine: "+what, zap.Error(err)) },
	})
	if errors.Is(err, relay.ErrLocked) {
		return fmt.Errorf("two producers need two databases (PRODUCER_DATABASE_URL): %w", err)
	}
	if err != nil {
		return fmt.Errorf("PRODUCER_DATABASE_URL: %w", err)
	}
	a.store = store
	a.later("close the store", func(context.Context) error { return store.Close() })
	if n := store.Recovered(); n > 0 {
		a.log.Info("leases taken back", zap.Int("count", n))
	}
	return nil
}

func (a *App) openEndpoints(ctx context.Context) error {
	ring, created, err := keyring.Open(ctx, a.store, a.cfg.EncryptionKey, a.cfg.KeyFile())
	if err != nil {
		return err
	}
	if created {
		a.log.Warn("made an encryption key; without it the endpoints' secrets are lost, so keep a copy elsewhere",
			zap.String("file", a.cfg.KeyFile()))
	}
	guard := egress.NewGuard(a.cfg.AllowPrivate)
	if a.endpoints, err = endpoint.NewRegistry(ctx, a.store, ring, guard, nil); err != nil {
		return err
	}
	a.transport = http1.New(guard.Transport())
	a.publisher = publish.New(a.store, a.endpoints, nil)
	if err := a.endpoints.Declare(ctx, a.cfg.Endpoints); err != nil {
		return err
	}
	for _, spec := range a.cfg.Endpoints {
		a.log.Info("endpoint declared", zap.String("name", spec.Name), zap.String("url", webhook.Redact(spec.URL)))
	}
	return nil
}

func (a *App) startDelivering(context.Context) error {
	sender := webhook.NewSender(&http.Client{Transport: a.transport}, "Signet/"+a.version)
	a.reporter = trouble.New(a.endpoints, a.publisher, a.log)
	deliverer := deliver.New(a.endpoints, sender, nil)
	a.dispatcher = relay.NewDispatcher(a.store, relay.DispatcherConfig{
		Resolver: deliverer,
		Refresh:  a.endpoints.Refresh,
		Observe:  deliver.NewStory(a.endpoints, a.log).Observe,
		Log:      func(what string, err error) { a.log.Error("engine: "+what, zap.Error(err)) },

		TargetChanged: a.reporter.Report,
		Announce:      a.reporter.Announce,
	})
	a.endpoints.OnChange(a.dispatcher.Wake)
	a.dispatcher.Start()
	a.later("stop delivering", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		defer a.transport.CloseIdleConnections()
		if err := a.dispatcher.Stop(ctx); err != nil {
			a.log.Info("attempts were interrupted; they are made again at the next start")
		}
		return nil
	})
	return nil
}

func (a *App) startDemo(context.Context) error {
	if !a.cfg.Demo {
		return nil
	}
	a.shop = demo.NewShop(a.publisher, a.store, nil)
	a.generator = demo.NewGenerator(a.shop, a.cfg.DemoRate, a.log)
	return nil
}
