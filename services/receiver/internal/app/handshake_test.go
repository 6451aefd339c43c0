package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"
)

// handshake is how a provider tests an endpoint, and what it wants to hear.
type handshake struct {
	method, query, body string
	pairs               []string
	status              int
	contentType, reply  string
}

func handshakes(zoomKey string) map[string]handshake {
	mac := hmac.New(sha256.New, []byte(zoomKey))
	mac.Write([]byte("qgg8vlvZRS6UYooatFL8Aw"))
	const plain, post = "text/plain", http.MethodPost
	return map[string]handshake{
		"slack":   {post, "", `{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}`, nil, 200, plain, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"},
		"twitch":  {post, "", `{"challenge":"pogchamp-kappa","subscription":{}}`, []string{"Twitch-Eventsub-Message-Type", "webhook_callback_verification"}, 200, plain, "pogchamp-kappa"},
		"dropbox": {http.MethodGet, "?challenge=abc%2F123", "", nil, 200, plain, "abc/123"},
		"zoom": {
			post, "", `{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}`, nil, 200,
			"application/json", `{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"` + hex.EncodeToString(mac.Sum(nil)) + `"}`,
		},
		"discord":        {post, "", `{"type":1,"application_id":"1"}`, nil, 200, "application/json", `{"type":1}`},
		"discord_events": {post, "", `{"type":0,"application_id":"1","version":1}`, nil, 204, "application/json", ""},
	}
}

// ask sends a handshake, signed by p as of at where the provider signs it.
func (r *rig) ask(t *testing.T, p provider, path string, h handshake, at time.Time) reply {
	t.Helper()
	signed := header(h.pairs...)
	if h.method == http.MethodPost {
		signed = p.sign(t, "evt_1", at, h.body, append([]string{"Content-Type", "application/json"}, h.pairs...)...).header
	}
	return r.do(r.request(h.method, "http://"+r.Addr()+path+h.query, []byte(h.body), signed))
}

// handshaker is a receiver with a source for each provider that tests endpoints.
func handshaker(t *testing.T) (*rig, map[string]provider, map[string]handshake) {
	t.Helper()
	all := map[string]provider{"discord_events": newProvider(t, "discord", "discord_events")}
	environ := append(all["discord_events"].variables(), "DISCORD_EVENTS_WEBHOOK_SCHEME=discord", "WEBHOOK_SECRET="+secret)
	for _, p := range providers(t) {
		if p.Handshake {
			all[p.source] = p
			environ = append(environ, p.variables()...)
		}
	}
	expected := handshakes(all["zoom"].known)
	if len(all) != len(expected) {
		t.Fatalf("%d providers with a handshake, and %d handshakes", len(all), len(expected))
	}
	return start(t, environ...), all, expected
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	r, all, expected := handshaker(t)
	for name, h := range expected {
		p := all[name]
		got := r.ask(t, p, p.path(), h, time.Now())
		if got.status != h.status || got.body != h.reply || got.header.Get("Content-Type") != h.contentType {
			t.Errorf("%s: %d %q %s", name, got.status, got.header.Get("Content-Type"), got.body)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers are %v", name, got.header)
		}
	}
	metrics := r.metrics()
	for name := range expected {
		if !strings.Contains(metrics, "\n"+`signet_webhooks_total{outcome="handshake",source="`+name+`"} 1`+"\n") {
			t.Errorf("%s: the handshake is not counted", name)
		}
	}
	told := r.logs.FilterMessage("handshake answered").All()
	if len(told) != len(expected) {
		t.Errorf("%d handshakes in the log", len(told))
	}
	if n := r.stats().Messages; n != 0 {
		t.Errorf("%d handshakes were stored", n)
	}
	detected := provider{Info: all["slack"].Info, signing: secret}
	if got := r.ask(t, detected, "/webhook", expected["slack"], time.Now()); got.status != http.StatusOK || got.body != expected["slack"].reply {
		t.Errorf("on the default source: %d %s", got.status, got.body)
	}
}

func TestHandshake_forged(t *testing.T) {
	t.Parallel()
	r, all, expected := handshaker(t)
	invalid := failure("invalid_signature", "Invalid signature")
	for name, h := range expected {
		p := all[name]
		forger := newProvider(t, p.Name, p.source)
		if !p.PublicKey {
			forger.signing = "a secret of the forger's"
		}
		if h.method != http.MethodPost { // nothing in it is signed
			continue
		}
		for how, got := range map[string]reply{
			"another secret": r.ask(t, forger, p.path(), h, time.Now()),
			"too old":        r.ask(t, p, p.path(), h, time.Now().Add(-time.Hour)),
			"unsigned":       r.do(r.request(h.method, "http://"+r.Addr()+p.path(), []byte(h.body), header(h.pairs...))),
		} {
			if got.status != http.StatusUnauthorized || got.body != invalid {
				t.Errorf("%s, %s: %d %s", name, how, got.status, got.body)
			}
		}
	}
	zoom := all["zoom"]
	h := expected["zoom"]
	h.body = strings.Replace(h.body, "qgg8", "v0:1", 1) // what it would sign is the beginning of an event
	if got := r.ask(t, zoom, zoom.path(), h, time.Now()); got.status != http.StatusUnauthorized || got.body != invalid {
		t.Errorf("zoom, text to sign: %d %s", got.status, got.body)
	}
	if n := r.stats().Messages; n != 0 {
		t.Errorf("%d forged handshakes were stored", n)
	}
}

func TestHandshake_get(t *testing.T) {
	t.Parallel()
	r, _, _ := handshaker(t)
	invalid, notAllowed := failure("invalid_signature", "Invalid signature"), failure("method_not_allowed", "Method not allowed")
	for name, c := range map[string]struct {
		method, path string
		status       int
		body         string
	}{
		"no challenge":           {http.MethodGet, "/webhook/dropbox", 405, notAllowed},
		"two challenges":         {http.MethodGet, "/webhook/dropbox?challenge=a&challenge=b", 401, invalid},
		"an unprintable one":     {http.MethodGet, "/webhook/dropbox?challenge=%00", 401, invalid},
		"HEAD":                   {http.MethodHead, "/webhook/dropbox?challenge=a", 405, ""},
		"PUT":                    {http.MethodPut, "/webhook/dropbox?challenge=a", 405, notAllowed},
		"POST":                   {http.MethodPost, "/webhook/dropbox?challenge=a", 401, invalid},
		"a source without one":   {http.MethodGet, "/webhook/slack?challenge=a", 405, notAllowed},
		"the default source":     {http.MethodGet, "/webhook?challenge=a", 405, notAllowed},
		"a source that is not":   {http.MethodGet, "/webhook/nobody?challenge=a", 405, notAllowed},
		"a path below a source":  {http.MethodGet, "/webhook/dropbox/x?challenge=a", 405, notAllowed},
		"markup stays plain":     {http.MethodGet, "/webhook/dropbox?challenge=%3Cscript%3E", 200, "<script>"},
		"other parameters count": {http.MethodGet, "/webhook/dropbox?a=b&challenge=c", 200, "c"},
	} {
		got := r.do(r.request(c.method, "http://"+r.Addr()+c.path, nil, nil))
		if got.status != c.status || got.body != c.body {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if c.status == 405 && got.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: allows %q", name, got.header.Get("Allow"))
		}
		if c.status == 200 && (got.header.Get("Content-Type") != "text/plain" || got.header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: headers are %v", name, got.header)
		}
	}
}
