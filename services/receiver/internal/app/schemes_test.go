package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// eventHeaders are where providers say the event's type outside the body.
var eventHeaders = map[string]string{
	"bitbucket": "X-Event-Key", "github": "X-GitHub-Event", "github-sha1": "X-GitHub-Event", "gitlab": "X-Gitlab-Event",
	"linear": "Linear-Event", "shopify": "X-Shopify-Topic", "twitch": "Twitch-Eventsub-Subscription-Type", describedScheme: "X-Acme-Event",
}

// idHeaders are where ids stand that nothing signs, and that a Signer leaves out.
var idHeaders = map[string]string{"bitbucket": "X-Request-UUID", "linear": "Linear-Delivery", "shopify": "X-Shopify-Event-Id"}

// withoutID are the schemes whose events have no id: sent again, one is another.
var withoutID = []string{"dropbox", "generic", "hubspot", "sendgrid", "zoom"}

// send posts a provider's request and wants a status; want is what the body must be, or begin with.
func (r *rig) send(t *testing.T, p provider, x parcel, status int, want string) (a accepted) {
	t.Helper()
	got := r.post(p.path(), x.body, x.header)
	if got.status != status || !strings.HasPrefix(got.body, want) || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s; want %d %s", got.status, got.body, status, want)
	}
	decode(t, got.body, &a)
	return a
}

const taken = `{"status":"success","message":"Webhook accepted","id":"msg_`

// TestSchemes posts to a receiver that has a source for every scheme, over HTTP, with secrets from its variables.
func TestSchemes(t *testing.T) {
	t.Parallel()
	environ := []string{"RECEIVER_PUBLIC_URL=" + publicURL + "/"}
	all := providers(t)
	for _, p := range all {
		environ = append(environ, p.variables()...)
	}
	r := start(t, environ...)
	t.Run("providers", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.source, func(t *testing.T) {
				t.Parallel()
				r.genuine(t, p)
				r.tampered(t, p)
				r.expired(t, p)
			})
		}
	})
	metrics := r.metrics()
	for _, p := range all {
		for reason, happens := range map[string]bool{"mismatch": true, "too_old": p.Tolerance > 0, "too_new": p.Tolerance > 0} {
			line := fmt.Sprintf("\nsignet_rejections_total{reason=%q,source=%q} 1\n", reason, p.source)
			if strings.Contains(metrics, line) != happens {
				t.Errorf("%s: refused because of %s is not %v", p.source, reason, happens)
			}
		}
	}
}

// metrics are all of them, as text.
func (r *rig) metrics() string {
	r.t.Helper()
	return r.do(r.request(http.MethodGet, "http://"+r.AdminAddr()+"/metrics", nil, nil)).body
}

// genuine sends an event twice and looks at what the admin API has of it.
func (r *rig) genuine(t *testing.T, p provider) {
	t.Helper()
	wantType := "order.noted"
	if p.Name == "twilio" {
		wantType = "unknown" // a form of Twilio's fields says no type
	}
	pairs := []string{"X-Shopify-Topic", "not for everybody"}
	if name := eventHeaders[p.Name]; name != "" {
		wantType = "own.type"
		pairs = []string{name, wantType}
	}
	if name := idHeaders[p.Name]; name != "" {
		pairs = append(pairs, name, "own-id")
	}
	x := p.compose(t, "evt_1", time.Now(), pairs...)
	first := r.send(t, p, x, http.StatusOK, taken)
	again := r.send(t, p, x, http.StatusOK, taken)
	dedupes := !slices.Contains(withoutID, p.Name)
	if first.Duplicate || again.Duplicate != dedupes || (again.ID == first.ID) != dedupes {
		t.Errorf("first %+v, then %+v", first, again)
	}
	var stored message
	r.admin(http.MethodGet, "/api/v1/messages/"+first.ID, &stored)
	if stored.Source != p.source || stored.Type != wantType || string(stored.Body) != x.body {
		t.Errorf("stored is %+v, want type %s and the body as it was sent", stored, wantType)
	}
	var listed list[message]
	r.admin(http.MethodGet, "/api/v1/messages?source="+p.source, &listed)
	if want := map[bool]int{true: 1, false: 2}[dedupes]; len(listed.Items) != want {
		t.Errorf("%d messages, want %d", len(listed.Items), want)
	}
}

