package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"example.com/signet/services/receiver/internal/config"
	"example.com/signet/services/receiver/internal/source"
)

// TestLoad_strays: a slip in a variable about a source is told of, what means something is not.
func TestLoad_strays(t *testing.T) {
	t.Parallel()
	for _, stray := range []string{
		"GITHUB_REPLAY_GAURD=body", "GITHUB_WEBHOOK_SECRET_NWE=x", "GITHUB_WEBHOOK_SCHMEE=github", "GITHUB_WEBHOOK_SECRETS=x",
		"GITHUB_WEBOOK_SECRET=x", "ACME_WEBHOOK_SECRT=x", "GITHUB_WEBHOOK_SCHEME_FILE=/x", "REPLAY_GUARD=body",
	} {
		cfg, err := config.Load([]string{"GITHUB_WEBHOOK_SECRET=k", stray})
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Unknown) != 1 {
			t.Errorf("%s: unknown are %v", stray, cfg.Unknown)
		}
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("k\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load([]string{
		"GITHUB_WEBHOOK_SECRET_FILE=" + file, "GITHUB_WEBHOOK_SECRET_OLD=o", "GITHUB_WEBHOOK_SCHEME=github", "GITHUB_REPLAY_GUARD=body",
		"WEBHOOK_SECRET=s", "WEBHOOK_REPLAY_GUARD=body", "GITHUB_TOKEN=x", "GITHUB_SECRET_KEY=x", "PATH=/bin", "HOOK_SECRET=x",
	})
	if err != nil || len(cfg.Unknown) > 0 {
		t.Errorf("unknown are %v, %v", cfg.Unknown, err)
	}
	if !slices.ContainsFunc(cfg.Sources, func(s source.Spec) bool { return s.Name == "github" && s.ReplayGuard }) {
		t.Error("no guarded source")
	}
}
