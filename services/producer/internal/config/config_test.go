package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/config"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestLoad_defaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":8080" || c.AdminAddr != "127.0.0.1:8081" || c.DatabaseURL != "sqlite:producer.db" || c.Demo || c.DemoRate != 1 ||
		len(c.Schedule) != 0 || c.EncryptionKey.Given() || len(c.Endpoints) != 0 || len(c.Unknown) != 0 {
		t.Errorf("%+v", c)
	}
	if c.TokenFile() != "producer-api-token" || c.KeyFile() != "producer-encryption-key" {
		t.Errorf("%s, %s", c.TokenFile(), c.KeyFile())
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	file := write(t, "secret", secret+"\n")
	c, err := config.Load([]string{
		"PRODUCER_ADDR=:1", "PRODUCER_DATABASE_URL=sqlite:/data/p.db", "PRODUCER_RETRY_SCHEDULE=0s,1s", "DEMO=true", "DEMO_RATE=0.5",
		"PRODUCER_ALLOW_PRIVATE_TARGETS=receiver:8000", "PRODUCER_API_TOKEN_FILE=" + write(t, "token", "tok"),
		"PRODUCER_ENDPOINTS=http://receiver:8000/webhook https://example.com/?key=hunter2", "PRODUCER_ENDPOINTS_SECRET_FILE=" + file,
		"PRODUCER_ADR=:2", "OTHER=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":1" || len(c.Schedule) != 2 || !c.Demo || c.DemoRate != 0.5 || c.APIToken != "tok" || c.TokenFile() != "/data/producer-api-token" {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(c.Unknown, []string{"PRODUCER_ADR"}) {
		t.Errorf("unknown: %q", c.Unknown)
	}
	if len(c.Endpoints) != 2 || c.Endpoints[0].Name != "receiver:8000/webhook" || c.Endpoints[0].Secret != secret ||
		strings.Contains(c.Endpoints[1].Name, "hunter2") || !strings.HasPrefix(c.Endpoints[1].Name, "example.com?") {
		t.Errorf("endpoints: %+v", c.Endpoints)
	}
}

func TestLoad_everyFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{
		"PRODUCER_ADDR=8080", "PRODUCER_ADMIN_ADDR=x", "PRODUCER_DATABASE_URL=postgres://u:hunter2@h:x/db",
		"PRODUCER_ENCRYPTION_KEY=hunter2", "PRODUCER_ALLOW_PRIVATE_TARGETS=receiver", "PRODUCER_RETRY_SCHEDULE=soon",
		"DEMO=perhaps", "DEMO_RATE=-1", "LOG_LEVEL=loud", "LOG_FORMAT=xml", "PRODUCER_ENDPOINTS=https://example.com",
		"PRODUCER_API_TOKEN=hunter2 hunter2", "PRODUCER_ENDPOINTS_FILE=/nowhere",
		"PRODUCER_RETENTION=48h", "PRODUCER_RETENTION_FAILED=soon", "PRODUCER_DEDUPE_WINDOW=24h",
	})
	var faults service.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v", err)
	}
	var named []string
	for _, f := range faults {
		named = append(named, f.Variable)
	}
	slices.Sort(named)
	want := []string{
		"DEMO", "DEMO_RATE", "LOG_FORMAT", "LOG_LEVEL", "PRODUCER_ADDR", "PRODUCER_ADMIN_ADDR", "PRODUCER_ALLOW_PRIVATE_TARGETS",
		"PRODUCER_API_TOKEN", "PRODUCER_DATABASE_URL", "PRODUCER_DEDUPE_WINDOW", "PRODUCER_ENCRYPTION_KEY", "PRODUCER_ENDPOINTS_FILE",
		"PRODUCER_ENDPOINTS_SECRET", "PRODUCER_RETENTION_FAILED", "PRODUCER_RETRY_SCHEDULE",
	}
	if !slices.Equal(named, want) {
		t.Errorf("faults:\n%v", err)
	}
	if text := err.Error(); strings.Contains(text, "hunter2") || !strings.Contains(text, "percent-encoded") {
		t.Errorf("faults:\n%s", text)
	}
}