// tampered sends an event with one byte that its provider did not sign.
func (r *rig) tampered(t *testing.T, p provider) {
	t.Helper()
	x := p.compose(t, "evt_2", time.Now())
	before, after := "genuine", "Genuine"
	if p.Name == "mailgun" { // whose token alone is signed, and never the event
		before, after = "evt2", "evt3"
	}
	if strings.Count(x.body, before) != 1 {
		t.Fatalf("%s has no %s to tamper with", x.body, before)
	}
	x.body = strings.Replace(x.body, before, after, 1)
	r.send(t, p, x, http.StatusUnauthorized, failure("invalid_signature", "Invalid signature"))
}

// expired sends events signed a minute too early and too late. A scheme that signs no time cannot tell.
func (r *rig) expired(t *testing.T, p provider) {
	t.Helper()
	if p.Tolerance == 0 {
		r.send(t, p, p.compose(t, "evt_4", time.Now().AddDate(-1, 0, 0)), http.StatusOK, taken)
		return
	}
	for id, off := range map[string]time.Duration{"evt_4": -time.Minute - p.Tolerance, "evt_5": time.Minute + p.Tolerance} {
		r.send(t, p, p.compose(t, id, time.Now().Add(off)), http.StatusUnauthorized, failure("invalid_signature", "Invalid signature"))
	}
}

// TestSchemes_forms: what Slack and Twilio post as forms is stored as it is; nobody else's form is taken.
func TestSchemes_forms(t *testing.T) {
	t.Parallel()
	environ := []string{"RECEIVER_PUBLIC_URL=" + publicURL}
	all := map[string]provider{}
	for _, scheme := range []string{"bitbucket", "github_sha1", "slack", "stripe", "twilio"} {
		p := newProvider(t, strings.ReplaceAll(scheme, "_", "-"), scheme)
		all[scheme] = p
		environ = append(environ, p.variables()...)
	}
	r := start(t, environ...)
	payload := "payload=" + "%7B%22type%22%3A%22block_actions%22%7D"
	for name, c := range map[string]struct {
		scheme, body, contentType string
		status                    int
		want                      string // the stored type, or the reply
	}{
		"slash command":           {"slack", "token=t&command=%2Fdeploy&text=now", formType, 200, "unknown"},
		"interaction":             {"slack", payload, formType, 200, "block_actions"},
		"payload that is no JSON": {"slack", "payload=now", formType, 200, "unknown"},
		"JSON called a form":      {"slack", `{"type":"event_callback"}`, formType, 415, failure("unsupported_media_type", "Unsupported media type")},
		"form called JSON":        {"slack", "token=t&command=%2Fdeploy", "application/json", 400, failure("invalid_json", "Invalid JSON")},
		"form of no type":         {"slack", "token=t&command=%2Fdeploy", "", 415, failure("unsupported_media_type", "Unsupported media type")},
		"Twilio's fields":         {"twilio", "Body=hello&From=%2B15550100", formType, 200, "unknown"},
		"GitHub's old signature":  {"github_sha1", payload, formType, 200, "block_actions"},
		"GitHub's fields":         {"github_sha1", "a=b", formType, 415, failure("unsupported_media_type", "Unsupported media type")},
		"Stripe's form":           {"stripe", payload, formType, 415, failure("unsupported_media_type", "Unsupported media type")},
		"Bitbucket's form":        {"bitbucket", payload, formType, 415, failure("unsupported_media_type", "Unsupported media type")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pairs []string
			if c.contentType != "" {
				pairs = []string{"Content-Type", c.contentType}
			}
			p := all[c.scheme]
			x := p.sign(t, "evt_"+strings.ReplaceAll(name, " ", "_"), time.Now(), c.body, pairs...)
			if c.status != http.StatusOK {
				r.send(t, p, x, c.status, c.want)
				return
			}
			var m message
			r.admin(http.MethodGet, "/api/v1/messages/"+r.send(t, p, x, c.status, taken).ID, &m)
			if m.Type != c.want || string(m.Body) != c.body {
				t.Errorf("stored is %+v", m)
			}
		})
	}
}

