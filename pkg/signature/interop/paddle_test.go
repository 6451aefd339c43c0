package interop_test

import (
	"net/http"
	"testing"
	"time"

	paddle "github.com/PaddleHQ/paddle-go-sdk/v4"

	"example.com/signet/pkg/signature"
)

func paddleVerify(secret string, out signature.Outgoing, h http.Header) error {
	ok, err := paddle.NewWebhookVerifier(secret, paddle.VerifierWithTimestampTolerance(5*time.Second)).Verify(incoming(out, h))
	if err == nil && !ok {
		return errRefused
	}
	return err
}

func TestPaddle(t *testing.T) { exchange(t, library{scheme: "paddle", verify: paddleVerify}) }

// TestDifference_PaddleRotation: Paddle's documentation has several signatures
// while one secret replaces another. Their library for Go takes one only.
func TestDifference_PaddleRotation(t *testing.T) {
	t.Parallel()
	out := message()
	h := signed(t, "paddle", out, "new", "old")
	wantError(t, paddleVerify("new", out, h), paddle.ErrInvalidSignatureFormat)
	wantError(t, verify(t, "paddle", "new", out, h), nil)
	wantError(t, verify(t, "paddle", "old", out, h), nil)
}
