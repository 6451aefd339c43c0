// Package config reads the producer's settings from the environment.
//
// [Load] reads, checks and completes all of them and reports everything that is wrong at once, by variable. It
// opens nothing but the files that variables name, and changes nothing.
package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/demo"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/keyring"
)

// Config is every setting of the producer.
type Config struct {
	Addr          string           `env:"PRODUCER_ADDR" envDefault:":8080"`
	AdminAddr     string           `env:"PRODUCER_ADMIN_ADDR" envDefault:"127.0.0.1:8081"`
	APIToken      string           `env:"PRODUCER_API_TOKEN" secret:"true"` // empty: made once, in TokenFile
	DatabaseURL   string           `env:"PRODUCER_DATABASE_URL" envDefault:"sqlite:producer.db" secret:"true"`
	EncryptionKey keyring.Key      `env:"PRODUCER_ENCRYPTION_KEY" secret:"true"` // not given: made once, in KeyFile
	AllowPrivate  egress.AllowList `env:"PRODUCER_ALLOW_PRIVATE_TARGETS"`
	Schedule      relay.Schedule   `env:"PRODUCER_RETRY_SCHEDULE"` // empty: relay.DefaultSchedule
	Demo          bool             `env:"DEMO"`
	DemoRate      float64          `env:"DEMO_RATE" envDefault:"1"` // completed orders a second; 0: none
	LogLevel      string           `env:"LOG_LEVEL"`
	LogFormat     string           `env:"LOG_FORMAT"`

	Retention Retention

	EndpointURLs    string `env:"PRODUCER_ENDPOINTS" secret:"true"`
	EndpointsSecret string `env:"PRODUCER_ENDPOINTS_SECRET" secret:"true"`
	EndpointsFile   string `env:"PRODUCER_ENDPOINTS_FILE"`

	Endpoints []endpoint.Spec `env:"-"` // declared by the three above
	Unknown   []string        `env:"-"` // variables that look like ours and are not
}

// Load reads the settings from lines such as os.Environ gives. The error is a service.Faults.
func Load(environ []string) (Config, error) {
	env, faults := service.ReadEnvironment(environ, fileable)
	var c Config
	faults = append(faults, service.Parse(env, &c)...)
	c.Unknown = env.Unknown([]string{"PRODUCER_"}, c)
	faults = append(faults, c.check(faults)...)
	declared, more := c.declared()
	c.Endpoints = declared
	return c, append(faults, more...).Err()
}

// fileable lists what may stand in a file instead. PRODUCER_ENDPOINTS_FILE is a setting of its own.
func fileable(name string) bool {
	switch name {
	case "PRODUCER_API_TOKEN", "PRODUCER_DATABASE_URL", "PRODUCER_ENCRYPTION_KEY", "PRODUCER_ENDPOINTS_SECRET":
		return true
	default:
		return false
	}
}

// check finds what parsing cannot. What was found to be malformed before is not complained of again.
func (c *Config) check(before service.Faults) service.Faults {
	var faults service.Faults
	report := func(variable, problem string) {
		for _, known := range before {
			if known.Variable == variable {
				return
			}
		}
		if problem != "" {
			faults = append(faults, service.Fault{Variable: variable, Problem: problem})
		}
	}
	report("PRODUCER_ADDR", addrProblem(c.Addr))
	report("PRODUCER_ADMIN_ADDR", addrProblem(c.AdminAddr))
	report("PRODUCER_DATABASE_URL", c.databaseProblem())
	if c.shared() && c.APIToken == "" {
		report("PRODUCER_API_TOKEN", "is required with PostgreSQL; `openssl rand -hex 32` makes one")
	}
	if c.shared() && !c.EncryptionKey.Given() {
		report("PRODUCER_ENCRYPTION_KEY", "is required with PostgreSQL; `openssl rand -base64 32` makes one")
	}
	if strings.ContainsFunc(c.APIToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		report("PRODUCER_API_TOKEN", "must be printable ASCII without spaces, to fit into a header")
	}
	if math.IsNaN(c.DemoRate) || c.DemoRate < 0 || c.DemoRate > demo.MaxRate {
		report("DEMO_RATE", fmt.Sprintf("must be from 0 to %d orders a second", demo.MaxRate))
	}
	faults = append(faults, c.Retention.check(before)...)
	var wrong service.Faults
	if _, err := service.NewLogger(c.LogLevel, c.LogFormat, os.Stderr); errors.As(err, &wrong) {
		faults = append(faults, wrong...)
	}
	return faults
}

func addrProblem(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Sprintf("must be host:port or :port, not %q", addr)
	}
	return ""
}

// shared says that the database is PostgreSQL, which has no folder to keep a token and a key in.
func (c *Config) shared() bool {
	return strings.HasPrefix(c.DatabaseURL, "postgres://") || strings.HasPrefix(c.DatabaseURL, "postgresql://")
}

// databaseProblem never repeats the URL, which may hold a password.
func (c *Config) databaseProblem() string {
	path, found := strings.CutPrefix(c.DatabaseURL, "sqlite:")
	switch {
	case c.shared():
		if _, err := url.Parse(c.DatabaseURL); err != nil {
			return "is not a URL; a password with special characters has to be percent-encoded"
		}
	case !found || path == "" || strings.HasPrefix(path, ":memory:"):
		return "must be sqlite:PATH or postgres://…"
	}
	return ""
}

// TokenFile is where the API's token is kept when none is given: beside the database.
func (c *Config) TokenFile() string { return c.beside("producer-api-token") }

// KeyFile is where the encryption key is kept when none is given: beside the database.
func (c *Config) KeyFile() string { return c.beside("producer-encryption-key") }

func (c *Config) beside(name string) string {
	return filepath.Join(filepath.Dir(strings.TrimPrefix(c.DatabaseURL, "sqlite:")), name)
}
