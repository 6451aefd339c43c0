package app

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/zap"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/api"
	"example.com/signet/services/producer/internal/config"
	"example.com/signet/services/producer/internal/ledger"
)

// serveAdmin opens the operators' port: health, metrics and profiles.
func (a *App) serveAdmin(context.Context) error {
	a.admin = service.NewServer(service.ServerOptions{Addr: a.cfg.AdminAddr, Log: a.log})
	service.Health(a.admin.App, name, a.version, a.store.Ping)
	token, err := Token(a.cfg)
	if err != nil {
		return err
	}
	a.registry = service.NewMetrics(a.admin.App)
	service.Profiles(a.admin.App, token)
	if err := a.admin.Start(); err != nil {
		return fmt.Errorf("PRODUCER_ADMIN_ADDR: %w", err)
	}
	a.later("close the admin port", a.admin.Stop)
	return nil
}

// serveAPI opens the publishers' port, and then lets the demo publish too.
func (a *App) serveAPI(context.Context) error {
	token, err := Token(a.cfg)
	if err != nil {
		return err
	}
	a.public = service.NewServer(service.ServerOptions{Addr: a.cfg.Addr, BodyLimit: api.MaxBody, Log: a.log})
	service.Health(a.public.App, name, a.version, a.store.Ping)
	a.public.App.Get("/", a.index)
	typed := service.NewAPI(a.public.App, title, a.version, token)
	api.Register(typed, api.Rooms{
		Engine: a.store, Publisher: a.publisher, Endpoints: a.endpoints, Shop: a.shop,
		Books: func(ctx context.Context) (ledger.Books, error) { return ledger.Read(ctx, a.store) },
	})
	if err := a.public.Start(); err != nil {
		return fmt.Errorf("PRODUCER_ADDR: %w", err)
	}
	if a.generator != nil {
		a.generator.Start()
		a.later("stop the demo", func(context.Context) error { a.generator.Stop(); return nil })
	}
	a.later("close the API", a.public.Stop)
	return nil
}

// Token is the API's bearer token: the configured one, or else the one in the file beside the database, which
// is made when it is absent.
func Token(cfg config.Config) (string, error) {
	if cfg.APIToken != "" {
		return cfg.APIToken, nil
	}
	token, _, err := service.LoadOrCreate(cfg.TokenFile(), 0o600, service.NewToken)
	return token, err
}

// page is what a browser gets at /.
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Signet producer</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}code{background:#8882;padding:.1em .3em}</style>
<h1>Signet producer %s</h1>
<p>Publishes events and delivers them as signed webhooks until they arrive.</p>
<ul>
<li><code>POST /api/v1/events</code> publishes an event; it needs the bearer token that <code>producer token</code> prints.</li>
<li><a href="/api/openapi.json">/api/openapi.json</a> describes the whole API.</li>
<li><a href="/health">/health</a> says how it is.</li>
</ul></html>
`

// index tells what this is, to programs and to people.
func (a *App) index(c *fiber.Ctx) error {
	if strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) {
		c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
		return c.Type("html", "utf-8").SendString(fmt.Sprintf(page, a.version))
	}
	endpoints := []string{
		"POST /api/v1/events", "POST /api/v1/events/batch", "/api/v1/endpoints", "/api/v1/deliveries", "/api/v1/stats",
		"/api/openapi.json", "/health", "/livez", "/readyz",
	}
	if a.shop != nil {
		endpoints = append(endpoints, "POST /demo/users", "/demo/orders")
	}
	return c.JSON(fiber.Map{"name": name, "version": a.version, "endpoints": endpoints})
}

// welcome tells a person where to go.
func (a *App) welcome() {
	if len(a.cfg.Unknown) > 0 {
		a.log.Warn("unknown variables, perhaps misspelt", zap.Strings("variables", a.cfg.Unknown))
	}
	if a.cfg.APIToken == "" {
		a.log.Info("the API token is printed by `producer token`", zap.String("file", a.cfg.TokenFile()))
	}
	a.log.Info("producer ready",
		zap.String("version", a.version),
		zap.String("api", visit(a.Addr())+"/api/openapi.json"),
		zap.String("metrics", visit(a.AdminAddr())+"/metrics"),
		zap.Bool("demo", a.cfg.Demo))
}

// visit is the URL of an address, as one opens it on this machine.
func visit(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
