package signature_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:/+="

// randomMessage makes a message that the scheme can sign.
func randomMessage(random *rand.Rand, scheme string) signature.Outgoing {
	id := make([]byte, 1+random.IntN(64))
	for i := range id {
		id[i] = idLetters[random.IntN(len(idLetters))]
	}
	at := time.Unix(random.Int64N(253402300800), random.Int64N(1e9))
	return compose(scheme, string(id), at, randomBytes(random, random.IntN(300)))
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.UintN(256))
	}
	return b
}

// TestProperty_RoundTrip: what is signed with any of the secrets verifies, and
// names it; with none of them, or a byte changed, it does not.
func TestProperty_RoundTrip(t *testing.T) {
	t.Parallel()
	for number, scheme := range signature.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			if !describe(t, scheme).CanSign {
				t.Skip("signed by its provider only: its own test builds requests")
			}
			random := rand.New(rand.NewPCG(7, uint64(number)))
			for range 300 {
				roundTrip(t, random, scheme)
			}
		})
	}
}

func roundTrip(t *testing.T, random *rand.Rand, scheme string) {
	t.Helper()
	var signing, verifying []string
	for range 1 + random.IntN(3) {
		pair := newPair(t, scheme)
		signing, verifying = append(signing, pair[0]), append(verifying, pair[1])
	}
	chosen := random.IntN(len(signing))
	out := randomMessage(random, scheme)
	request := signed(t, signer(t, scheme, signing[chosen]), out)
	match, err := verifier(t, scheme, verifying...).Verify(request, out.Time)
	if err != nil || match.Scheme != scheme || match.Secret != chosen {
		t.Fatalf("%+v, %v; want secret %d", match, err, chosen)
	}
	info := describe(t, scheme)
	if match.ID != "" && match.ID != out.ID {
		t.Errorf("id %q, want %q", match.ID, out.ID)
	}
	if timed := info.Tolerance > 0; timed == match.Timestamp.IsZero() || timed && out.Time.Sub(match.Timestamp).Abs() >= time.Second {
		t.Errorf("time %s of %s, tolerance %s", match.Timestamp, out.Time, info.Tolerance)
	}
	_, err = verifier(t, scheme, newPair(t, scheme)[1]).Verify(request, out.Time)
	wantError(t, err, signature.ErrMismatch)
	changeABit(t, random, scheme, request, verifying, out.Time)
}

// changeABit changes one bit of the body.
func changeABit(t *testing.T, random *rand.Rand, scheme string, request signature.Request, secrets []string, at time.Time) {
	t.Helper()
	if len(request.Body) == 0 {
		return
	}
	request.Body = bytes.Clone(request.Body)
	request.Body[random.IntN(len(request.Body))] ^= 1 << random.IntN(8)
	_, err := verifier(t, scheme, secrets...).Verify(request, at)
	if err == nil && !sameForm(scheme, request) {
		t.Errorf("a changed body verified: %q", request.Body)
	}
}

// TestProperty_EveryBitOfTheSignature flips each bit of each signature, seen as
// text: none is without weight, neither the first nor the last.
func TestProperty_EveryBitOfTheSignature(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			info := describe(t, scheme)
			if !info.CanSign {
				t.Skip("its own test does this")
			}
			k := newKeys(t, scheme)
			v, request := verifier(t, scheme, k.verifying), sampleRequest(t, scheme, k.signing)
			for _, name := range info.Headers {
				for at := range []byte(firstValue(request.Header, name)) {
					for bit := range 8 {
						checkSpelling(t, v, request, name, at, 1<<bit)
					}
				}
			}
		})
	}
}

func firstValue(h signature.Header, name string) string {
	if values := h.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// checkSpelling changes one character of a header. The request verifies only
// when what is written there is still the same.
func checkSpelling(t *testing.T, v *signature.Verifier, request signature.Request, name string, at int, change byte) {
	t.Helper()
	value := []byte(firstValue(request.Header, name))
	value[at] ^= change
	changed := with(request, name, string(value))
	if _, err := v.Verify(changed, testTime); err == nil && !sameSpelling(firstValue(request.Header, name), string(value)) {
		t.Errorf("%s: %q verifies as %q does", name, value, firstValue(request.Header, name))
	}
}
