// Package config reads the receiver's settings from the environment, whole: what is wrong is reported all at
// once, by the name of the variable, before anything has started.
//
// Sources have no fixed variables: they are found by the endings of names (see sources.go). Values of secrets
// never stand in an error.
package config

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/source"
)

// Bounds and defaults of body sizes, in bytes.
const (
	defaultMaxBody = 1 << 20
	mostMaxBody    = 256 << 20
)

// maxTolerance is the longest time a captured request may stay good for.
const maxTolerance = 24 * time.Hour

// tokenFile is the admin token's name in the folder of the database.
const tokenFile = "receiver-admin-token"

// Config is everything the receiver can be told.
type Config struct {
	Addr          string        `env:"RECEIVER_ADDR" envDefault:":8000"`
	AdminAddr     string        `env:"RECEIVER_ADMIN_ADDR" envDefault:"127.0.0.1:8001"`
	AdminToken    string        `env:"RECEIVER_ADMIN_TOKEN" secret:"true"` // empty: the one in TokenFile
	DatabaseURL   string        `env:"RECEIVER_DATABASE_URL" envDefault:"sqlite:receiver.db" secret:"true"`
	PublicURL     string        `env:"RECEIVER_PUBLIC_URL"` // without a slash at its end; empty: unknown
	MaxBody       service.Size  `env:"RECEIVER_MAX_BODY"`   // bytes; 0: each source's own
	Tolerance     time.Duration `env:"RECEIVER_TOLERANCE"`  // 0: each scheme's own
	AllowUnsigned bool          `env:"WEBHOOK_ALLOW_UNSIGNED"`
	LogLevel      string        `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat     string        `env:"LOG_FORMAT"`

	Retention Retention

	Sources []source.Spec // the default one first, then by name
	Unknown []string      // variables that look like ours and are not
}

// Load reads the settings from lines such as os.Environ gives. The error lists every fault, one a line.
func Load(environ []string) (Config, error) {
	env, faults := service.ReadEnvironment(environ, fileable)
	var cfg Config
	faults = append(faults, service.Parse(env, &cfg)...)
	faults = append(faults, cfg.Retention.check(faults)...)
	sources, sourceFaults := readSources(env, &cfg)
	cfg.Sources = sources
	faults = append(append(faults, cfg.check(env)...), sourceFaults...)
	faults = append(faults, cfg.checkPublicURL()...)
	cfg.Unknown = append(env.Unknown([]string{"RECEIVER_", "WEBHOOK_"}, &cfg, append(secretVariables(""), schemeSuffix, defaultGuard)...),
		strays(env, sources)...)
	return cfg, once(faults).Err()
}

// Address reads only where the public side listens, for the health check.
func Address(environ []string) (string, error) {
	env, _ := service.ReadEnvironment(environ, func(string) bool { return false })
	var only struct {
		Addr string `env:"RECEIVER_ADDR" envDefault:":8000"`
	}
	return only.Addr, service.Parse(env, &only).Err()
}

// DatabasePath is the SQLite database's file.
func (c Config) DatabasePath() string { return strings.TrimPrefix(c.DatabaseURL, "sqlite:") }

// Shared says that the database is PostgreSQL, which has no folder to keep a token in and may have several receivers.
func (c Config) Shared() bool {
	return strings.HasPrefix(c.DatabaseURL, "postgres://") || strings.HasPrefix(c.DatabaseURL, "postgresql://")
}

// DatabaseName is the database as a log may show it: without user, password and settings.
func (c Config) DatabaseName() string {
	if !c.Shared() {
		return c.DatabasePath()
	}
	u, err := url.Parse(c.DatabaseURL)
	if err != nil {
		return "PostgreSQL"
	}
	return "postgres://" + u.Host + u.Path
}

// TokenFile is where the admin token is kept when none is set: beside the database, so that it is as private
// and lives as long.
func (c Config) TokenFile() string { return filepath.Join(filepath.Dir(c.DatabasePath()), tokenFile) }

// fileable says which variables may be given as a file: secrets and URLs.
func fileable(name string) bool {
	switch name {
	case "RECEIVER_ADMIN_TOKEN", "RECEIVER_DATABASE_URL", "RECEIVER_PUBLIC_URL":
		return true
	}
	_, _, ok := secretName(name)
	return ok
}

// forwards says whether a variable asks for events to be forwarded.
func forwards(variable string) bool {
	name := strings.TrimSuffix(variable, "_FILE")
	return name == "FORWARD_URL" || name == "FORWARD_SECRET" || strings.HasSuffix(name, "_FORWARD_URL")
}

func (c *Config) check(env service.Environment) service.Faults {
	var faults service.Faults
	add := func(variable, problem string) {
		faults = append(faults, service.Fault{Variable: variable, Problem: problem})
	}
	for _, variable := range slices.Sorted(maps.Keys(env)) {
		if forwards(variable) { // ignored, it would look like events that were lost
			add(variable, "is not supported by this version, which forwards nothing")
		}
	}
	if _, set := env["RECEIVER_TOLERANCE"]; set && (c.Tolerance <= 0 || c.Tolerance > maxTolerance) {
		add("RECEIVER_TOLERANCE", "must be a duration above 0 and at most 24h, such as 5m")
	}
	if c.MaxBody > mostMaxBody {
		add("RECEIVER_MAX_BODY", "must be at most 256MiB")
	}
	if problem := c.databaseProblem(); problem != "" {
		add("RECEIVER_DATABASE_URL", problem)
	}
	if c.Shared() && c.AdminToken == "" {
		add("RECEIVER_ADMIN_TOKEN", "is required with PostgreSQL; `openssl rand -hex 32` makes one")
	}
	public, problem := publicURL(c.PublicURL)
	if problem != "" {
		add("RECEIVER_PUBLIC_URL", problem)
	}
	c.PublicURL = public
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		add("LOG_LEVEL", fmt.Sprintf("must be debug, info, warn or error, not %q", c.LogLevel))
	}
	if !slices.Contains([]string{"", "console", "json"}, c.LogFormat) {
		add("LOG_FORMAT", fmt.Sprintf("must be console or json, not %q", c.LogFormat))
	}
	return append(faults, c.checkAddresses()...)
}

// databaseProblem never repeats the URL, which may hold a password.
func (c Config) databaseProblem() string {
	if c.Shared() {
		if _, err := url.Parse(c.DatabaseURL); err != nil {
			return "is not a URL; a password with special characters has to be percent-encoded"
		}
		return ""
	}
	path, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return "must be sqlite: and a file's path, such as sqlite:receiver.db, or postgres:// and a server"
	}
	return ""
}

// once drops the second fault about a variable: the first says why it could not be read at all.
func once(faults service.Faults) service.Faults {
	seen := map[string]bool{}
	return slices.DeleteFunc(faults, func(f service.Fault) bool {
		again := seen[f.Variable]
		seen[f.Variable] = true
		return again
	})
}
