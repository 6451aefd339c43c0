package webhook_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
)

func TestClient_Prepare(t *testing.T) {
	t.Parallel()
	client := newClient(t, webhook.WithSecret(secret), webhook.WithUserAgent("tester/1"))
	request, err := client.Prepare(t.Context(), "http://me:pw@host.test/hook?x=1", []byte(` {"a": 1.0}`),
		webhook.WithID("msg_1"), webhook.WithMethod(http.MethodPut), webhook.WithHeader("Host", "other.test"), webhook.WithHeader("X-Own", "1"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := request.BasicAuth()
	if request.Method != http.MethodPut || request.Host != "other.test" || string(body) != ` {"a": 1.0}` || user != "me" || password != "pw" || request.UserAgent() != "tester/1" {
		t.Errorf("%s to %s as %s: %s", request.Method, request.Host, user, body)
	}
	verifier, err := signature.NewVerifier("standard", []string{secret})
	if err != nil {
		t.Fatal(err)
	}
	if match, err := verifier.Verify(signature.Request{Header: request.Header, Body: body}, time.Now()); err != nil || match.ID != "msg_1" {
		t.Errorf("%+v: %v", match, err)
	}
	if n := client.Stats().Total(); n != 0 {
		t.Errorf("%d deliveries", n)
	}
	if _, err := client.Prepare(t.Context(), "nowhere", nil); !errors.Is(err, webhook.ErrInvalidURL) {
		t.Errorf("URL: %v", err)
	}
	if _, err := client.Prepare(t.Context(), "http://host", make(chan int)); !errors.Is(err, webhook.ErrPayload) {
		t.Errorf("payload: %v", err)
	}
}

func TestClient_sendOptions(t *testing.T) {
	t.Parallel()
	to := newSink(t, status(http.StatusOK))
	other, err := signature.NewSigner("generic", "another secret")
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, webhook.WithSecret(secret))
	for i, tt := range []struct {
		option webhook.SendOption
		signed string
	}{
		{webhook.WithSigner(other), "X-Signature-256"},
		{webhook.WithSigner(nil), ""},
		{webhook.WithMethod(http.MethodPatch), "Webhook-Signature"},
	} {
		if _, err := client.Send(t.Context(), to.URL, 1, tt.option); err != nil {
			t.Fatal(err)
		}
		got := to.requests()[i]
		for _, name := range []string{"X-Signature-256", "Webhook-Signature"} {
			if (got.Header.Get(name) != "") != (name == tt.signed) {
				t.Errorf("%d: %s is %q", i, name, got.Header.Get(name))
			}
		}
	}
	if got := to.requests()[2].Method; got != http.MethodPatch {
		t.Errorf("method %s", got)
	}
}
