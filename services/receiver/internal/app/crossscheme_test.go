package app_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// How schemes put together what they sign. Two schemes of one layout under one secret make one signature of one
// event: there nothing is forged, only sent again.
const (
	bodyAlone  = "body"
	timeDot    = "time.body"
	idTimeDot  = "id.time.body"
	versioned  = "v0:time:body"
	ownLayout  = "of its own"
	timeFirst  = "hmac-sha256:header=X-Acme-Signature,timestamp=X-Acme-Time,signed={timestamp}.{body}"
	sharedWord = "one secret for everybody"
)

var layouts = map[string]string{
	"bitbucket": bodyAlone, "convoy": bodyAlone, "dropbox": bodyAlone, "generic": bodyAlone, "github": bodyAlone,
	"linear": bodyAlone, "shopify": bodyAlone, "stripe": timeDot, timeFirst: timeDot,
	"gitlab": idTimeDot, "standard": idTimeDot, "svix": idTimeDot, "slack": versioned, "zoom": versioned,
	"github-sha1": ownLayout, "intercom": ownLayout, "twilio": ownLayout, "square": ownLayout, "hubspot": ownLayout,
	"convoy-advanced": ownLayout, "paddle": ownLayout, "twitch": ownLayout, "mailgun": ownLayout,
}

// capture is a genuine request that somebody saw, taken apart.
type capture struct {
	parcel

	scheme string
	id     string
	at     time.Time
	text   string // what was signed
	mac    []byte
}

// captured takes a request apart. The text is known to be right because its MAC stands in the request.
func captured(t *testing.T, p provider, id string, at time.Time, x parcel) capture {
	t.Helper()
	c := capture{parcel: x, scheme: p.Name, id: id, at: at, text: signedText(t, p, id, at, x)}
	newHash, key := func() hash.Hash { return sha256.New() }, []byte(p.signing)
	if slices.Contains([]string{"github-sha1", "intercom", "twilio"}, p.Name) {
		newHash = sha1.New
	}
	if encoded, found := strings.CutPrefix(p.signing, "whsec_"); found && layouts[p.Name] == idTimeDot {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			t.Fatal(err)
		}
	}
	mac := hmac.New(newHash, key)
	mac.Write([]byte(c.text))
	c.mac = mac.Sum(nil)
	everything := fmt.Sprint(x.header, x.body)
	if !strings.Contains(everything, hex.EncodeToString(c.mac)) && !strings.Contains(everything, base64.StdEncoding.EncodeToString(c.mac)) {
		t.Fatalf("%s signs something else than %q", p.Name, c.text)
	}
	return c
}

func signedText(t *testing.T, p provider, id string, at time.Time, x parcel) string {
	t.Helper()
	seconds := fmt.Sprint(at.Unix())
	switch p.Name {
	case "github-sha1", "intercom":
		return x.body
	case "convoy-advanced":
		return seconds + "," + x.body
	case "paddle":
		return seconds + ":" + x.body
	case "twitch":
		return id + at.UTC().Format(time.RFC3339) + x.body
	case "mailgun":
		return seconds + strings.ReplaceAll(id, "_", "")
	case "square":
		return publicURL + p.path() + x.body
	case "hubspot":
		return "POST" + publicURL + p.path() + x.body + fmt.Sprint(at.UnixMilli())
	case "twilio":
		text := publicURL + p.path()
		form, err := url.ParseQuery(x.body)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(form)) {
			text += name + form.Get(name)
		}
		return text
	}
	return map[string]string{
		bodyAlone: x.body, timeDot: seconds + "." + x.body, idTimeDot: id + "." + seconds + "." + x.body, versioned: "v0:" + seconds + ":" + x.body,
	}[layouts[p.Name]]
}

// forgery is a captured signature under another scheme.
type forgery struct {
	capture

	target   string // the scheme that its headers announce
	id, time string
	body     string
}

