package interop_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"example.com/signet/pkg/signature"
)

// discordVerify is of the commonest library for Discord, which has none of its
// own for Go.
func discordVerify(secret string, out signature.Outgoing, h http.Header) error {
	key, err := hex.DecodeString(secret)
	if err != nil {
		return err
	}
	if !discordgo.VerifyInteraction(incoming(out, h), ed25519.PublicKey(key)) {
		return errRefused
	}
	return nil
}

func TestDiscord(t *testing.T) { exchange(t, library{scheme: "discord", verify: discordVerify}) }

func sendgridVerify(secret string, out signature.Outgoing, h http.Header) error {
	key, err := eventwebhook.ConvertPublicKeyBase64ToECDSA(secret)
	if err != nil {
		return err
	}
	ok, err := eventwebhook.VerifySignature(key, out.Body, h.Get(eventwebhook.VerificationHTTPHeader), h.Get(eventwebhook.TimestampHTTPHeader))
	if err == nil && !ok {
		return errRefused
	}
	return err
}

func TestSendgrid(t *testing.T) { exchange(t, library{scheme: "sendgrid", verify: sendgridVerify}) }

// TestDifference_KeyPairTimes: neither library looks at the time.
func TestDifference_KeyPairTimes(t *testing.T) {
	t.Parallel()
	for _, l := range []library{{scheme: "discord", verify: discordVerify}, {scheme: "sendgrid", verify: sendgridVerify}} {
		for age, want := range map[time.Duration]error{time.Hour: signature.ErrTooOld, -time.Hour: signature.ErrTooNew} {
			key, out := newKey(t, seeded(), l.scheme), message()
			out.Time = time.Now().Add(-age)
			h := signed(t, l.scheme, out, key.signing)
			wantError(t, l.verify(key.verifying, out, h), nil)
			wantError(t, verify(t, l.scheme, key.verifying, out, h), want)
		}
	}
}

// TestDifference_SendgridTrailingBytes: their library takes what follows the
// signature in the same header. Here a signature is its own bytes only.
func TestDifference_SendgridTrailingBytes(t *testing.T) {
	t.Parallel()
	random := seeded()
	for {
		key, out := newKey(t, random, "sendgrid"), message()
		h := signed(t, "sendgrid", out, key.signing)
		der, err := base64.StdEncoding.DecodeString(h.Get(eventwebhook.VerificationHTTPHeader))
		if err != nil {
			t.Fatal(err)
		}
		if len(der) == 72 {
			continue // one byte more would be malformed by its length alone
		}
		h.Set(eventwebhook.VerificationHTTPHeader, base64.StdEncoding.EncodeToString(append(der, 0)))
		wantError(t, sendgridVerify(key.verifying, out, h), nil)
		wantError(t, verify(t, "sendgrid", key.verifying, out, h), signature.ErrMismatch)
		return
	}
}
