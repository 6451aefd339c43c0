package signature_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// FuzzExplain: whatever arrives, it does not panic, it says what Verify says,
// finds something exactly when that is an error, and gives nothing away.
func FuzzExplain(f *testing.F) {
	names := append(signature.Schemes(), "")
	for n := range names {
		f.Add(uint8(n), "X-Hub-Signature-256: sha256="+hexOf(plainSecret, string(testBody)), testBody, []byte("k"), uint8(n), int64(1700000000))
		f.Add(uint8(n), "Webhook-Id: a\nWebhook-Timestamp: 1700000000000\nWebhook-Signature: v1,AAAA\nContent-Encoding: gzip", []byte(`{"a":"\ud83c\u0000\/"`), []byte{0}, uint8(n), int64(0))
	}
	f.Fuzz(func(t *testing.T, number uint8, block string, body, material []byte, form uint8, at int64) {
		scheme := names[int(number)%len(names)]
		h := http.Header{}
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		request := signature.Request{Method: "POST", URL: block, Header: h, Body: body}
		// Letters that no sentence has, so that none is taken for a secret.
		secret := explainSecret(append([]byte("Qx7#Zk9!"), material...), int(form))
		now := time.Unix(at, 0)
		got, err := signature.Explain(request, scheme, []string{secret}, now)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Err == nil) != (len(got.Findings) == 0) {
			t.Errorf("error %v, findings %+v", got.Err, got.Findings)
		}
		if want := explainVerify(scheme, secret, request, now); (want == nil) != (got.Err == nil) || want != nil && want.Error() != got.Err.Error() {
			t.Errorf("error %v, but Verify says %v", got.Err, want)
		}
		hidden := append(rightSignatures(scheme, secret, request, now), secret, string(material), hex.EncodeToString(material))
		for _, finding := range got.Findings {
			for _, text := range hidden {
				if len(text) >= 8 && strings.Contains(finding.Detail, text) && strings.ContainsAny(text, "#!=0123456789") {
					t.Errorf("%q gives %q away", finding.Detail, text)
				}
			}
		}
	})
}

// explainSecret writes a secret in one of the forms that are looked for.
func explainSecret(material []byte, form int) string {
	encoded := base64.StdEncoding.EncodeToString(material)
	return []string{string(material), "whsec_" + encoded, encoded, hex.EncodeToString(material), `"` + string(material) + `"`, string(material) + "\n", "whpk_" + encoded, "whsk_" + encoded}[form%8]
}

// explainVerify is what a receiver made of these would say.
func explainVerify(scheme, secret string, r signature.Request, now time.Time) error {
	if scheme == "" {
		d, err := signature.NewDetector(nil, []string{secret})
		if err != nil {
			return err
		}
		_, err = d.Verify(r, now)
		return err
	}
	v, err := signature.NewVerifier(scheme, []string{secret})
	if err != nil {
		return err
	}
	_, err = v.Verify(r, now)
	return err
}

// rightSignatures are those that the sender would have made.
func rightSignatures(scheme, secret string, r signature.Request, now time.Time) []string {
	s, err := signature.NewSigner(scheme, secret)
	if err != nil {
		return nil
	}
	h := http.Header{}
	if s.Sign(signature.Outgoing{ID: testID, Time: now, Method: r.Method, URL: r.URL, Body: r.Body}, h) != nil {
		return nil
	}
	var all []string
	for _, values := range h {
		for _, value := range values {
			all = append(all, strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' || c == '=' })...)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 27 })
}
