package interop_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-github/v74/github"

	"example.com/signet/pkg/signature"
)

func githubVerify(secret string, out signature.Outgoing, h http.Header) error {
	_, err := github.ValidatePayload(incoming(out, h), []byte(secret))
	return err
}

func TestGitHub(t *testing.T) { exchange(t, library{scheme: "github", verify: githubVerify}) }

// TestGitHub_Form: what is signed of a form is its text.
func TestGitHub_Form(t *testing.T) {
	exchange(t, library{
		scheme: "github",
		verify: githubVerify,
		compose: func(out signature.Outgoing) signature.Outgoing {
			out.ContentType = "application/x-www-form-urlencoded"
			out.Body = []byte(url.Values{"payload": {string(out.Body)}}.Encode())
			return out
		},
	})
}

func TestGitHub_Delivery(t *testing.T) {
	t.Parallel()
	out := message()
	r := &http.Request{Header: signed(t, "github", out, "secret")}
	if got := github.DeliveryID(r); got != out.ID {
		t.Errorf("id %q", got)
	}
}
