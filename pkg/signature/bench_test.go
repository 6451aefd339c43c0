package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"testing"

	"example.com/signet/pkg/signature"
)

// BenchmarkVerify measures each scheme beside what a handler written by hand
// does: a new HMAC for each request, and nothing of headers.
func BenchmarkVerify(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	b.Run("by hand", func(b *testing.B) {
		key, want := []byte(plainSecret), macOf(plainSecret, string(body))
		b.ReportAllocs()
		for b.Loop() {
			mac := hmac.New(sha256.New, key)
			mac.Write(body)
			if !hmac.Equal(mac.Sum(nil), want) {
				b.Fatal("mismatch")
			}
		}
	})
	for _, scheme := range signature.Schemes() {
		request := benchRequest(b, scheme, body)
		v := verifier(b, scheme, plainSecret)
		b.Run(scheme, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(request, testTime); err != nil {
					b.Fatal(err)
				}
			}
		})
		d := detector(b, nil, plainSecret)
		b.Run("detector "+scheme, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Verify(request, testTime); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	for _, scheme := range signature.Schemes() {
		s := signer(b, scheme, plainSecret)
		h := http.Header{}
		b.Run(scheme, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Sign(signature.Outgoing{ID: testID, Time: testTime, Body: body}, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchRequest(tb testing.TB, scheme string, body []byte) signature.Request {
	tb.Helper()
	request := signed(tb, signer(tb, scheme, plainSecret), signature.Outgoing{ID: testID, Time: testTime, Body: body})
	if scheme == "github" {
		request.Header.(http.Header).Set("X-Github-Event", "push")
	}
	return request
}
