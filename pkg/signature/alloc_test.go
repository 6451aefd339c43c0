//go:build !race

// The race detector makes pools drop what they hold, and so allocate.

package signature_test

import (
	"bytes"
	"testing"

	"example.com/signet/pkg/signature"
)

func TestVerify_Allocations(t *testing.T) { // not parallel: allocations are counted for the whole process
	payload := bytes.Repeat([]byte("x"), 1024)
	for _, scheme := range signature.Schemes() {
		if describe(t, scheme).PublicKey {
			continue // the standard library's verification allocates
		}
		k := newKeys(t, scheme)
		request := signed(t, signer(t, scheme, k.signing), compose(scheme, testID, testTime, payload))
		v := verifier(t, scheme, k.stranger, k.verifying)
		if n := testing.AllocsPerRun(200, func() { _, _ = v.Verify(request, testTime) }); n > 1 {
			t.Errorf("%s: %v allocations", scheme, n)
		}
		if !describe(t, scheme).Detected {
			continue
		}
		d := detector(t, nil, k.stranger, k.verifying)
		if n := testing.AllocsPerRun(200, func() { _, _ = d.Verify(request, testTime) }); n > 1 {
			t.Errorf("%s detected: %v allocations", scheme, n)
		}
	}
}
