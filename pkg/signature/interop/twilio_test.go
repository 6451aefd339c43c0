package interop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/twilio/twilio-go/client"

	"example.com/signet/pkg/signature"
)

func twilioVerify(secret string, out signature.Outgoing, h http.Header) error {
	v := client.NewRequestValidator(secret)
	if !v.ValidateBody(out.URL, out.Body, h.Get("X-Twilio-Signature")) {
		return errRefused
	}
	return nil
}

func twilioForm(out signature.Outgoing) signature.Outgoing {
	out.ContentType = "application/x-www-form-urlencoded"
	out.Body = []byte(url.Values{"From": {"+15550100"}, "Body": {string(out.Body)}, "a": {""}, "Z": {"ü&="}}.Encode())
	return out
}

// twilioJSON names the body's digest in the URL, which is what is signed.
func twilioJSON(out signature.Outgoing) signature.Outgoing {
	sum := sha256.Sum256(out.Body)
	out.URL += "&bodySHA256=" + hex.EncodeToString(sum[:])
	return out
}

func TestTwilio_Form(t *testing.T) {
	exchange(t, library{
		scheme:  "twilio",
		verify:  twilioVerify,
		compose: twilioForm,
		spoil: func(_ *rand.Rand, out signature.Outgoing) signature.Outgoing {
			out.Body = append(bytes.Clone(out.Body), "&More=1"...)
			return out
		},
	})
}

func TestTwilio_JSON(t *testing.T) {
	exchange(t, library{scheme: "twilio", verify: twilioVerify, compose: twilioJSON})
}

// TestTwilio_URL: everything of the URL is signed, a port aside that the sender
// left out: Twilio itself writes it now and then.
func TestTwilio_URL(t *testing.T) {
	t.Parallel()
	l := library{scheme: "twilio", verify: twilioVerify}
	out := twilioForm(message())
	h := signed(t, "twilio", out, "token")
	for _, test := range []struct {
		name, from, to string
		want           bool
	}{
		{"the same", "", "", true},
		{"default port", "example.com", "example.com:443", true},
		{"a port that was left out", "example.com", "example.com:8443", true},
		{"other scheme", "https:", "http:", false},
		{"other path", "/in", "/out", false},
		{"a query", "/in", "/in?a=1", false},
	} {
		moved := out
		moved.URL = strings.Replace(out.URL, test.from, test.to, 1)
		l.agree(t, test.name, "token", moved, h, test.want)
	}
	out.URL = strings.Replace(out.URL, "example.com", "example.com:8443", 1)
	h = signed(t, "twilio", out, "token")
	l.agree(t, "with its port", "token", out, h, true)
	out.URL = strings.Replace(out.URL, "8443", "8444", 1)
	l.agree(t, "another port", "token", out, h, false)
}
