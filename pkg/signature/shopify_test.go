package signature_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// TestVerifier_ShopifyFamilies: of the two sets of names one decides, and labels
// are taken from that one only.
func TestVerifier_ShopifyFamilies(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString(macOf(plainSecret, string(testBody)))
	wrong := base64.StdEncoding.EncodeToString(macOf("another", string(testBody)))
	tests := []struct {
		name      string
		headers   map[string]string
		id, event string
		want      error
	}{
		{"webhook", map[string]string{"X-Shopify-Hmac-SHA256": good, "X-Shopify-Event-Id": "e", "X-Shopify-Webhook-Id": "w", "X-Shopify-Topic": "orders/paid"}, "e", "orders/paid", nil},
		{"webhook, other set's labels", map[string]string{"X-Shopify-Hmac-SHA256": good, "Shopify-Event-Id": "e", "Shopify-Topic": "t"}, "", "", nil},
		{"event", map[string]string{"Shopify-Hmac-SHA256": good, "Shopify-Webhook-Id": "w", "Shopify-Topic": "Order"}, "w", "Order", nil},
		{"event, other set's labels", map[string]string{"Shopify-Hmac-SHA256": good, "X-Shopify-Event-Id": "e", "X-Shopify-Topic": "t"}, "", "", nil},
		{"both, the newer right", map[string]string{"X-Shopify-Hmac-SHA256": wrong, "Shopify-Hmac-SHA256": good, "Shopify-Event-Id": "e", "X-Shopify-Event-Id": "x"}, "e", "", nil},
		{"both, the newer wrong", map[string]string{"X-Shopify-Hmac-SHA256": good, "Shopify-Hmac-SHA256": wrong}, "", "", signature.ErrMismatch},
		{"both, the newer empty", map[string]string{"X-Shopify-Hmac-SHA256": good, "Shopify-Hmac-SHA256": ""}, "", "", signature.ErrMalformed},
		{"no padding", map[string]string{"X-Shopify-Hmac-SHA256": strings.TrimRight(good, "=")}, "", "", nil},
		{"hexadecimal", map[string]string{"X-Shopify-Hmac-SHA256": hexOf(plainSecret, string(testBody))}, "", "", signature.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := verifier(t, "shopify", plainSecret).Verify(signature.Request{Header: headers(test.headers), Body: testBody}, testTime)
			wantError(t, err, test.want)
			if err == nil && (match.ID != test.id || match.EventType != test.event) {
				t.Errorf("match %+v", match)
			}
		})
	}
}
