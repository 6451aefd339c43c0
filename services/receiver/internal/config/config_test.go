package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/services/receiver/internal/config"
	"example.com/signet/services/receiver/internal/source"
)

func TestLoad_defaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":8000" || cfg.AdminAddr != "127.0.0.1:8001" || cfg.DatabaseURL != "sqlite:receiver.db" || cfg.LogLevel != "info" {
		t.Errorf("defaults are %+v", cfg)
	}
	if cfg.Retention != (config.Retention{Delivered: 720 * time.Hour}) || cfg.Retention.Policy().Validate() != nil {
		t.Errorf("retention is %+v", cfg.Retention)
	}
	if len(cfg.Sources) != 1 || cfg.Sources[0].Name != source.Default || cfg.Sources[0].MaxBody != 1<<20 || len(cfg.Sources[0].Secrets) != 0 {
		t.Errorf("sources are %+v", cfg.Sources)
	}
	if got := cfg.TokenFile(); got != "receiver-admin-token" {
		t.Errorf("token file is %q", got)
	}
}

func TestLoad_sources(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]string{
		"WEBHOOK_SECRET=plain", "WEBHOOK_SECRET_OLD=old", "WEBHOOK_SECRET_NEW=new", "WEBHOOK_SCHEME=github, standard",
		"GITHUB_WEBHOOK_SECRET=hub", "MY_SHOP_WEBHOOK_SECRET_NEW=shop", "MY_SHOP_WEBHOOK_SCHEME=generic",
		"EMPTY_WEBHOOK_SECRET=", "RECEIVER_TOLERANCE=2m",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []source.Spec{
		{Name: "default", Schemes: []string{"github", "standard"}, Secrets: []string{"new", "plain", "old"}, MaxBody: 1 << 20, Tolerance: 2 * time.Minute},
		{Name: "github", Schemes: []string{"github"}, Secrets: []string{"hub"}, MaxBody: 25 << 20, Tolerance: 2 * time.Minute},
		{Name: "my_shop", Schemes: []string{"generic"}, Secrets: []string{"shop"}, MaxBody: 1 << 20, Tolerance: 2 * time.Minute},
	}
	if !slices.EqualFunc(cfg.Sources, want, equal) {
		t.Errorf("sources are %+v, want %+v", cfg.Sources, want)
	}
}

func equal(a, b source.Spec) bool {
	return a.Name == b.Name && slices.Equal(a.Schemes, b.Schemes) && slices.Equal(a.Secrets, b.Secrets) &&
		a.MaxBody == b.MaxBody && a.Tolerance == b.Tolerance && a.Unsigned == b.Unsigned && a.ReplayGuard == b.ReplayGuard
}

