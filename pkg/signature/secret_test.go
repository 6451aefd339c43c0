package signature_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	whsec := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	tests := []struct {
		name, scheme string
		secrets      []string
		want         error
	}{
		{"plain", "standard", []string{"plain"}, nil},
		{"shortest", "standard", []string{whsec(24)}, nil},
		{"longest", "standard", []string{whsec(64)}, nil},
		{"padding missing", "standard", []string{strings.TrimRight(whsec(32), "=")}, nil},
		{"too short", "standard", []string{whsec(23)}, signature.ErrInvalidSecret},
		{"too long", "standard", []string{whsec(65)}, signature.ErrInvalidSecret},
		{"nothing encoded", "standard", []string{"whsec_"}, signature.ErrInvalidSecret},
		{"not base64", "standard", []string{"whsec_" + strings.Repeat("!", 44)}, signature.ErrInvalidSecret},
		{"URL-safe base64", "standard", []string{"whsec_" + strings.Repeat("-_", 22)}, signature.ErrInvalidSecret},
		{"line break", "standard", []string{whsec(32) + "\n"}, signature.ErrInvalidSecret},
		{"line break within", "standard", []string{"whsec_\n" + whsec(32)[6:]}, signature.ErrInvalidSecret},
		{"second invalid", "standard", []string{"plain", "whsec_!"}, signature.ErrInvalidSecret},
		{"whsec is text for github", "github", []string{"whsec_!"}, nil},
		{"whsec is text for generic", "generic", []string{"whsec_!"}, nil},
		{"none", "github", nil, signature.ErrEmptySecret},
		{"empty", "github", []string{""}, signature.ErrEmptySecret},
		{"second empty", "generic", []string{"a", ""}, signature.ErrEmptySecret},
		{"blank", "standard", []string{" \r\n"}, signature.ErrEmptySecret},
		{"unknown scheme", "gitbub", []string{"a"}, signature.ErrUnknownScheme},
		{"case of the scheme", "GitHub", []string{"a"}, signature.ErrUnknownScheme},
		{"no scheme", "", []string{"a"}, signature.ErrUnknownScheme},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewVerifier(test.scheme, test.secrets)
			wantError(t, err, test.want)
			_, err = signature.NewSigner(test.scheme, test.secrets...)
			wantError(t, err, test.want)
			_, err = signature.NewDetector([]string{test.scheme}, test.secrets)
			wantError(t, err, test.want)
		})
	}
}

func TestSecrets_DecodedForStandardOnly(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
	h := headers(map[string]string{
		"webhook-id": testID, "webhook-timestamp": "1700000000",
		"webhook-signature": v1Of(key, testID+".1700000000."+string(testBody)),
	})
	_, err := verifier(t, "standard", secret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, nil)
	h.Set("webhook-signature", v1Of(secret, testID+".1700000000."+string(testBody)))
	_, err = verifier(t, "standard", secret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, signature.ErrMismatch)

	h = headers(map[string]string{"X-Hub-Signature-256": "sha256=" + hexOf(secret, string(testBody))})
	_, err = verifier(t, "github", secret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, nil)
	h.Set("X-Hub-Signature-256", "sha256="+hexOf(key, string(testBody)))
	_, err = verifier(t, "github", secret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, signature.ErrMismatch)
}

func TestWithTolerance_Negative(t *testing.T) {
	t.Parallel()
	_, err := signature.NewVerifier("standard", []string{"a"}, signature.WithTolerance(-1))
	wantError(t, err, signature.ErrInvalidTolerance)
	_, err = signature.NewDetector(nil, []string{"a"}, signature.WithTolerance(-time.Hour))
	wantError(t, err, signature.ErrInvalidTolerance)
}

func TestNewSecret(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		one, two := newPair(t, scheme), newPair(t, scheme)
		if one == two {
			t.Errorf("%s: the same secret twice", scheme)
		}
		if len(one[0]) < 44 {
			t.Errorf("%s: %d characters", scheme, len(one[0]))
		}
	}
	if secret := newPair(t, "standard")[0]; !strings.HasPrefix(secret, "whsec_") || len(secret) != len("whsec_")+44 {
		t.Errorf("standard: %d characters, or no prefix", len(secret))
	}
	_, err := signature.NewSecret("unheard of")
	wantError(t, err, signature.ErrUnknownScheme)
}

// TestSecrets_NotPrinted goes through everything that could end up in a log.
func TestSecrets_NotPrinted(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	const broken = "whsec_hunter2!hunter2"
	v, s, d := verifier(t, "github", secret), signer(t, "standard", secret), detector(t, nil, secret, broken)
	right := hexOf(secret, string(testBody))
	h := headers(map[string]string{"X-Hub-Signature-256": "sha256=" + strings.Repeat("0", 64)})
	_, mismatch := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
	_, malformed := v.Verify(signature.Request{Header: headers(map[string]string{"X-Hub-Signature-256": "x"})}, testTime)
	_, invalid := signature.NewVerifier("standard", []string{broken})
	_, invalidSigner := signature.NewSigner("standard", broken)
	for i, thing := range []any{v, s, d, mismatch, malformed, invalid, invalidSigner, d.Unusable()} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(format, thing)
			for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), "104 117 110 116", "0x68, 0x75, 0x6e", right} {
				if strings.Contains(text, leak) {
					t.Errorf("thing %d, %s: %q in %q", i, format, leak, text)
				}
			}
		}
	}
}
