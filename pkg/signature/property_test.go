package signature_test

import (
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:/+="

// randomMessage makes a message that every scheme can sign.
func randomMessage(random *rand.Rand) signature.Outgoing {
	id := make([]byte, 1+random.IntN(64))
	for i := range id {
		id[i] = idLetters[random.IntN(len(idLetters))]
	}
	return signature.Outgoing{
		ID:   string(id),
		Time: time.Unix(random.Int64N(253402300800), random.Int64N(1e9)),
		Body: randomBytes(random, random.IntN(300)),
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.UintN(256))
	}
	return b
}

// randomSecret makes plain secrets of arbitrary bytes, and encoded ones.
func randomSecret(random *rand.Rand) string {
	if random.IntN(2) == 0 {
		return "s" + string(randomBytes(random, random.IntN(100)))
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(randomBytes(random, 24+random.IntN(41)))
}

// TestProperty_RoundTrip: what is signed with any of the secrets verifies, and
// names it; with none of them, or a byte changed, it does not.
func TestProperty_RoundTrip(t *testing.T) {
	t.Parallel()
	for number, scheme := range signature.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, uint64(number)))
			for range 1000 {
				roundTrip(t, random, scheme)
			}
		})
	}
}

func roundTrip(t *testing.T, random *rand.Rand, scheme string) {
	t.Helper()
	secrets := make([]string, 1+random.IntN(3))
	for i := range secrets {
		secrets[i] = randomSecret(random)
	}
	chosen := random.IntN(len(secrets))
	out := randomMessage(random)
	request := signed(t, signer(t, scheme, secrets[chosen]), out)
	match, err := verifier(t, scheme, secrets...).Verify(request, out.Time)
	if err != nil || match.Scheme != scheme || secrets[match.Secret] != secrets[chosen] {
		t.Fatalf("%+v, %v; want secret %d", match, err, chosen)
	}
	if scheme != "generic" && match.ID != out.ID {
		t.Errorf("id %q, want %q", match.ID, out.ID)
	}
	if scheme == "standard" && (!match.IDSigned || !match.Timestamp.Equal(out.Time.Truncate(time.Second))) {
		t.Errorf("match %+v, want time %s", match, out.Time)
	}
	if scheme != "standard" && (match.IDSigned || !match.Timestamp.IsZero()) {
		t.Errorf("match %+v claims what is not signed", match)
	}
	_, err = verifier(t, scheme, randomSecret(random)).Verify(request, out.Time)
	wantError(t, err, signature.ErrMismatch)
	if len(request.Body) > 0 {
		request.Body[random.IntN(len(request.Body))] ^= 1 << random.IntN(8)
		_, err = verifier(t, scheme, secrets...).Verify(request, out.Time)
		wantError(t, err, signature.ErrMismatch)
	}
}

// TestProperty_EveryBitOfTheSignature flips each bit of each signature: none is
// without weight, neither the first nor the last.
func TestProperty_EveryBitOfTheSignature(t *testing.T) {
	t.Parallel()
	message := testID + ".1700000000." + string(testBody)
	v := verifier(t, "standard", plainSecret)
	for bit := range 256 {
		mac := macOf(plainSecret, message)
		mac[bit/8] ^= 1 << (bit % 8)
		h := headers(map[string]string{
			"webhook-id": testID, "webhook-timestamp": "1700000000",
			"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac),
		})
		_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
		wantError(t, err, signature.ErrMismatch)
	}
	digits := hexOf(plainSecret, string(testBody))
	for _, scheme := range []string{"github", "generic"} {
		name := map[string]string{"github": "X-Hub-Signature-256", "generic": "X-Signature-256"}[scheme]
		for i := range digits {
			wrong := []byte(digits)
			wrong[i] = "0123456789abcdef0"[1+int(hexValue(wrong[i]))]
			_, err := verifier(t, scheme, plainSecret).Verify(
				signature.Request{Header: http.Header{name: {"sha256=" + string(wrong)}}, Body: testBody}, testTime)
			wantError(t, err, signature.ErrMismatch)
		}
	}
}

func hexValue(digit byte) byte {
	if digit >= 'a' {
		return digit - 'a' + 10
	}
	return digit - '0'
}
