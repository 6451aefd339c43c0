package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// capture is what an attacker has: the text that a genuine request signed, and
// its signatures.
type capture struct {
	scheme     string
	text       []byte
	signatures [][]byte
}

// captures takes a genuine request of every scheme with a shared secret, signed
// with the same one, apart.
func captures(t *testing.T, body []byte, at time.Time) []capture {
	t.Helper()
	var all []capture
	for _, s := range registry() {
		if s.write == nil || s.public != nil {
			continue
		}
		out := Outgoing{ID: "msg_1", Time: at, Method: http.MethodPost, URL: "https://example.com/webhook?a=1", ContentType: "application/json", Body: body}
		if s.name == "twilio" {
			out.ContentType, out.Body = "application/x-www-form-urlencoded", []byte(url.Values{"Body": {string(body)}}.Encode())
		}
		key, err := s.signing("shared secret")
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if err := s.write(out, []signingKey{key}, h); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		h.Set("Content-Type", out.ContentType)
		c := &claim{}
		if err := s.read(Request{Method: out.Method, URL: out.URL, Header: h, Body: out.Body}, c); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		all = append(all, capture{s.name, bytes.Join(c.message, nil), c.signatures})
	}
	return all
}

// forgeries presents a capture under every detected scheme, divided in every way
// that leaves the signed text as it was.
func (c capture) forgeries() []Request {
	var all []Request
	for _, mac := range c.signatures {
		digits, encoded := hex.EncodeToString(mac), base64.StdEncoding.EncodeToString(mac)
		add := func(body string, pairs ...string) {
			h := http.Header{}
			for i := 0; i < len(pairs); i += 2 {
				h.Set(pairs[i], pairs[i+1])
			}
			all = append(all, Request{Method: http.MethodPost, Header: h, Body: []byte(body)})
		}
		text := string(c.text)
		add(text, "X-Hub-Signature-256", "sha256="+digits)
		add(text, "X-Signature-256", digits)
		add(text, "Signature", "sha256="+digits)
		if rest, ok := strings.CutPrefix(text, "v0:"); ok {
			at, body, _ := strings.Cut(rest, ":")
			add(body, "X-Slack-Signature", "v0="+digits, "X-Slack-Request-Timestamp", at)
		}
		for first := range len(text) {
			if text[first] != '.' {
				continue
			}
			add(text[first+1:], "Stripe-Signature", "t="+text[:first]+",v1="+digits)
			at, body, ok := strings.Cut(text[first+1:], ".")
			if ok {
				add(body, "Webhook-Id", text[:first], "Webhook-Timestamp", at, "Webhook-Signature", "v1,"+encoded)
				add(body, "Svix-Id", text[:first], "Svix-Timestamp", at, "Svix-Signature", "v1,"+encoded)
			}
		}
	}
	return all
}

// TestCrossScheme_Detected: with one secret for all, no request of one scheme
// passes as one of another scheme that is detected, as long as what is taken is
// a JSON object or array. Numbers must not be: "1700000000.5" has two readings.
func TestCrossScheme_Detected(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0)
	d, err := NewDetector(nil, []string{"shared secret"})
	if err != nil {
		t.Fatal(err)
	}
	bodies := []string{
		`{"webhookTimestamp":1700000000000}`,
		`{"webhookTimestamp":1700000000000,"t":".1700000000.{\"a\":1}"}`,
		`{"webhookTimestamp":1700000000000,"t":"v0:1700000000:{}"}`,
	}
	genuine := 0
	for _, body := range bodies {
		for _, c := range captures(t, []byte(body), at) {
			for _, forged := range c.forgeries() {
				match, err := d.Verify(forged, at)
				if err != nil || !isDocument(forged.Body) {
					continue
				}
				if !sameText(match.Scheme, c.scheme) {
					t.Errorf("a request of %s passes as one of %s: %s", c.scheme, match.Scheme, forged.Body)
				}
				genuine++
			}
		}
	}
	if genuine < 6 {
		t.Errorf("only %d forgeries were the genuine request: the test has lost its teeth", genuine)
	}
}

// isDocument is the receiver's rule for bodies of detected schemes.
func isDocument(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(body)
}

// sameText holds for schemes that sign the same text and differ in the names of
// their headers: what passes as the other says the same.
func sameText(a, b string) bool {
	kind := func(scheme string) string {
		switch scheme {
		case "standard", "svix", "gitlab":
			return "id.time.body"
		case "stripe":
			return "time.body"
		case "slack", "zoom":
			return "v0:time:body"
		}
		return "body"
	}
	return kind(a) == kind(b)
}

// TestCrossScheme_Number shows why a body that is a number must be refused.
func TestCrossScheme_Number(t *testing.T) {
	t.Parallel()
	key, err := sharedKey(sha256.New, "shared secret")
	if err != nil {
		t.Fatal(err)
	}
	c := capture{"github", []byte("1700000000.5"), [][]byte{key.sign([]byte("1700000000.5"))}}
	d, err := NewDetector([]string{"stripe", "standard"}, []string{"shared secret"})
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, forged := range c.forgeries() {
		if _, err := d.Verify(forged, time.Unix(1700000000, 0)); err == nil && json.Valid(forged.Body) {
			verified++
		}
	}
	if verified == 0 {
		t.Error("the attack has lost its teeth")
	}
}
