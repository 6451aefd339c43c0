package interop_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"

	"example.com/signet/pkg/signature"
)

// standardLibrary is the reference library of Standard Webhooks.
func standardLibrary() library {
	return library{
		scheme: "standard",
		verify: func(secret string, out signature.Outgoing, h http.Header) error {
			webhook, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				return err
			}
			return webhook.Verify(out.Body, h)
		},
		sign: func(secret string, out signature.Outgoing, h http.Header) error {
			webhook, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				return err
			}
			text, err := webhook.Sign(out.ID, out.Time, out.Body)
			h.Set(standardwebhooks.HeaderWebhookID, out.ID)
			h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(out.Time.Unix(), 10))
			h.Set(standardwebhooks.HeaderWebhookSignature, text)
			return err
		},
	}
}

func svixLibrary() library {
	return library{
		scheme: "svix",
		verify: func(secret string, out signature.Outgoing, h http.Header) error {
			webhook, err := svix.NewWebhook(secret)
			if err != nil {
				return err
			}
			return webhook.Verify(out.Body, h)
		},
		sign: func(secret string, out signature.Outgoing, h http.Header) error {
			webhook, err := svix.NewWebhook(secret)
			if err != nil {
				return err
			}
			text, err := webhook.Sign(out.ID, out.Time, out.Body)
			h.Set("svix-id", out.ID)
			h.Set("svix-timestamp", strconv.FormatInt(out.Time.Unix(), 10))
			h.Set("svix-signature", text)
			return err
		},
	}
}

func TestStandard(t *testing.T) { exchange(t, standardLibrary()) }
func TestSvix(t *testing.T)     { exchange(t, svixLibrary()) }

// TestStandard_Rotation: with two secrets, either end of a change verifies, and
// a signature with a key pair in the list disturbs nobody.
func TestStandard_Rotation(t *testing.T) {
	t.Parallel()
	random := seeded()
	for _, l := range []library{standardLibrary(), svixLibrary()} {
		header := map[string]string{"standard": "Webhook-Signature", "svix": "Svix-Signature"}[l.scheme]
		out := message()
		current, old, stranger := newKey(t, random, l.scheme), newKey(t, random, l.scheme), newKey(t, random, l.scheme)
		h := signed(t, l.scheme, out, current.signing, old.signing)
		pair := signed(t, "standard-ed25519", out, newKey(t, seeded(), "standard-ed25519").signing)
		h.Set(header, pair.Get("Webhook-Signature")+" "+h.Get(header))
		l.agree(t, "current", current.verifying, out, h, true)
		l.agree(t, "old", old.verifying, out, h, true)
		l.agree(t, "neither", stranger.verifying, out, h, false)
	}
}

// TestStandard_BothNames: where a request has the headers under both names, the
// ones of Svix count, for them and for us.
func TestStandard_BothNames(t *testing.T) {
	t.Parallel()
	random := seeded()
	secret, other := newKey(t, random, "standard").signing, newKey(t, random, "standard").signing
	detector, err := signature.NewDetector([]string{"standard", "svix"}, []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	out := message()
	for _, test := range []struct {
		name           string
		svix, standard string // the secrets they are signed with
		want           bool
	}{
		{"both right", secret, secret, true},
		{"svix right", secret, other, true},
		{"standard right", other, secret, false},
	} {
		h := signed(t, "svix", out, test.svix)
		for name, values := range signed(t, "standard", out, test.standard) {
			h[name] = values
		}
		theirs := svixLibrary().verify(secret, out, h)
		_, ours := detector.Verify(signature.Request{Header: h, Body: out.Body}, out.Time)
		if (theirs == nil) != test.want || (ours == nil) != test.want {
			t.Errorf("%s: theirs %v, ours %v", test.name, theirs, ours)
		}
	}
}

// TestDifference_StandardSecrets: their libraries decode a secret without the
// prefix too. Here such a secret is its text.
func TestDifference_StandardSecrets(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte("thirty-two bytes of a secret key"))
	out := message()
	h := signed(t, "standard", out, "whsec_"+encoded)
	wantError(t, standardLibrary().verify(encoded, out, h), nil)
	wantError(t, verify(t, "standard", encoded, out, h), signature.ErrMismatch)
	raw, err := standardwebhooks.NewWebhookRaw([]byte(encoded))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, raw.Verify(out.Body, signed(t, "standard", out, encoded)), nil)
}

// TestDifference_StandardIDs: they sign and take any id. Here an id holds none
// of the characters that would give one signature two readings.
func TestDifference_StandardIDs(t *testing.T) {
	t.Parallel()
	secret := newKey(t, seeded(), "standard").signing
	for _, l := range []library{standardLibrary(), svixLibrary()} {
		out, h := message(), http.Header{}
		out.ID = "msg.1"
		if err := l.sign(secret, out, h); err != nil {
			t.Fatal(err)
		}
		wantError(t, l.verify(secret, out, h), nil)
		wantError(t, verify(t, l.scheme, secret, out, h), signature.ErrMalformed)
	}
}

// TestDifference_SvixNames: their library falls back on the other names. Here
// that is another scheme, which a Detector finds.
func TestDifference_SvixNames(t *testing.T) {
	t.Parallel()
	secret, out := newKey(t, seeded(), "svix").signing, message()
	h := signed(t, "standard", out, secret)
	wantError(t, svixLibrary().verify(secret, out, h), nil)
	wantError(t, verify(t, "svix", secret, out, h), signature.ErrMissing)
	wantError(t, verify(t, "standard", secret, out, h), nil)
}
