//go:build !race

// The race detector makes pools drop what they hold, and so allocate.

package signature_test

import (
	"bytes"
	"testing"

	"example.com/signet/pkg/signature"
)

func TestVerify_Allocations(t *testing.T) { // not parallel: allocations are counted for the whole process
	body := bytes.Repeat([]byte("x"), 1024)
	for _, scheme := range signature.Schemes() {
		request := benchRequest(t, scheme, body)
		v, d := verifier(t, scheme, "another", plainSecret), detector(t, nil, "another", plainSecret)
		if n := testing.AllocsPerRun(200, func() { _, _ = v.Verify(request, testTime) }); n > 1 {
			t.Errorf("%s: %v allocations", scheme, n)
		}
		if n := testing.AllocsPerRun(200, func() { _, _ = d.Verify(request, testTime) }); n > 1 {
			t.Errorf("%s detected: %v allocations", scheme, n)
		}
	}
}
