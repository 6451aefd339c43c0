package e2e_test

import (
	"strings"
	"testing"
)

// testCommands runs the producer's commands as the README has them, in the container of the service and in one of their own.
func testCommands(t *testing.T, s *stack) {
	const url, secretFile = "http://receiver:8000/webhook", "/shared/webhook_secret"
	signet := func(args ...string) string {
		t.Helper()
		return s.must(t, append([]string{"exec", "-T", "producer", "/signet"}, args...)...)
	}
	says := func(out string, words ...string) {
		t.Helper()
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Errorf("nothing says %q:\n%s", word, out)
			}
		}
	}
	payload := `{"event":"user.created","data":{"id":"sent by hand"}}`
	says(signet("send", url, "--secret-file", secretFile, "--payload", payload), "success", "Webhook accepted")
	says(signet("examples", "--url", url), "examples/batch.yaml")
	says(signet("batch", "examples/batch.yaml", "--secret-file", secretFile), "failed     0")
	says(signet("doctor", url, "--secret-file", secretFile, "--skip", "slow-body"), " 0 wrong, 0 unknown")
	says(signet("load", url, "--secret-file", secretFile, "--rate", "50", "--duration", "1s"), "200: 50")

	secret := signet("secret", "--file", secretFile)
	receiver := s.container(t, "receiver")
	says(docker(t, "run", "--rm", "--network", "container:"+receiver, "signet/producer", "send", "http://127.0.0.1:8000/webhook",
		"--secret", secret, "--payload", payload), "success")
}
