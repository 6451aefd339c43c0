package endpoint_test

import (
	"math"
	"strings"
	"testing"

	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
)

func TestSpec_Check(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spec  endpoint.Spec
		field string // empty: nothing is wrong
	}{
		{"plain", endpoint.Spec{URL: "https://example.com/hook?x=1"}, ""},
		{"port", endpoint.Spec{URL: "http://example.com:8000"}, ""},
		{"public address", endpoint.Spec{URL: "http://8.8.8.8/"}, ""},
		{"allowed address", endpoint.Spec{URL: "http://10.0.0.1/"}, ""},
		{"allowed name", endpoint.Spec{URL: "http://receiver:8000/"}, ""},
		{"bare secret for standard", endpoint.Spec{URL: "https://example.com", Secret: "0123456789"}, ""},
		{"no URL", endpoint.Spec{}, "url"},
		{"relative", endpoint.Spec{URL: "/hook"}, "url"},
		{"other scheme", endpoint.Spec{URL: "file:///etc/passwd"}, "url"},
		{"no host", endpoint.Spec{URL: "http:///x"}, "url"},
		{"user info", endpoint.Spec{URL: "http://u:hunter2@example.com/"}, "url"},
		{"fragment", endpoint.Spec{URL: "http://example.com/#hunter2"}, "url"},
		{"empty fragment", endpoint.Spec{URL: "http://example.com/#"}, "url"},
		{"port 0", endpoint.Spec{URL: "http://example.com:0/"}, "url"},
		{"empty port", endpoint.Spec{URL: "http://example.com:/"}, "url"},
		{"large port", endpoint.Spec{URL: "http://example.com:65536/"}, "url"},
		{"control", endpoint.Spec{URL: "http://example.com/\n"}, "url"},
		{"long", endpoint.Spec{URL: "http://example.com/" + strings.Repeat("a", 2048)}, "url"},
		{"loopback", endpoint.Spec{URL: "http://127.0.0.1/"}, "url"},
		{"loopback of IPv6", endpoint.Spec{URL: "http://[::1]:8000/"}, "url"},
		{"metadata, mapped", endpoint.Spec{URL: "http://[::ffff:169.254.169.254]/"}, "url"},
		{"pattern", endpoint.Spec{URL: "https://example.com", Events: []string{"a*"}}, "events"},
		{"many patterns", endpoint.Spec{URL: "https://example.com", Events: make([]string, 101)}, "events"},
		{"scheme", endpoint.Spec{URL: "https://example.com", Scheme: "x"}, "scheme"},
		{"scheme with a key pair", endpoint.Spec{URL: "https://example.com", Scheme: "standard-ed25519"}, ""},
		{"scheme that signs the URL", endpoint.Spec{URL: "https://example.com", Scheme: "square"}, ""},
		{"described scheme", endpoint.Spec{URL: "https://example.com", Scheme: "hmac-sha256:header=X-Acme-Signature"}, ""},
		{"scheme of a provider alone", endpoint.Spec{URL: "https://example.com", Scheme: "mailgun"}, "scheme"},
		{"scheme with a body of its own", endpoint.Spec{URL: "https://example.com", Scheme: "linear"}, "scheme"},
		{"URL that its scheme cannot sign", endpoint.Spec{URL: "https://example.com/?a=[1]", Scheme: "hubspot"}, "scheme"},
		{"secret of a key pair", endpoint.Spec{URL: "https://example.com", Secret: "whpk_hunter2"}, "secret"},
		{"secret", endpoint.Spec{URL: "https://example.com", Secret: "whsec_hunter2"}, "secret"},
		{"secret of another scheme", endpoint.Spec{URL: "https://example.com", Scheme: "github", Secret: "whsec_hunter2"}, ""},
		{"concurrency", endpoint.Spec{URL: "https://example.com", Concurrency: 1025}, "concurrency"},
		{"rate limit", endpoint.Spec{URL: "https://example.com", RateLimit: -1}, "rate_limit"},
		{"rate limit, no number", endpoint.Spec{URL: "https://example.com", RateLimit: math.NaN()}, "rate_limit"},
	}
	allow, err := egress.ParseAllowList("10.0.0.0/8 receiver:8000")
	if err != nil {
		t.Fatal(err)
	}
	guard := egress.NewGuard(allow)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wrong := tt.spec.Check(guard)
			if tt.field == "" && len(wrong) > 0 || tt.field != "" && (len(wrong) != 1 || wrong[0].Field != tt.field) {
				t.Errorf("%v", wrong)
			}
			for _, w := range wrong {
				if strings.Contains(w.Error(), "hunter2") {
					t.Errorf("shows a secret: %v", w)
				}
			}
		})
	}
}
