package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

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
		b.Run(scheme, func(b *testing.B) { benchVerify(b, scheme) })
	}
}

func benchVerify(b *testing.B, scheme string) {
	k := newKeys(b, scheme)
	request := benchRequest(b, scheme, k.signing)
	verifiers := map[string]interface {
		Verify(r signature.Request, now time.Time) (signature.Match, error)
	}{"named": verifier(b, scheme, k.verifying)}
	if describe(b, scheme).Detected {
		verifiers["detected"] = detector(b, nil, k.verifying)
	}
	for name, v := range verifiers {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(request, testTime); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, scheme := range signature.Schemes() {
		s, h := signer(b, scheme, newKeys(b, scheme).signing), http.Header{}
		out := compose(scheme, testID, testTime, bytes.Repeat([]byte("x"), 1024))
		b.Run(scheme, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Sign(out, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchRequest has a body of about 1 KiB.
func benchRequest(tb testing.TB, scheme, secret string) signature.Request {
	tb.Helper()
	payload := bytes.Repeat([]byte("x"), 1024)
	if scheme == "linear" {
		payload = payload[:512] // written as two digits each
	}
	return signed(tb, signer(tb, scheme, secret), compose(scheme, testID, testTime, payload))
}
