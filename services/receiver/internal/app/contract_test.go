package app_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const order = `{"event_type":"order.completed","data":{"order_id":"12345","amount":99.99}}`

func failure(code, message string) string {
	return `{"status":"error","code":"` + code + `","message":"` + message + `"}`
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestContract_accepted(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret, "WEBHOOK_SECRET_NEW=the new one", "GITHUB_WEBHOOK_SECRET=hub", "ACME_WEBHOOK_SECRET=acme", "ACME_WEBHOOK_SCHEME=generic")
	shape := regexp.MustCompile(`^\{"status":"success","message":"Webhook accepted","id":"msg_[0-9a-z]{26}","duplicate":(true|false)\}$`)
	form := "payload=" + "%7B%22ref%22%3A%22main%22%7D"
	for name, c := range map[string]struct {
		path, body string
		header     http.Header
	}{
		"github":               {"/webhook", order, sign(t, "github", secret, order)},
		"generic":              {"/webhook", order + " ", sign(t, "generic", secret, order+" ")},
		"standard":             {"/webhook", order, sign(t, "standard", secret, order)},
		"new secret":           {"/webhook", order + "\n", sign(t, "generic", "the new one", order+"\n")},
		"named source":         {"/webhook/github", order, sign(t, "github", "hub", order)},
		"source with a scheme": {"/webhook/acme", order, sign(t, "generic", "acme", order)},
		"suffix +json":         {"/webhook", order + "  ", sign(t, "generic", secret, order+"  ", "Content-Type", "application/cloudevents+json; charset=utf-8")},
		"GitHub's form":        {"/webhook/github", form, sign(t, "github", "hub", form, "Content-Type", "application/x-www-form-urlencoded", "X-GitHub-Event", "push")},
		"form, default source": {"/webhook", form, sign(t, "github", secret, form, "Content-Type", "application/x-www-form-urlencoded")},
		"array":                {"/webhook", `[1]`, sign(t, "generic", secret, `[1]`)},
		"identity":             {"/webhook", `[2]`, sign(t, "generic", secret, `[2]`, "Content-Encoding", "identity")},
		"large for GitHub":     {"/webhook/github", `["` + strings.Repeat("x", 2<<20) + `"]`, sign(t, "github", "hub", `["`+strings.Repeat("x", 2<<20)+`"]`)},
		"type too long":        {"/webhook", `{"type":"` + strings.Repeat("x", 300) + `"}`, sign(t, "generic", secret, `{"type":"`+strings.Repeat("x", 300)+`"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := r.post(c.path, c.body, c.header)
			if got.status != http.StatusOK || !shape.MatchString(got.body) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

func TestContract_noContentType(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for body, want := range map[string]int{order: http.StatusOK, "plain words": http.StatusUnsupportedMediaType} {
		h := sign(t, "generic", secret, body)
		h.Del("Content-Type")
		if got := r.post("/webhook", body, h); got.status != want {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

func TestContract_refused(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret, "GITHUB_WEBHOOK_SECRET=hub")
	invalid := failure("invalid_signature", "Invalid signature")
	late := http.Header{"Content-Type": {"application/json"}}
	signer, err := signature.NewSigner("standard", secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(signature.Outgoing{ID: "e", Time: time.Now().Add(-time.Hour), Body: []byte(order)}, late); err != nil {
		t.Fatal(err)
	}
	// A genuine JSON event in which a stranger wrote a form: the signature does not cover the media type.
	trap := `{"comment":"&payload=%7B%22type%22%3A%22order.completed%22%7D&"}`
	both := sign(t, "github", secret, order)
	both.Set("X-Signature-256", both.Get("X-Hub-Signature-256"))
	cases := map[string]struct {
		path, body string
		header     http.Header
		status     int
		want       string
	}{
		"unknown source":        {"/webhook/nobody", order, sign(t, "github", secret, order), 404, failure("unknown_source", "Unknown source")},
		"source below a source": {"/webhook/github/x", order, sign(t, "github", "hub", order), 404, failure("unknown_source", "Unknown source")},
		"too large":             {"/webhook", strings.Repeat("x", 1<<20+1), nil, 413, failure("body_too_large", "Body too large")},
		"larger than any":       {"/webhook/github", strings.Repeat("x", 25<<20+1), nil, 413, failure("body_too_large", "Body too large")},
		"no signature":          {"/webhook", order, header("Content-Type", "application/json"), 401, invalid},
		"one byte changed":      {"/webhook", order + " ", sign(t, "github", secret, order), 401, invalid},
		"another secret":        {"/webhook", order, sign(t, "github", "other", order), 401, invalid},
		"another source's":      {"/webhook/github", order, sign(t, "github", secret, order), 401, invalid},
		"another scheme":        {"/webhook/github", order, sign(t, "generic", "hub", order), 401, invalid},
		"no hexadecimal":        {"/webhook", order, header("X-Hub-Signature-256", "sha256=zz"), 401, invalid},
		"too old":               {"/webhook", order, late, 401, invalid},
		"two schemes":           {"/webhook", order, both, 401, invalid},
		"unsigned and no JSON":  {"/webhook", "x", header("Content-Type", "text/plain"), 401, invalid},
		"media type":            {"/webhook", order, sign(t, "generic", secret, order, "Content-Type", "text/plain"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"form, not GitHub's":    {"/webhook", "payload=%7B%7D", sign(t, "generic", secret, "payload=%7B%7D", "Content-Type", "application/x-www-form-urlencoded"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"form without payload":  {"/webhook", "a=b", sign(t, "github", secret, "a=b", "Content-Type", "application/x-www-form-urlencoded"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"a form in a text":      {"/webhook", trap, sign(t, "github", secret, trap, "Content-Type", "application/x-www-form-urlencoded"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"a field more":          {"/webhook", "payload=%7B%7D&payload=%7B%7D", sign(t, "github", secret, "payload=%7B%7D&payload=%7B%7D", "Content-Type", "application/x-www-form-urlencoded"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"form with no JSON":     {"/webhook", "payload=x", sign(t, "github", secret, "payload=x", "Content-Type", "application/x-www-form-urlencoded"), 400, failure("invalid_json", "Invalid JSON")},
		"compressed":            {"/webhook", gzipped(t, order), sign(t, "generic", secret, gzipped(t, order), "Content-Encoding", "gzip"), 415, failure("unsupported_media_type", "Unsupported media type")},
		"no JSON":               {"/webhook", `{"a":`, sign(t, "github", secret, `{"a":`), 400, failure("invalid_json", "Invalid JSON")},
		"two values":            {"/webhook", `{}{}`, sign(t, "github", secret, `{}{}`), 400, failure("invalid_json", "Invalid JSON")},
		"a scalar":              {"/webhook", `"x"`, sign(t, "github", secret, `"x"`), 400, failure("invalid_json", "Invalid JSON")},
		"empty":                 {"/webhook", ``, sign(t, "github", secret, ``), 400, failure("invalid_json", "Invalid JSON")},
		"unknown path":          {"/other", order, nil, 404, failure("not_found", "Not found")},
		"admin on public":       {"/api/v1/stats", "", nil, 404, failure("not_found", "Not found")},
	}
	t.Run("replies", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := r.post(c.path, c.body, c.header)
				if got.status != c.status || got.body != c.want || got.header.Get("Content-Type") != "application/json" {
					t.Errorf("%d %s; want %d %s", got.status, got.body, c.status, c.want)
				}
			})
		}
	})
	if n := r.stats().Messages; n != 0 {
		t.Errorf("%d refused messages were stored", n)
	}
}

func TestContract_otherMethods(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		for _, path := range []string{"/webhook", "/webhook/github"} {
			got := r.do(r.request(method, "http://"+r.Addr()+path, nil, nil))
			if got.status != http.StatusMethodNotAllowed || got.body != failure("method_not_allowed", "Method not allowed") || got.header.Get("Allow") != http.MethodPost {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
}

func TestContract_duplicates(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	body := `{"type":"push"}`
	for name, c := range map[string]struct {
		first, second http.Header
		other         string // the second body, if another
		duplicate     bool
	}{
		"signed id":               {sign(t, "standard", secret, body), sign(t, "standard", secret, body), "", true},
		"unsigned id":             {sign(t, "github", secret, body, "X-GitHub-Delivery", "d1"), sign(t, "github", secret, body, "X-GitHub-Delivery", "d1"), "", true},
		"unsigned id, other body": {sign(t, "github", secret, body, "X-GitHub-Delivery", "d2"), sign(t, "github", secret, "[]", "X-GitHub-Delivery", "d2"), "[]", false},
		"idempotency key":         {sign(t, "generic", secret, body, "Idempotency-Key", "k"), sign(t, "generic", secret, body, "Idempotency-Key", "k"), "", true},
		"no id":                   {sign(t, "generic", secret, body), sign(t, "generic", secret, body), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := r.take(body, c.first)
			second := body
			if c.other != "" {
				second = c.other
			}
			var again accepted
			decode(t, r.post("/webhook", second, c.second).body, &again)
			if again.Duplicate != c.duplicate || again.Duplicate != (again.ID == first) {
				t.Errorf("first %s, then %+v", first, again)
			}
		})
	}
}

func TestContract_unsigned(t *testing.T) {
	t.Parallel()
	refuses := start(t)
	if got := refuses.post("/webhook", order, header("Content-Type", "application/json")); got.status != http.StatusUnauthorized {
		t.Errorf("without a secret: %d %s", got.status, got.body)
	}
	if refuses.logs.FilterMessageSnippet("refuses everything").Len() != 1 {
		t.Error("no warning that the source refuses everything")
	}
	takes := start(t, "WEBHOOK_ALLOW_UNSIGNED=true")
	if got := takes.post("/webhook", order, header("Content-Type", "application/json")); got.status != http.StatusOK {
		t.Errorf("unsigned: %d %s", got.status, got.body)
	}
	if got := takes.post("/webhook", "{", header("Content-Type", "application/json")); got.status != http.StatusBadRequest {
		t.Errorf("unsigned, no JSON: %d %s", got.status, got.body)
	}
	if takes.logs.FilterMessageSnippet("WEBHOOK_ALLOW_UNSIGNED").Len() != 1 {
		t.Error("no warning that unsigned requests are taken")
	}
}

func TestContract_front(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	get := func(path string, pairs ...string) reply {
		return r.do(r.request(http.MethodGet, "http://"+r.Addr()+path, nil, header(pairs...)))
	}
	want := `{"name":"signet-receiver","version":"test","endpoints":["POST /webhook","POST /webhook/{source}","GET /health","GET /livez","GET /readyz"]}`
	if got := get("/"); got.status != http.StatusOK || got.body != want {
		t.Errorf("GET /: %d %s", got.status, got.body)
	}
	page := get("/", "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.body, "POST /webhook") {
		t.Errorf("the page is %q", page.body)
	}
	for _, path := range []string{"/health", "/readyz", "/livez"} {
		if got := get(path); got.status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, got.status, got.body)
		}
	}
	if got := get("/health"); !strings.HasPrefix(got.body, `{"status":"healthy"`) {
		t.Errorf("GET /health: %s", got.body)
	}
	if got := get("/metrics"); got.status != http.StatusNotFound {
		t.Errorf("metrics on the public side: %d", got.status)
	}
}