// TestSchemes_signedURL: path and query count as they are spelled in the request line, under the public base.
func TestSchemes_signedURL(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "square", "square")
	r := start(t, append(p.variables(), "RECEIVER_PUBLIC_URL="+publicURL)...)
	signer, err := signature.NewSigner(p.Name, p.signing)
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range []struct {
		signed, sent string
		status       int
	}{
		{"/webhook/square", "/webhook/square", 200},
		{"/webhook/square?a=%7e%2F&b=/../c&d", "/webhook/square?a=%7e%2F&b=/../c&d", 200},
		{"/webhook/square?a=%7E", "/webhook/square?a=%7e", 401},
		{"/webhook/square?a=1", "/webhook/square", 401},
		{"/webhook/square", "/webhook/square?a=1", 401},
		{"/webhook/square/", "/webhook/square", 401},
	} {
		body := fmt.Sprintf(`{"event_id":"evt_%d"}`, n)
		h := header("Content-Type", "application/json", "X-Forwarded-Host", "elsewhere.example.com")
		if err := signer.Sign(signature.Outgoing{Method: http.MethodPost, URL: publicURL + c.signed, Body: []byte(body)}, h); err != nil {
			t.Fatal(err)
		}
		if got := r.post(c.sent, body, h); got.status != c.status {
			t.Errorf("signed %s, sent %s: %d %s", c.signed, c.sent, got.status, got.body)
		}
	}
}

// TestSchemes_idInSignedBody: a header that nobody signs does not make a new event of a signed one.
func TestSchemes_idInSignedBody(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "stripe", "stripe")
	r := start(t, p.variables()...)
	first := r.send(t, p, p.compose(t, "evt_1", time.Now()), http.StatusOK, taken)
	again := r.send(t, p, p.compose(t, "evt_1", time.Now(), "Idempotency-Key", "k", "Webhook-Id", "w"), http.StatusOK, taken)
	other := r.send(t, p, p.compose(t, "evt_2", time.Now()), http.StatusOK, taken)
	if !again.Duplicate || again.ID != first.ID || other.Duplicate {
		t.Errorf("first %+v, again %+v, another %+v", first, again, other)
	}
}

// TestSchemes_tokenIsSpentOnce: Mailgun's signature fits any event, but each token counts once.
func TestSchemes_tokenIsSpentOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "mailgun", "mailgun")
	r := start(t, p.variables()...)
	now := time.Now()
	h := header("Content-Type", "application/json")
	first := r.send(t, p, parcel{mailgunBody(p.signing, "tok", now, "genuine"), h}, http.StatusOK, taken)
	again := r.send(t, p, parcel{mailgunBody(p.signing, "tok", now, "forged"), h}, http.StatusOK, taken)
	if !again.Duplicate || again.ID != first.ID {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if n := r.logs.FilterMessageSnippet("does not cover the body").Len(); n != 1 {
		t.Errorf("%d warnings at start", n)
	}
}

// TestSchemes_gitlabToken: a secret token proves who sent, and nothing of what.
func TestSchemes_gitlabToken(t *testing.T) {
	t.Parallel()
	p := newProvider(t, "gitlab", "gitlab")
	p.signing, p.known = "a plain token", "a plain token"
	r := start(t, p.variables()...)
	x := p.compose(t, "evt_1", time.Now(), "X-Gitlab-Event", "Push Hook")
	first := r.send(t, p, x, http.StatusOK, taken)
	var m message
	r.admin(http.MethodGet, "/api/v1/messages/"+first.ID, &m)
	if m.Type != "Push Hook" || m.Headers["X-Gitlab-Token"] != nil {
		t.Errorf("stored is %+v", m)
	}
	if r.logs.FilterMessageSnippet("signs nothing").Len() != 1 {
		t.Error("no warning at start")
	}
	x.header.Set("X-Gitlab-Token", "another token")
	r.send(t, p, x, http.StatusUnauthorized, failure("invalid_signature", "Invalid signature"))
}

// TestSchemes_replayGuard: a body counts once where that is asked for, whatever unsigned id comes with it.
func TestSchemes_replayGuard(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret, "GITHUB_WEBHOOK_SECRET="+secret, "GITHUB_REPLAY_GUARD=body")
	post := func(path, body, id string) (a accepted) {
		h := sign(t, "github", secret, body)
		h.Set("X-GitHub-Delivery", id)
		decode(t, r.post(path, body, h).body, &a)
		return a
	}
	for path, guarded := range map[string]bool{"/webhook": false, "/webhook/github": true} {
		first, again, other := post(path, order, "1"), post(path, order, "2"), post(path, order+" ", "1")
		if first.ID == "" || first.Duplicate || again.Duplicate != guarded || (again.ID == first.ID) != guarded || other.Duplicate {
			t.Errorf("%s: first %+v, under a new id %+v, another body %+v", path, first, again, other)
		}
	}
}
