// Package endpoint knows where events go: the endpoints, what each wants to be told, and its secret.
//
// A [Registry] keeps them in the service's own table and, in the same transaction, as targets of the delivery
// engine, which owns whether they are enabled. Everything a delivery needs is also held in memory, refreshed
// with every change: publishing and delivering read no table. Endpoints come from the API, or from the
// configuration, which owns those it declares by their names.
//
// It neither sends nor decides when to; secrets leave it only inside a signer, and once when they are made.
package endpoint

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"net/url"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

// ErrNotFound says that no endpoint has that id.
var ErrNotFound = errors.New("endpoint not found")

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the endpoints' table, for relay.Config.
func Migrations() (relay.Migrations, error) {
	files, err := fs.Sub(migrations, "migrations")
	return relay.Migrations{Name: "endpoint", Files: files}, err
}

// Endpoint is somewhere events go, as people see it.
type Endpoint struct {
	ID             string
	Name           string
	Declared       bool // by the configuration
	URL            string
	Events         []string
	Scheme         string
	Tenant         string
	Concurrency    int
	RateLimit      float64 // attempts a second; 0: no limit
	Enabled        bool
	DisabledReason string
	CreatedAt      time.Time
}

// Live is what a delivery needs of an endpoint.
type Live struct {
	ID     string
	Name   string
	URL    string
	Scheme string
	Tenant string
	Signer *signature.Signer

	events []string
}

// Label is what logs call the endpoint: its name, or else its host.
func (l Live) Label() string {
	if l.Name != "" {
		return l.Name
	}
	if u, err := url.Parse(l.URL); err == nil {
		return u.Host
	}
	return l.ID
}

func (l *Live) wants(eventType string) bool {
	for _, pattern := range l.events {
		if webhook.Match(pattern, eventType) {
			return true
		}
	}
	return false
}

// Store is what the registry needs of the engine's store.
type Store interface {
	AppendTx(ctx context.Context, f func(ctx context.Context, tx *relay.OutboxTx) error) error
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	SetTarget(ctx context.Context, id string, enabled bool, reason string) error
	Targets(ctx context.Context) ([]relay.Target, error)
	Target(ctx context.Context, id string) (relay.Target, error)
}

// Vault keeps secrets unreadable in the table.
type Vault interface {
	Seal(value, owner string) []byte
	Open(sealed []byte, owner string) (string, error)
}
