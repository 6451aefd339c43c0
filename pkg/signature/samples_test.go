package signature_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	plainSecret = "a plain secret"
	testID      = "msg_1"
	testURL     = "https://hooks.example.com/webhook/acme?b=2&a=1"
)

var (
	testBody = []byte(`{"type":"order.completed","data":{"order_id":"12345"}}`)
	testTime = time.Unix(1700000000, 0)
)

// keys are a scheme's secrets, for tests that go through every scheme.
type keys struct {
	signing, verifying string // the same where both ends share one
	stranger           string // verifies nothing that signing signed
}

func newKeys(t testing.TB, scheme string) keys {
	t.Helper()
	own, other := newPair(t, scheme), newPair(t, scheme)
	return keys{signing: own[0], verifying: own[1], stranger: other[1]}
}

// newPair is a new secret to sign with, and what verifies it.
func newPair(t testing.TB, scheme string) [2]string {
	t.Helper()
	signing, err := signature.NewSecret(scheme)
	if err != nil {
		t.Fatal(err)
	}
	if !describe(t, scheme).PublicKey {
		return [2]string{signing, signing}
	}
	public, err := signature.PublicKey(scheme, signing)
	if err != nil {
		t.Fatal(err)
	}
	return [2]string{signing, public}
}

func describe(t testing.TB, scheme string) signature.Info {
	t.Helper()
	info, err := signature.Describe(scheme)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// compose makes a message that the scheme can sign, with any payload in it.
func compose(scheme, id string, at time.Time, payload []byte) signature.Outgoing {
	out := signature.Outgoing{ID: id, Time: at, Method: http.MethodPost, URL: testURL, ContentType: "application/json", Body: payload}
	switch scheme {
	case "linear":
		out.Body = fmt.Appendf(nil, `{"webhookTimestamp":%d,"data":"%x"}`, at.UnixMilli(), payload)
	case "twilio":
		out.ContentType = "application/x-www-form-urlencoded"
		out.Body = []byte(url.Values{"Body": {string(payload)}, "From": {"+15550100"}}.Encode())
	}
	return out
}

// request is what a sender makes of the scheme's sample message.
func sampleRequest(t testing.TB, scheme, secret string) signature.Request {
	t.Helper()
	return signed(t, signer(t, scheme, secret), compose(scheme, testID, testTime, testBody))
}

// signed is the request that a sender makes of out.
func signed(t testing.TB, s *signature.Signer, out signature.Outgoing) signature.Request {
	t.Helper()
	h := http.Header{}
	if err := s.Sign(out, h); err != nil {
		t.Fatal(err)
	}
	if out.ContentType != "" {
		h.Set("Content-Type", out.ContentType)
	}
	return signature.Request{Method: out.Method, URL: out.URL, Header: h, Body: out.Body}
}
