package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// BenchmarkVerify measures each scheme beside what a handler written by hand
// does at least: a new HMAC over the same bytes, and nothing of headers. The
// metric "×" is the ratio of the two, taken in turns within one run.
func BenchmarkVerify(b *testing.B) {
	for _, scheme := range signature.Schemes() {
		b.Run(scheme, func(b *testing.B) { benchVerify(b, scheme) })
	}
}

func benchVerify(b *testing.B, scheme string) {
	k := newKeys(b, scheme)
	request := benchRequest(b, scheme, k.signing)
	verify := verifying(b, verifier(b, scheme, k.verifying), request)
	if describe(b, scheme).PublicKey {
		b.Run("named", func(b *testing.B) { turns(b, verify, nil) })
		return
	}
	by := byHand(b, scheme, k.signing, request)
	b.Run("named", func(b *testing.B) { turns(b, verify, by) })
	if describe(b, scheme).Detected {
		detect := verifying(b, detector(b, nil, k.verifying), request)
		b.Run("detected", func(b *testing.B) { turns(b, detect, by) })
	}
}

// turns runs the two in turns of some hundred microseconds, so that both have
// the machine in the same state, and reports the time of the first alone.
func turns(b *testing.B, ours, byHand func()) {
	b.ReportAllocs()
	var own, others time.Duration
	for n := b.N; n > 0; n -= 200 {
		own += taken(ours, min(n, 200))
		if byHand != nil {
			b.StopTimer()
			others += taken(byHand, min(n, 200))
			b.StartTimer()
		}
	}
	if byHand != nil {
		b.ReportMetric(float64(own)/float64(others), "×")
	}
}

func taken(f func(), times int) time.Duration {
	began := time.Now()
	for range times {
		f()
	}
	return time.Since(began)
}

func verifying(b *testing.B, v signature.RequestVerifier, request signature.Request) func() {
	return func() {
		if _, err := v.Verify(request, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func byHand(b *testing.B, scheme, secret string, request signature.Request) func() {
	b.Helper()
	pieces, size, err := signature.SignedText(scheme, request)
	if err != nil {
		b.Fatal(err)
	}
	newHash, key := sha256.New, []byte(secret)
	if size == sha1.Size {
		newHash = sha1.New
	}
	return func() {
		mac := hmac.New(newHash, key)
		for _, piece := range pieces {
			mac.Write(piece)
		}
		if len(mac.Sum(nil)) != size {
			b.Fatal("another hash")
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, scheme := range signature.Schemes() {
		if !describe(b, scheme).CanSign {
			continue
		}
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
	return genuine(tb, scheme, secret, compose(scheme, testID, testTime, payload))
}
