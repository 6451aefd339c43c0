package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/signet/services/receiver/internal/config"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Secrets([]string{
		"WEBHOOK_SECRET_OLD=old", "WEBHOOK_SECRET_FILE=" + file, "WEBHOOK_SECRET_NEW=new",
		"GITHUB_WEBHOOK_SECRET=another", "GITHUB_WEBHOOK_SECRET_OLD_FILE=/does/not/exist", "RECEIVER_MAX_BODY=wrong",
	})
	if err != nil || !slices.Equal(got, []string{"new", "from the file", "old"}) {
		t.Errorf("secrets are %q, %v", got, err)
	}
	if got, err := config.Secrets(nil); err != nil || len(got) != 0 {
		t.Errorf("without any: %q, %v", got, err)
	}
	if _, err := config.Secrets([]string{"WEBHOOK_SECRET_FILE=/does/not/exist"}); err == nil || !strings.Contains(err.Error(), "WEBHOOK_SECRET_FILE") {
		t.Errorf("a missing file: %v", err)
	}
}
