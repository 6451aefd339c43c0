package app

import (
	"context"
	"errors"
	"fmt"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/adminapi"
	"example.com/signet/services/receiver/internal/books"
	"example.com/signet/services/receiver/internal/config"
	"example.com/signet/services/receiver/internal/intake"
)

func (a *App) openStore(ctx context.Context) error {
	store, err := relay.Open(ctx, relay.Config{
		URL:        a.cfg.DatabaseURL,
		Now:        a.options.Now,
		Migrations: []relay.Migrations{books.Migrations()},
	})
	if errors.Is(err, relay.ErrLocked) {
		return fmt.Errorf("%s is in use by another receiver; two need two databases (RECEIVER_DATABASE_URL): %w", a.cfg.DatabasePath(), err)
	}
	if err != nil {
		return fmt.Errorf("RECEIVER_DATABASE_URL: %w", err)
	}
	a.store = store
	return nil
}

func (a *App) registerHandlers(ctx context.Context) error {
	for _, target := range a.router.All() {
		if err := a.store.PutTarget(ctx, relay.Target{ID: target, Enabled: true}); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) findToken(context.Context) error {
	token, _, err := AdminToken(a.cfg)
	a.token = token
	return err
}

// AdminToken is the token that was set, or else the one in its file, which is made when there is none yet. file
// is empty when the token was set.
func AdminToken(cfg config.Config) (token, file string, err error) {
	if cfg.AdminToken != "" {
		return cfg.AdminToken, "", nil
	}
	token, _, err = service.LoadOrCreate(cfg.TokenFile(), 0o600, service.NewToken)
	return token, cfg.TokenFile(), err
}

func (a *App) openAdmin(context.Context) error {
	a.admin = service.NewServer(service.ServerOptions{Addr: a.cfg.AdminAddr, Log: a.log})
	a.registry = service.NewMetrics(a.admin.App)
	service.Profiles(a.admin.App, a.token)
	a.metrics = intake.NewMetrics(a.registry)
	a.deliveries = newDeliveryMetrics(a.registry)
	api := service.NewAPI(a.admin.App, "Signet receiver", a.options.Version, a.token)
	adminapi.Register(api, a.store, books.NewReader(a.store))
	if err := a.admin.Start(); err != nil {
		return fmt.Errorf("RECEIVER_ADMIN_ADDR: %w", err)
	}
	return nil
}

func (a *App) startDispatcher(context.Context) error {
	a.dispatcher = relay.NewDispatcher(a.store, relay.DispatcherConfig{
		Resolver: a.router,
		Observe:  a.observe,
		Log:      a.engineFault,
	})
	a.dispatcher.Start()
	return nil
}

func (a *App) openPublic(context.Context) error {
	in := intake.New(intake.Config{
		Sources: a.sources, Store: a.store, Router: a.router, Metrics: a.metrics,
		Log: a.log, Now: a.options.Now, PublicURL: a.cfg.PublicURL,
	})
	a.public = service.NewServer(service.ServerOptions{
		Addr: a.cfg.Addr, BodyLimit: a.sources.MaxBody(), Log: a.log, Errors: in.Errors,
	})
	service.Health(a.public.App, Name, a.options.Version, a.store.Ping)
	intake.Front(a.public.App, Name, a.options.Version, a.endpoints())
	in.Mount(a.public.App)
	if err := a.public.Start(); err != nil {
		return fmt.Errorf("RECEIVER_ADDR: %w", err)
	}
	return nil
}

// endpoints lists what GET / tells of. Sources other than the default one are not named to strangers.
func (a *App) endpoints() []string {
	return []string{"POST /webhook", "POST /webhook/{source}", "GET /health", "GET /livez", "GET /readyz"}
}
