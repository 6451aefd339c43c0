package signature_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// TestCrossScheme_StandardAsBody takes a genuine standard request and presents
// its signature under the schemes that sign the body alone.
func TestCrossScheme_StandardAsBody(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "standard", plainSecret), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	h := request.Header.(http.Header)
	mac, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Get("Webhook-Signature"), "v1,"))
	if err != nil {
		t.Fatal(err)
	}
	signedText := []byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(testBody))
	d := detector(t, nil, plainSecret)
	for _, name := range []string{"X-Hub-Signature-256", "X-Signature-256", "Signature"} {
		captured := http.Header{name: {"sha256=" + hex.EncodeToString(mac)}}
		_, err := d.Verify(signature.Request{Header: captured, Body: testBody}, testTime)
		wantError(t, err, signature.ErrMismatch)
		// The text that was signed does verify: an HMAC cannot tell. It is the
		// rule that bodies are JSON that refuses it.
		_, err = d.Verify(signature.Request{Header: captured, Body: signedText}, testTime)
		wantError(t, err, nil)
		if json.Valid(signedText) {
			t.Errorf("%s is JSON", signedText)
		}
		// Nor do the genuine headers beside it choose a scheme.
		for original, values := range h {
			captured[original] = values
		}
		_, err = d.Verify(signature.Request{Header: captured, Body: signedText}, testTime)
		wantError(t, err, signature.ErrAmbiguous)
	}
}

// TestCrossScheme_BodyAsStandard splits genuine JSON bodies, full of text that
// looks like a time, into standard requests. Two things refuse them, either of
// which would do: the id has a quote in it, and what is left is not JSON.
func TestCrossScheme_BodyAsStandard(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{".1700000000.", "{}", `"`, "[1]", `{"a":1}`, "x", `\`, ",", "}", "5"}
	v := verifier(t, "standard", plainSecret)
	divided := 0
	for range 5000 {
		text := ""
		for range 1 + random.IntN(6) {
			text += pieces[random.IntN(len(pieces))]
		}
		body, err := json.Marshal(map[string]any{"t": text, "u": []string{text, "end"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range divisions(string(body)) {
			divided++
			_, err := v.Verify(request, testTime)
			wantError(t, err, signature.ErrMalformed)
			if json.Valid(request.Body) {
				t.Fatalf("%s ends in the JSON text %s", body, request.Body)
			}
		}
	}
	if divided < 1000 {
		t.Errorf("only %d divisions", divided)
	}
	// A body that is not JSON does verify: the scheme alone cannot refuse it.
	_, err := v.Verify(divisions("msg_1.1700000000.{}")[0], testTime)
	wantError(t, err, nil)
}

// divisions makes a standard request of a signed body for each time in it.
func divisions(body string) []signature.Request {
	const at = ".1700000000."
	var all []signature.Request
	for id := body; ; {
		dot := strings.LastIndex(id, at)
		if dot < 0 {
			return all
		}
		id = id[:dot]
		h := headers(map[string]string{
			"webhook-id": id, "webhook-timestamp": "1700000000", "webhook-signature": v1Of(plainSecret, body),
		})
		all = append(all, signature.Request{Header: h, Body: []byte(body[dot+len(at):])})
	}
}

// TestCrossScheme_IDThatMakesAForm: an id chosen by an attacker must not turn
// what standard signs into a form that GitHub's receivers take.
func TestCrossScheme_IDThatMakesAForm(t *testing.T) {
	t.Parallel()
	id := "payload=" + url.QueryEscape(`{"action":"deleted","x":"`)
	body := `["}&"]`
	form, err := url.ParseQuery(id + ".1700000000." + body)
	if err != nil || !json.Valid([]byte(form.Get("payload"))) || !json.Valid([]byte(body)) {
		t.Fatalf("the attack has lost its teeth: %v, %v", form, err)
	}
	err = signer(t, "standard", plainSecret).Sign(signature.Outgoing{ID: id, Time: testTime, Body: []byte(body)}, http.Header{})
	wantError(t, err, signature.ErrUnsignable)
}

// TestCrossScheme_FormInsideText shows why a form must be its one field and
// nothing else: the signature of another event, sent as a form, is genuine.
func TestCrossScheme_FormInsideText(t *testing.T) {
	t.Parallel()
	body := `{"comment":"&payload=` + url.QueryEscape(`{"action":"deleted"}`) + `&"}`
	request := signed(t, signer(t, "github", plainSecret), signature.Outgoing{Body: []byte(body)})
	_, err := detector(t, nil, plainSecret).Verify(request, testTime)
	wantError(t, err, nil)
	form, err := url.ParseQuery(body)
	if err != nil || form.Get("payload") != `{"action":"deleted"}` {
		t.Fatalf("the attack has lost its teeth: %v, %v", form, err)
	}
	value, first := strings.CutPrefix(body, "payload=")
	if first || !strings.Contains(value, "&") {
		t.Error("the rule of one field would take it")
	}
}

// TestCrossScheme_SecretFormats: one whsec_ secret is two keys, so that not even
// the signed text verifies elsewhere.
func TestCrossScheme_SecretFormats(t *testing.T) {
	t.Parallel()
	secret, err := signature.NewSecret("standard")
	if err != nil {
		t.Fatal(err)
	}
	request := signed(t, signer(t, "standard", secret), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	mac, err := base64.StdEncoding.DecodeString(request.Header.Values("Webhook-Signature")[0][len("v1,"):])
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac)}}
	text := fmt.Appendf(nil, "%s.1700000000.%s", testID, testBody)
	_, err = verifier(t, "github", secret).Verify(signature.Request{Header: h, Body: text}, testTime)
	wantError(t, err, signature.ErrMismatch)
}