// forgeries are all readings of the signed text under a scheme that is detected, and the genuine parts as they are.
func (c capture) forgeries(target string) []forgery {
	seconds := fmt.Sprint(c.at.Unix())
	all := []forgery{
		{c, target, c.id, seconds, c.body},
		{c, target, c.id, seconds, c.text},
	}
	parts := func(text, separator string, found func(before, after string)) {
		for at := 0; ; {
			next := strings.Index(text[at:], separator)
			if next < 0 {
				return
			}
			at += next + len(separator)
			found(text[:at-len(separator)], text[at:])
		}
	}
	switch layouts[target] {
	case timeDot:
		parts(c.text, ".", func(t, body string) { all = append(all, forgery{c, target, "", t, body}) })
	case versioned:
		if rest, found := strings.CutPrefix(c.text, "v0:"); found {
			parts(rest, ":", func(t, body string) { all = append(all, forgery{c, target, "", t, body}) })
		}
	case idTimeDot:
		parts(c.text, ".", func(id, rest string) {
			parts(rest, ".", func(t, body string) { all = append(all, forgery{c, target, id, t, body}) })
		})
	}
	return all
}

// headers announce the target's scheme.
func (f forgery) headers(contentType string) http.Header {
	digits, encoded := hex.EncodeToString(f.mac), base64.StdEncoding.EncodeToString(f.mac)
	h := header(map[string][]string{
		"github":   {"X-Hub-Signature-256", "sha256=" + digits},
		"generic":  {"X-Signature-256", "sha256=" + digits},
		"stripe":   {"Stripe-Signature", "t=" + f.time + ",v1=" + digits},
		"slack":    {"X-Slack-Signature", "v0=" + digits, "X-Slack-Request-Timestamp", f.time},
		"standard": {"Webhook-Id", f.id, "Webhook-Timestamp", f.time, "Webhook-Signature", "v1," + encoded},
		"svix":     {"Svix-Id", f.id, "Svix-Timestamp", f.time, "Svix-Signature", "v1," + encoded},
	}[f.target]...)
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

// isTheEvent reports whether the forgery says just what its provider signed, no matter under which names.
func (f forgery) isTheEvent() bool {
	return layouts[f.scheme] != ownLayout && layouts[f.scheme] == layouts[f.target] && f.body == f.capture.body &&
		(layouts[f.target] != idTimeDot || f.id == f.capture.id) && (layouts[f.target] == bodyAlone || f.time == fmt.Sprint(f.at.Unix()))
}

// honest are bodies that a sender may well sign, some with words in them that look like parts of a signed text.
func honest(at time.Time) []string {
	seconds := fmt.Sprint(at.Unix())
	return []string{
		`{"type":"order.noted","id":"evt_1"}`,
		`[1,{"a":2}]`,
		seconds + ".5",
		seconds + ".5e1",
		`"x.` + seconds + `.{}"`,
		`{"t":"a.` + seconds + `.[1]","u":"v0:` + seconds + `:{}","v":"&payload=%7B%7D&"}`,
		" \n" + `{"a":` + seconds + `.25}`,
	}
}

// captures are genuine requests of every scheme that the secret serves.
func captures(t *testing.T, shared string, at time.Time) (all []capture) {
	t.Helper()
	const id = "evt_1"
	for _, scheme := range append(signature.Schemes(), timeFirst) {
		info, err := signature.Describe(scheme)
		if err != nil {
			t.Fatal(err)
		}
		_, err = signature.NewSigner(scheme, shared)
		switch {
		case info.PublicKey: // a key pair cannot be shared
			continue
		case info.CanSign && errors.Is(err, signature.ErrInvalidSecret):
			continue
		case scheme == "gitlab" && !strings.HasPrefix(shared, "whsec_"): // its token is the secret itself
			continue
		case layouts[scheme] == "":
			t.Fatalf("what %s signs is not in the table", scheme)
		}
		p := provider{Info: info, source: "elsewhere", signing: shared, known: shared}
		all = append(all, captured(t, p, id, at, p.compose(t, id, at)))
		bodies := honest(at)
		if layouts[scheme] != bodyAlone { // then what is before the body decides, whatever the body
			bodies = bodies[:3]
		} else if scheme != "dropbox" { // schemes that sign the body alone all make one signature
			continue
		}
		for _, body := range bodies {
			signer, err := signature.NewSigner(scheme, shared)
			if err != nil || scheme == "twilio" {
				continue
			}
			h := http.Header{}
			out := signature.Outgoing{ID: id, Time: at, Method: http.MethodPost, URL: publicURL + p.path(), ContentType: "application/json", Body: []byte(body)}
			if err := signer.Sign(out, h); err != nil {
				continue // linear and hubspot take some bodies only
			}
			all = append(all, captured(t, p, id, at, parcel{body, h}))
		}
	}
	return all
}

// TestCrossScheme captures a genuine request of every scheme, all under one secret, and passes it off as each
// scheme that the default source detects. What is accepted is at most the event that was signed.
func TestCrossScheme(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]string{
		"plain": sharedWord, "whsec": "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes for it")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, "WEBHOOK_SECRET="+shared, "RECEIVER_PUBLIC_URL="+publicURL)
			replies := map[string]int{}
			for _, c := range captures(t, shared, time.Now().Truncate(time.Second)) {
				for _, target := range []string{"generic", "github", "slack", "standard", "stripe", "svix"} {
					for _, f := range c.forgeries(target) {
						if !strings.ContainsAny(f.id+f.time, "\r\n") { // which no header carries
							r.passOff(t, f, replies)
						}
					}
				}
			}
			for _, happens := range []string{"200", "invalid_signature", "invalid_json", "unsupported_media_type"} {
				if replies[happens] == 0 {
					t.Errorf("no forgery got %s: %v", happens, replies)
				}
			}
		})
	}
}