func TestLoad_retention(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for environ, want := range map[string]config.Retention{
		"":                       {Delivered: 30 * day},
		"PRODUCER_RETENTION=0":   {},
		"PRODUCER_RETENTION=24h": {Delivered: day},
		"PRODUCER_RETENTION_FAILED=24h PRODUCER_RETENTION=0": {Failed: day},
		"PRODUCER_DEDUPE_WINDOW=720h":                        {Delivered: 30 * day, DedupeWindow: 30 * day},
	} {
		c, err := config.Load(strings.Fields(environ))
		if err != nil || c.Retention != want || c.Retention.Policy().Validate() != nil {
			t.Errorf("%s: %+v, %v", environ, c.Retention, err)
		}
	}
	for environ, variable := range map[string]string{
		"PRODUCER_RETENTION=-1s":                             "PRODUCER_RETENTION",
		"PRODUCER_RETENTION_FAILED=-1s":                      "PRODUCER_RETENTION_FAILED",
		"PRODUCER_DEDUPE_WINDOW=-1s":                         "PRODUCER_DEDUPE_WINDOW",
		"PRODUCER_DEDUPE_WINDOW=719h":                        "PRODUCER_DEDUPE_WINDOW",
		"PRODUCER_DEDUPE_WINDOW=719h PRODUCER_RETENTION=0":   "PRODUCER_DEDUPE_WINDOW",
		"PRODUCER_DEDUPE_WINDOW=719h PRODUCER_RETENTION=30d": "PRODUCER_RETENTION",
	} {
		_, err := config.Load(strings.Fields(environ))
		var faults service.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Variable != variable {
			t.Errorf("%s: %v", environ, err)
		}
	}
}

func TestLoad_postgresNeedsItsSecrets(t *testing.T) {
	t.Parallel()
	const token, key = "PRODUCER_API_TOKEN=tok", "PRODUCER_ENCRYPTION_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	database := "PRODUCER_DATABASE_URL=postgres://u:hunter2@h/db"
	if _, err := config.Load([]string{database, token, key}); err != nil {
		t.Errorf("with both: %v", err)
	}
	for missing, lines := range map[string][]string{
		"PRODUCER_API_TOKEN": {database, key}, "PRODUCER_ENCRYPTION_KEY": {database, token},
	} {
		_, err := config.Load(lines)
		var faults service.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Variable != missing || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func TestLoad_endpointsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"secret": secret + "\r\n",
		"endpoints.yml": `
- name: billing
  url: https://example.com/hook
  secret_file: secret
  events: [order.*]
  tenant: acme
  concurrency: 4
- name: hub
  url: https://example.com/other
  secret: mysecret
  scheme: github
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load([]string{"PRODUCER_ENDPOINTS_FILE=" + filepath.Join(dir, "endpoints.yml")})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Endpoints) != 2 || c.Endpoints[0].Secret != secret || c.Endpoints[0].Tenant != "acme" || c.Endpoints[0].Concurrency != 4 ||
		c.Endpoints[0].Events[0] != "order.*" || c.Endpoints[1].Scheme != "github" {
		t.Errorf("%+v", c.Endpoints)
	}
}

func TestLoad_endpointsFileFaults(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"unknown key":      "- name: a\n  url: https://example.com\n  secrett: hunter2\n",
		"no name":          "- url: https://example.com\n  secret: hunter2\n",
		"no secret":        "- name: a\n  url: https://example.com\n",
		"two secrets":      "- name: a\n  url: https://example.com\n  secret: hunter2\n  secret_file: x\n",
		"missing file":     "- name: a\n  url: https://example.com\n  secret_file: nowhere\n",
		"same name":        "- {name: a, url: https://example.com, secret: hunter2}\n- {name: a, url: https://example.com, secret: hunter2}\n",
		"not a list":       "name: a\nsecret: hunter2\n",
		"wrong kind":       "- name: a\n  url: https://example.com\n  secret: hunter2\n  concurrency: hunter2\n",
		"not YAML":         "- [hunter2\n",
		"private":          "- {name: a, url: \"http://127.0.0.1/\", secret: hunter2}\n",
		"wrong secret":     "- {name: a, url: https://example.com, secret: whsec_hunter2}\n",
		"pattern":          "- {name: a, url: https://example.com, secret: hunter2, events: ['a*']}\n",
		"credential in it": "- {name: a, url: \"https://u:hunter2@example.com\", secret: hunter2}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load([]string{"PRODUCER_ENDPOINTS_FILE=" + write(t, "endpoints.yml", content)})
			var faults service.Faults
			if !errors.As(err, &faults) || faults[0].Variable != "PRODUCER_ENDPOINTS_FILE" {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
	if c, err := config.Load([]string{"PRODUCER_ENDPOINTS_FILE=" + write(t, "empty.yml", "")}); err != nil || len(c.Endpoints) != 0 {
		t.Errorf("empty: %v", err)
	}
}

func FuzzLoad_endpointsFile(f *testing.F) {
	f.Add("- name: a\n  url: https://example.com\n  secret: s\n")
	f.Add("- &a [*a]\n")
	f.Add("? ~\n: - {}\n")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "endpoints.yml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load([]string{"PRODUCER_ENDPOINTS_FILE=" + path})
		if err != nil {
			return
		}
		for _, spec := range c.Endpoints {
			if spec.Name == "" || spec.Secret == "" || spec.URL == "" {
				t.Errorf("%+v", spec)
			}
		}
	})
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
