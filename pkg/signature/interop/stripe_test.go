package interop_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/webhook"

	"example.com/signet/pkg/signature"
)

const stripeHeader = "Stripe-Signature"

func stripeVerify(secret string, out signature.Outgoing, h http.Header) error {
	return webhook.ValidatePayload(out.Body, h.Get(stripeHeader), secret)
}

func stripeSign(secret string, out signature.Outgoing, h http.Header) error {
	made := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: out.Body, Secret: secret, Timestamp: out.Time})
	h.Set(stripeHeader, made.Header)
	return nil
}

func TestStripe(t *testing.T) {
	exchange(t, library{scheme: "stripe", verify: stripeVerify, sign: stripeSign})
}

// TestStripe_Event goes the whole way of their library, to the parsed event.
func TestStripe_Event(t *testing.T) {
	exchange(t, library{
		scheme: "stripe",
		verify: func(secret string, out signature.Outgoing, h http.Header) error {
			event, err := webhook.ConstructEvent(out.Body, h.Get(stripeHeader), secret)
			if err == nil && event.Type != "charge.succeeded" {
				return fmt.Errorf("%w: type %s", errRefused, event.Type)
			}
			return err
		},
		sign: stripeSign,
		compose: func(out signature.Outgoing) signature.Outgoing {
			out.Body = fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":"charge.succeeded","api_version":%q,"data":{"object":{"x":"%x"}}}`,
				stripe.APIVersion, out.Body)
			return out
		},
	})
}

func TestStripe_Rotation(t *testing.T) {
	t.Parallel()
	out := message()
	l := library{scheme: "stripe", verify: stripeVerify}
	h := signed(t, "stripe", out, "whsec_new", "whsec_old")
	if n := strings.Count(h.Get(stripeHeader), "v1="); n != 2 {
		t.Fatalf("%d signatures in %s", n, h.Get(stripeHeader))
	}
	l.agree(t, "current", "whsec_new", out, h, true)
	l.agree(t, "old", "whsec_old", out, h, true)
	l.agree(t, "neither", "whsec_other", out, h, false)
}

// TestDifference_StripeFuture: their library takes any time ahead, and so never
// stops taking a request that was signed for the future.
func TestDifference_StripeFuture(t *testing.T) {
	t.Parallel()
	out := message()
	out.Time = time.Now().Add(24 * time.Hour)
	h := signed(t, "stripe", out, "whsec_a")
	wantError(t, stripeVerify("whsec_a", out, h), nil)
	wantError(t, verify(t, "stripe", "whsec_a", out, h), signature.ErrTooNew)
	out.Time = time.Now().Add(-6 * time.Minute)
	h = signed(t, "stripe", out, "whsec_a")
	wantError(t, stripeVerify("whsec_a", out, h), webhook.ErrTooOld)
	wantError(t, verify(t, "stripe", "whsec_a", out, h), signature.ErrTooOld)
}
