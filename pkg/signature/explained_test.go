package signature_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// explained is one request of one scheme, on its way from sender to receiver.
type explained struct {
	scheme  string
	info    signature.Info
	keys    keys
	signed  signature.Outgoing // what the sender signs
	request signature.Request  // what the receiver has
	secrets []string           // of the receiver
	now     time.Time
}

// explainBody has something of everything that writers of JSON write otherwise.
// Linear has its time in it.
const explainBody = `{"type":"order.completed","webhookTimestamp":1700000000000,"data":{"name":"Zoë 🎉","path":"a/b","html":"<b>&","n":1.50,"list":[1,[],{}],"none":null}}`

// newExplained composes a message that can carry explainBody, or a form.
func newExplained(t testing.TB, scheme string) *explained {
	t.Helper()
	e := &explained{scheme: scheme, info: describe(t, scheme), keys: newKeys(t, scheme), now: testTime}
	e.signed = compose(scheme, testID, testTime, []byte("plus + and ö"))
	if !e.form() {
		e.signed.Body = []byte(explainBody)
	}
	e.secrets = []string{e.keys.verifying}
	return e
}

func (e *explained) form() bool { return strings.Contains(e.signed.ContentType, "form") }

// json says that the body is JSON and signed as it is.
func (e *explained) json() bool { return e.info.SignsBody && !e.form() }

// shared says that the key is an HMAC's, whatever the secret. GitLab's is one if
// it begins with whsec_, and otherwise a token.
func (e *explained) shared() bool { return !e.info.PublicKey && e.scheme != "gitlab" }

// send signs, and delivers what was signed.
func (e *explained) send(t testing.TB) {
	t.Helper()
	e.sendWith(t, e.keys.signing)
}

func (e *explained) sendWith(t testing.TB, secret string) {
	t.Helper()
	h := http.Header{}
	err := signer(t, e.scheme, secret).Sign(e.signed, h)
	if errors.Is(err, signature.ErrUnsignable) {
		t.Skip("the scheme refuses to sign this")
	}
	wantError(t, err, nil)
	h.Set("Content-Type", e.signed.ContentType)
	e.request = signature.Request{Method: e.signed.Method, URL: e.signed.URL, Header: h, Body: e.signed.Body}
}

// value is the signature header's; change gives it another value.
func (e *explained) value() (name, value string) {
	for _, name := range e.info.Headers {
		if value := firstValue(e.request.Header, name); value != "" {
			return name, value
		}
	}
	return "", ""
}

func (e *explained) change(values ...string) {
	name, _ := e.value()
	h := cloneOf(e.request)
	h[name] = values
	e.request.Header = h
}

func (e *explained) explain(t testing.TB) signature.Explanation {
	t.Helper()
	got, err := signature.Explain(e.request, e.scheme, e.secrets, e.now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
