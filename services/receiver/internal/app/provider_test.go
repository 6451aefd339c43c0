package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// publicURL is the base that providers know the receiver by; a proxy takes its path away.
const publicURL = "https://hooks.example.com/in"

// describedScheme is one that no provider here has.
const describedScheme = "hmac-sha512:header=X-Acme-Signature,encoding=base64,id=X-Acme-Id,type=X-Acme-Event,timestamp=X-Acme-Time,signed={timestamp}.{body}"

const formType = "application/x-www-form-urlencoded"

// provider sends what its scheme's provider would send to a source of its own.
type provider struct {
	signature.Info

	source  string // the last part of the path
	signing string // its secret
	known   string // what the receiver is given of it
}

// newProvider makes a provider with a secret nobody else has. scheme is a name or a description.
func newProvider(t *testing.T, scheme, source string) provider {
	t.Helper()
	info, err := signature.Describe(scheme)
	if err != nil {
		t.Fatal(err)
	}
	p := provider{Info: info, source: source, signing: "only " + source + " knows this", known: "only " + source + " knows this"}
	if !info.CanSign {
		return p
	}
	if p.signing, err = signature.NewSecret(scheme); err != nil {
		t.Fatal(err)
	}
	p.known = p.signing
	if info.PublicKey {
		if p.known, err = signature.PublicKey(scheme, p.signing); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// providers are one for each scheme there is, named as a variable can be.
func providers(t *testing.T) []provider {
	t.Helper()
	var all []provider
	for _, scheme := range signature.Schemes() {
		all = append(all, newProvider(t, scheme, strings.ReplaceAll(scheme, "-", "_")))
	}
	return append(all, newProvider(t, describedScheme, "acme"))
}

// variables are what a person sets for the provider.
func (p provider) variables() []string {
	prefix := strings.ToUpper(p.source) + "_WEBHOOK_"
	lines := []string{prefix + "SECRET=" + p.known}
	if p.source == "acme" {
		lines = append(lines, prefix+"SCHEME="+p.Name)
	}
	return lines
}

func (p provider) path() string { return "/webhook/" + p.source }

// parcel is a request as it is sent.
type parcel struct {
	body   string
	header http.Header
}

// compose makes a signed event. Every provider's body names the event as one of them does.
func (p provider) compose(t *testing.T, id string, at time.Time, pairs ...string) parcel {
	t.Helper()
	body := fmt.Sprintf(`{"type":"order.noted","id":%q,"event_id":%q,"webhookTimestamp":%d,"data":"genuine"}`, id, id, at.UnixMilli())
	switch p.Name {
	case "twilio":
		form := url.Values{"MessageSid": {id}, "Body": {"genuine & more"}, "From": {"+15550100"}}.Encode()
		return p.sign(t, id, at, form, append(pairs, "Content-Type", formType)...)
	case "mailgun":
		body = mailgunBody(p.signing, id, at, "genuine")
	}
	return p.sign(t, id, at, body, append([]string{"Content-Type", "application/json"}, pairs...)...)
}

// sign signs a body of the caller's, unless the signature is in it already.
func (p provider) sign(t *testing.T, id string, at time.Time, body string, pairs ...string) parcel {
	t.Helper()
	h := header(pairs...)
	if !p.CanSign {
		return parcel{body, h}
	}
	signer, err := signature.NewSigner(p.Name, p.signing)
	if err != nil {
		t.Fatal(err)
	}
	out := signature.Outgoing{
		ID: id, Time: at, Method: http.MethodPost, URL: publicURL + p.path(),
		ContentType: h.Get("Content-Type"), Body: []byte(body),
	}
	if err := signer.Sign(out, h); err != nil {
		t.Fatal(err)
	}
	return parcel{body, h}
}

// mailgunBody is an event of Mailgun's, which signs a time and a token and nothing else:
// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
func mailgunBody(key, token string, at time.Time, data string) string {
	token = strings.ReplaceAll(token, "_", "")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(fmt.Appendf(nil, "%d%s", at.Unix(), token))
	return fmt.Sprintf(`{"signature":{"timestamp":"%d","token":%q,"signature":%q},"type":"order.noted","event-data":{"event":%q}}`,
		at.Unix(), token, hex.EncodeToString(mac.Sum(nil)), data)
}