func (r *rig) passOff(t *testing.T, f forgery, replies map[string]int) {
	t.Helper()
	types := []string{"application/json", "", formType}
	if f.isTheEvent() {
		types = types[:1]
	}
	for _, contentType := range types {
		h := f.headers(contentType)
		if contentType == "" { // the genuine headers beside the forged ones
			for name, values := range f.header {
				if h[name] == nil {
					h[name] = values
				}
			}
			h.Del("Content-Type")
		}
		got := r.post("/webhook", f.body, h)
		var said struct{ Code string }
		decode(t, got.body, &said)
		if said.Code == "" {
			said.Code = fmt.Sprint(got.status)
		}
		replies[said.Code]++
		if got.status == http.StatusOK && !f.isTheEvent() {
			t.Errorf("%s passes for %s: id %q, time %q, body %q, headers %v", f.scheme, f.target, f.id, f.time, f.body, h)
		}
	}
}

// TestCrossScheme_mailgun fills Mailgun's fields, which sign no event, with what others signed.
func TestCrossScheme_mailgun(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+sharedWord, "MAILGUN_WEBHOOK_SECRET="+sharedWord, "RECEIVER_PUBLIC_URL="+publicURL)
	for _, c := range captures(t, sharedWord, time.Now().Truncate(time.Second)) {
		if c.scheme == "mailgun" {
			if got := r.post("/webhook", c.body, c.header); got.status != http.StatusUnauthorized {
				t.Errorf("a genuine one on the default source: %d %s", got.status, got.body)
			}
			continue
		}
		seconds := fmt.Sprint(c.at.Unix())
		token, _ := strings.CutPrefix(c.text, seconds)
		for _, parts := range [][2]string{{seconds, token}, {"", c.text}, {c.text, ""}, {seconds, c.text}} {
			body := fmt.Sprintf(`{"signature":{"timestamp":%q,"token":%q,"signature":%q},"event-data":{}}`, parts[0], parts[1], hex.EncodeToString(c.mac))
			for _, path := range []string{"/webhook", "/webhook/mailgun"} {
				if got := r.post(path, body, header("Content-Type", "application/json")); got.status != http.StatusUnauthorized {
					t.Errorf("%s passes for mailgun: %d %s", c.scheme, got.status, body)
				}
			}
		}
	}
}

// TestCrossScheme_renamed: where two schemes sign the same text, a request under the other's names is the same event
// again, and known as such by the id that is signed.
func TestCrossScheme_renamed(t *testing.T) {
	t.Parallel()
	r := start(t, "WEBHOOK_SECRET="+secret)
	genuine := sign(t, "standard", secret, order)
	renamed := header("Content-Type", "application/json")
	for _, part := range []string{"Id", "Timestamp", "Signature"} {
		renamed.Set("Svix-"+part, genuine.Get("Webhook-"+part))
	}
	first := r.take(order, genuine)
	var again accepted
	decode(t, r.post("/webhook", order, renamed).body, &again)
	if !again.Duplicate || again.ID != first {
		t.Errorf("first %s, renamed %+v", first, again)
	}
}
