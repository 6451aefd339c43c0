package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme_parity: the README's list has everything of the tutorial's client, and each row names tests that are there.
func TestReadme_parity(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "\n|---|---|---|\n| `WebhookClient")
	if !found {
		t.Fatal("there is no list")
	}
	list = "| `WebhookClient" + list
	for _, name := range []string{
		"WebhookClient.send_webhook", "WebhookClient.send_multiple", "WebhookClient.get_delivery", "WebhookClient.get_delivery_stats",
		"WebhookClient.add_delivery_callback", "EventEmitter", "DeliveryStatus", "WebhookDelivery",
		"command `send`", "command `batch`", "command `examples`", "--payload`", "--payload-file`", "--secret`", "--concurrent`",
	} {
		if !strings.Contains(list, name) {
			t.Errorf("%s is not in the list", name)
		}
	}
	tests := allTests(t, "../../pkg/webhook/*_test.go", "internal/batch/*_test.go")
	proof := regexp.MustCompile("`((?:Test|Example)\\w+|\\w+\\.txtar)`")
	for row := range strings.Lines(list) {
		cells := strings.Split(row, "|")
		if len(cells) != 5 {
			continue
		}
		named := proof.FindAllStringSubmatch(cells[3], -1)
		if len(named) == 0 {
			t.Errorf("nothing proves %s", row)
		}
		for _, name := range named {
			_, err := os.Stat(filepath.Join("testdata/script", name[1]))
			if err != nil && !strings.Contains(tests, "\nfunc "+name[1]+"(") {
				t.Errorf("there is no %s", name[1])
			}
		}
	}
}

func allTests(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = all.Write(text)
		}
	}
	return all.String()
}