func TestLoad_schemes(t *testing.T) {
	t.Parallel()
	const description = "hmac-sha256:header=X-Acme-Signature,encoding=hex,prefix=sha256="
	for environ, want := range map[string]source.Spec{
		"GITHUB_SHA1_WEBHOOK_SECRET=x":                                  {Name: "github_sha1", Schemes: []string{"github-sha1"}, MaxBody: 25 << 20},
		"CONVOY_ADVANCED_WEBHOOK_SECRET=x":                              {Name: "convoy_advanced", Schemes: []string{"convoy-advanced"}},
		"github-sha1_WEBHOOK_SECRET=x":                                  {Name: "github-sha1", Schemes: []string{"github-sha1"}, MaxBody: 25 << 20},
		"GITHUB_SHA1_WEBHOOK_SECRET=x GITHUB_SHA1_WEBHOOK_SCHEME=slack": {Name: "github_sha1", Schemes: []string{"slack"}},
		"ACME_WEBHOOK_SECRET=x ACME_WEBHOOK_SCHEME=" + description:      {Name: "acme", Schemes: []string{description}},
		"ACME_WEBHOOK_SECRET=x ACME_WEBHOOK_SCHEME=github":              {Name: "acme", Schemes: []string{"github"}, MaxBody: 25 << 20},
		"STRIPE_WEBHOOK_SECRET=x STRIPE_REPLAY_GUARD=body":              {Name: "stripe", Schemes: []string{"stripe"}, ReplayGuard: true},
		"WEBHOOK_SECRET=x WEBHOOK_SCHEME=" + description:                {Name: "default", Schemes: []string{description}},
		"WEBHOOK_SECRET=x WEBHOOK_SCHEME=mailgun":                       {Name: "default", Schemes: []string{"mailgun"}},
		"WEBHOOK_SECRET=x WEBHOOK_SCHEME=stripe,,slack":                 {Name: "default", Schemes: []string{"stripe", "slack"}},
		"WEBHOOK_SECRET=x WEBHOOK_REPLAY_GUARD=body":                    {Name: "default", ReplayGuard: true},
	} {
		cfg, err := config.Load(strings.Fields(environ))
		if err != nil {
			t.Errorf("%s: %v", environ, err)
			continue
		}
		want.Secrets, want.MaxBody = []string{"x"}, max(want.MaxBody, 1<<20)
		if got := cfg.Sources[len(cfg.Sources)-1]; !equal(got, want) {
			t.Errorf("%s: %+v, want %+v", environ, got, want)
		}
		if len(cfg.Unknown) > 0 {
			t.Errorf("%s: unknown are %v", environ, cfg.Unknown)
		}
	}
}

func TestLoad_publicURL(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://hooks.example.com": "https://hooks.example.com", "https://hooks.example.com/": "https://hooks.example.com",
		"http://localhost:8000/": "http://localhost:8000", "https://h/in/bound//": "https://h/in/bound", "https://[::1]:8/a": "https://[::1]:8/a",
		"https://h/a%2Fb": "https://h/a%2Fb",
	} {
		cfg, err := config.Load([]string{"RECEIVER_PUBLIC_URL=" + given, "SQUARE_WEBHOOK_SECRET=x"})
		if err != nil || cfg.PublicURL != want {
			t.Errorf("%s: %q, %v", given, cfg.PublicURL, err)
		}
	}
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("https://h/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := config.Load([]string{"RECEIVER_PUBLIC_URL_FILE=" + file, "SQUARE_WEBHOOK_SECRET=x"}); err != nil || cfg.PublicURL != "https://h" {
		t.Errorf("from a file: %q, %v", cfg.PublicURL, err)
	}
}

func TestLoad_maxBodyIsEverySource(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]string{"RECEIVER_MAX_BODY=2MiB", "GITHUB_WEBHOOK_SECRET=hub"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.Sources {
		if s.MaxBody != 2<<20 {
			t.Errorf("source %s takes %d bytes", s.Name, s.MaxBody)
		}
	}
}

