package e2e_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// webhook is one request as a sender would make it, before it is sent.
type webhook struct {
	path        string // "" is /webhook
	contentType string // "" is application/json
	body        []byte
	header      map[string]string
}

// signer adds one scheme's headers. The schemes are written out here once more, from their descriptions, so that a
// mistake in the product's signing and verifying alike is not taken for agreement.
type signer func(w *webhook, secret string)

// mac is the HMAC-SHA256 that all schemes of this file build on.
func mac(key, content []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(content)
	return h.Sum(nil)
}

// hexHeader signs the body alone, as hexadecimal digits behind a prefix: GitHub's form and the generic ones.
func hexHeader(name, prefix string) signer {
	return func(w *webhook, secret string) {
		w.header[name] = prefix + hex.EncodeToString(mac([]byte(secret), w.body))
	}
}

// standard signs as Standard Webhooks asks, now and under an id of its own.
func standard(w *webhook, secret string) {
	standardAs("evt_"+rand.Text(), time.Now())(w, secret)
}

// standardAs signs as Standard Webhooks asks, under an id and at a time.
func standardAs(id string, at time.Time) signer {
	return func(w *webhook, secret string) {
		key := []byte(secret)
		if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
			key, _ = base64.StdEncoding.DecodeString(encoded)
		}
		stamp := strconv.FormatInt(at.Unix(), 10)
		w.header["webhook-id"] = id
		w.header["webhook-timestamp"] = stamp
		w.header["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac(key, []byte(id+"."+stamp+"."+string(w.body))))
	}
}

// newSecret makes a Standard Webhooks secret.
func newSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// signed is a webhook with a body, signed by a scheme.
func signed(body string, secret string, sign signer) webhook {
	w := webhook{body: []byte(body), header: map[string]string{}}
	sign(&w, secret)
	return w
}

// send posts a webhook to a receiver's public address.
func (w webhook) send(ctx context.Context, base string) (reply, error) {
	path, contentType := w.path, w.contentType
	if path == "" {
		path = "/webhook"
	}
	if contentType == "" {
		contentType = "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(w.body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", contentType)
	for name, value := range w.header {
		req.Header.Set(name, value)
	}
	return answer(req)
}

// mustSend is send where only an answer, whichever it is, is acceptable.
func mustSend(t *testing.T, base string, w webhook) reply {
	t.Helper()
	r, err := w.send(t.Context(), base)
	if err != nil {
		t.Fatalf("POST %s: %v", base+w.path, err)
	}
	return r
}