func TestLoad_files(t *testing.T) {
	t.Parallel()
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg, err := config.Load([]string{
		"WEBHOOK_SECRET_FILE=" + file("from the file\n"),
		"WEBHOOK_SECRET_OLD=plain wins", "WEBHOOK_SECRET_OLD_FILE=/does/not/exist",
		"GITHUB_WEBHOOK_SECRET_NEW=", "GITHUB_WEBHOOK_SECRET_NEW_FILE=" + file("hub\r\n"),
		"RECEIVER_ADMIN_TOKEN_FILE=" + file("token"),
		"RECEIVER_DATABASE_URL_FILE=" + file("sqlite:/data/r.db"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Sources[0].Secrets; !slices.Equal(got, []string{"from the file", "plain wins"}) {
		t.Errorf("default secrets are %q", got)
	}
	if got := cfg.Sources[1].Secrets; !slices.Equal(got, []string{"hub"}) {
		t.Errorf("GitHub's secrets are %q", got)
	}
	if cfg.AdminToken != "token" || cfg.DatabasePath() != "/data/r.db" || cfg.TokenFile() != "/data/receiver-admin-token" {
		t.Errorf("token %q, database %q, token file %q", cfg.AdminToken, cfg.DatabasePath(), cfg.TokenFile())
	}
	if len(cfg.Unknown) != 0 {
		t.Errorf("unknown variables %v", cfg.Unknown)
	}
}

func TestLoad_faults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ string
		names   string // the variables at fault
		says    string
	}{
		"address":                   {"RECEIVER_ADDR=8000", "RECEIVER_ADDR", ":8000"},
		"port out of range":         {"RECEIVER_ADMIN_ADDR=:70000", "RECEIVER_ADMIN_ADDR", "host:port"},
		"one port twice":            {"RECEIVER_ADDR=:8001", "RECEIVER_ADMIN_ADDR", "another port"},
		"postgres, no token":        {"RECEIVER_DATABASE_URL=postgres://u:geheim@h/d", "RECEIVER_ADMIN_TOKEN", "required with PostgreSQL"},
		"postgres, no URL":          {"RECEIVER_DATABASE_URL=postgres://u:geheim@h:x/d RECEIVER_ADMIN_TOKEN=t", "RECEIVER_DATABASE_URL", "percent-encoded"},
		"database":                  {"RECEIVER_DATABASE_URL=mysql:x", "RECEIVER_DATABASE_URL", "sqlite:"},
		"memory":                    {"RECEIVER_DATABASE_URL=sqlite::memory:", "RECEIVER_DATABASE_URL", "path"},
		"public URL":                {"RECEIVER_PUBLIC_URL=hooks.example.com", "RECEIVER_PUBLIC_URL", "https"},
		"public URL query":          {"RECEIVER_PUBLIC_URL=https://h/?a=b", "RECEIVER_PUBLIC_URL", "query"},
		"no size":                   {"RECEIVER_MAX_BODY=much", "RECEIVER_MAX_BODY", "size"},
		"size 0":                    {"RECEIVER_MAX_BODY=0", "RECEIVER_MAX_BODY", "above 0"},
		"size too large":            {"RECEIVER_MAX_BODY=1GiB", "RECEIVER_MAX_BODY", "256MiB"},
		"tolerance 0":               {"RECEIVER_TOLERANCE=0s", "RECEIVER_TOLERANCE", "above 0"},
		"negative retention":        {"RECEIVER_RETENTION=-1h", "RECEIVER_RETENTION", "720h, or 0"},
		"no retention":              {"RECEIVER_RETENTION=30d RECEIVER_DEDUPE_WINDOW=24h", "RECEIVER_RETENTION", "duration"},
		"negative, failed":          {"RECEIVER_RETENTION_FAILED=-1h", "RECEIVER_RETENTION_FAILED", "720h, or 0"},
		"short dedupe window":       {"RECEIVER_DEDUPE_WINDOW=719h", "RECEIVER_DEDUPE_WINDOW", "shorter than RECEIVER_RETENTION (720h0m0s)"},
		"dedupe window, for ever":   {"RECEIVER_RETENTION=0 RECEIVER_DEDUPE_WINDOW=719h", "RECEIVER_DEDUPE_WINDOW", "for ever"},
		"no tolerance":              {"RECEIVER_TOLERANCE=soon", "RECEIVER_TOLERANCE", "duration"},
		"placeholder":               {"WEBHOOK_SECRET=your-secret-key-here", "WEBHOOK_SECRET", "placeholder"},
		"placeholder of named":      {"GITHUB_WEBHOOK_SECRET_OLD=your-secret-key-here", "GITHUB_WEBHOOK_SECRET_OLD", "placeholder"},
		"unsigned and secret":       {"WEBHOOK_ALLOW_UNSIGNED=true WEBHOOK_SECRET_OLD=x", "WEBHOOK_ALLOW_UNSIGNED", "WEBHOOK_SECRET_OLD"},
		"unsigned neither":          {"WEBHOOK_ALLOW_UNSIGNED=perhaps", "WEBHOOK_ALLOW_UNSIGNED", "true or false"},
		"no scheme":                 {"ACME_WEBHOOK_SECRET=x", "ACME_WEBHOOK_SCHEME", "must name the signature scheme"},
		"unknown scheme":            {"ACME_WEBHOOK_SECRET=x ACME_WEBHOOK_SCHEME=nope", "ACME_WEBHOOK_SCHEME", "none of"},
		"a scheme that needs a URL": {"TWILIO_WEBHOOK_SECRET=x MY_WEBHOOK_SECRET=x MY_WEBHOOK_SCHEME=square", "RECEIVER_PUBLIC_URL", "my (square), twilio (twilio)"},
		"default needs a URL":       {"WEBHOOK_SECRET=x WEBHOOK_SCHEME=hubspot", "RECEIVER_PUBLIC_URL", "default (hubspot)"},
		"wrong URL is one fault":    {"TWILIO_WEBHOOK_SECRET=x RECEIVER_PUBLIC_URL=nope", "RECEIVER_PUBLIC_URL", "must be an http"},
		"public URL fragment":       {"RECEIVER_PUBLIC_URL=https://h/#", "RECEIVER_PUBLIC_URL", "fragment"},
		"public URL question mark":  {"RECEIVER_PUBLIC_URL=https://h/?", "RECEIVER_PUBLIC_URL", "query"},
		"public URL user":           {"RECEIVER_PUBLIC_URL=https://geheim@h/", "RECEIVER_PUBLIC_URL", "user"},
		"public URL without host":   {"RECEIVER_PUBLIC_URL=https://:443/", "RECEIVER_PUBLIC_URL", "host"},
		"public URL in capitals":    {"RECEIVER_PUBLIC_URL=HTTPS://h/", "RECEIVER_PUBLIC_URL", "http or https"},
		"public URL of files":       {"RECEIVER_PUBLIC_URL=file://h/", "RECEIVER_PUBLIC_URL", "http or https"},
		"public URL no port":        {"RECEIVER_PUBLIC_URL=https://h:", "RECEIVER_PUBLIC_URL", "port"},
		"public URL port":           {"RECEIVER_PUBLIC_URL=https://h:99999", "RECEIVER_PUBLIC_URL", "port"},
		"two public URLs":           {"RECEIVER_PUBLIC_URL=https://h,https://i", "RECEIVER_PUBLIC_URL", "characters"},
		"public URL beyond ASCII":   {"RECEIVER_PUBLIC_URL=https://h/é", "RECEIVER_PUBLIC_URL", "characters"},
		"public URL of a source":    {"RECEIVER_PUBLIC_URL=https://h/webhook/square", "RECEIVER_PUBLIC_URL", "without /webhook"},
		"public URL of the default": {"RECEIVER_PUBLIC_URL=https://h/webhook/", "RECEIVER_PUBLIC_URL", "without /webhook"},
		"list of no scheme":         {"WEBHOOK_SCHEME=, WEBHOOK_SECRET=x", "WEBHOOK_SCHEME", "names no scheme"},
		"secret for a scheme":       {"WEBHOOK_SCHEME=whsec_geheim WEBHOOK_SECRET=x", "WEBHOOK_SCHEME", "none of"},
		"guard of Twilio's forms":   {"TWILIO_WEBHOOK_SECRET=x TWILIO_REPLAY_GUARD=body RECEIVER_PUBLIC_URL=https://h", "TWILIO_REPLAY_GUARD", "Twilio"},
		"faulty description":        {"ACME_WEBHOOK_SECRET=x ACME_WEBHOOK_SCHEME=hmac-sha256:header=X-A,encoding=hax", "ACME_WEBHOOK_SCHEME", "encoding"},
		"default's description":     {"WEBHOOK_SECRET=x WEBHOOK_SCHEME=hmac-md5:header=X-A,encoding=hex", "WEBHOOK_SCHEME", "algorithm"},
		"not detectable":            {"WEBHOOK_SCHEME=github,bitbucket", "WEBHOOK_SCHEME", "bitbucket beside others"},
		"public key is no secret":   {"DISCORD_WEBHOOK_SECRET=geheim", "DISCORD_WEBHOOK_SECRET", "64 hexadecimal digits"},
		"no such guard":             {"GITHUB_WEBHOOK_SECRET=x GITHUB_REPLAY_GUARD=id", "GITHUB_REPLAY_GUARD", "must be body"},
		"no such guard, default":    {"WEBHOOK_REPLAY_GUARD=1", "WEBHOOK_REPLAY_GUARD", "must be body"},
		"guard alone":               {"ACME_REPLAY_GUARD=body", "ACME_REPLAY_GUARD", "ACME_WEBHOOK_SECRET"},
		"scheme alone":              {"ACME_WEBHOOK_SCHEME=github", "ACME_WEBHOOK_SCHEME", "ACME_WEBHOOK_SECRET"},
		"default scheme":            {"WEBHOOK_SCHEME=github,nope", "WEBHOOK_SCHEME", "none of"},
		"unusable secret":           {"STANDARD_WEBHOOK_SECRET=whsec_geheim!", "STANDARD_WEBHOOK_SECRET", "invalid secret"},
		"source named default":      {"DEFAULT_WEBHOOK_SECRET=x", "DEFAULT_WEBHOOK_SECRET", "WEBHOOK_SECRET"},
		"source name":               {"A.B_WEBHOOK_SECRET=x", "A.B_WEBHOOK_SECRET", "letters"},
		"name in two cases":         {"GITHUB_WEBHOOK_SECRET=x github_WEBHOOK_SECRET=x", "github_WEBHOOK_SECRET", "already"},
		"forwarding":                {"FORWARD_URL=http://app/hooks", "FORWARD_URL", "not supported"},
		"a source's":                {"GITHUB_FORWARD_URL_FILE=/x", "GITHUB_FORWARD_URL_FILE", "not supported"},
		"missing file":              {"WEBHOOK_SECRET_FILE=/does/not/exist", "WEBHOOK_SECRET_FILE", "exist"},
		"log":                       {"LOG_LEVEL=loud LOG_FORMAT=xml", "LOG_LEVEL LOG_FORMAT", "must be"},
		"all at once": {
			"RECEIVER_ADDR=x RECEIVER_MAX_BODY=-1 RECEIVER_TOLERANCE=-1s WEBHOOK_SECRET=your-secret-key-here ACME_WEBHOOK_SECRET=x RECEIVER_DATABASE_URL=mysql://h",
			"RECEIVER_ADDR RECEIVER_MAX_BODY RECEIVER_TOLERANCE WEBHOOK_SECRET ACME_WEBHOOK_SCHEME RECEIVER_DATABASE_URL", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(strings.Fields(c.environ))
			if err == nil {
				t.Fatal("no fault")
			}
			lines := strings.Split(err.Error(), "\n")
			names := strings.Fields(c.names)
			if len(lines) != len(names) {
				t.Errorf("%d faults, want %d:\n%v", len(lines), len(names), err)
			}
			for _, n := range names {
				if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, n+": ") }) {
					t.Errorf("no fault names %s:\n%v", n, err)
				}
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("the fault says %q, want %q and never the value", err, c.says)
			}
		})
	}
}

func TestLoad_unknown(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]string{"RECEIVER_MAXBODY=1", "WEBHOOK_SECRTE=x", "RECEIVER_ADDR=:1", "WEBHOOK_SCHEME=github", "OTHER=1"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Unknown, []string{"RECEIVER_MAXBODY", "WEBHOOK_SECRTE"}) {
		t.Errorf("unknown are %v", cfg.Unknown)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{"": ":8000", "RECEIVER_ADDR=:9": ":9", "RECEIVER_MAX_BODY=wrong": ":8000"} {
		if got, err := config.Address([]string{environ}); err != nil || got != want {
			t.Errorf("Address(%q) = %q, %v", environ, got, err)
		}
	}
}
