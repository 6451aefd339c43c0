package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// macOf is HMAC-SHA256 written down a second time, for the tests to compare with.
func macOf(key, message string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

func hexOf(key, message string) string { return hex.EncodeToString(macOf(key, message)) }

func v1Of(key, message string) string {
	return "v1," + base64.StdEncoding.EncodeToString(macOf(key, message))
}

func TestVerifier_Tolerance(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "standard", plainSecret), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	tests := []struct {
		name      string
		tolerance time.Duration
		later     time.Duration
		want      error
	}{
		{"now", 0, 0, nil},
		{"default, oldest", 0, 5 * time.Minute, nil},
		{"default, too old", 0, 5*time.Minute + 1, signature.ErrTooOld},
		{"default, newest", 0, -5 * time.Minute, nil},
		{"default, too new", 0, -5*time.Minute - 1, signature.ErrTooNew},
		{"a minute, oldest", time.Minute, time.Minute, nil},
		{"a minute, too old", time.Minute, time.Minute + time.Second, signature.ErrTooOld},
		{"a minute, newest", time.Minute, -time.Minute, nil},
		{"a minute, too new", time.Minute, -time.Minute - time.Second, signature.ErrTooNew},
		{"an hour, wider than default", time.Hour, 59 * time.Minute, nil},
		{"longest", math.MaxInt64, 100 * 365 * 24 * time.Hour, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := signature.NewVerifier("standard", []string{plainSecret}, signature.WithTolerance(test.tolerance))
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(request, testTime.Add(test.later))
			wantError(t, err, test.want)
			d, err := signature.NewDetector(nil, []string{plainSecret}, signature.WithTolerance(test.tolerance))
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Verify(request, testTime.Add(test.later))
			wantError(t, err, test.want)
		})
	}
}

func TestVerifier_ForgedAndOldIsMismatch(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "standard", "another"), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	_, err := verifier(t, "standard", plainSecret).Verify(request, testTime.Add(time.Hour))
	wantError(t, err, signature.ErrMismatch)
}

func TestVerifier_Rotation(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		var signing, verifying []string
		for range 3 {
			pair := newPair(t, scheme)
			signing, verifying = append(signing, pair[0]), append(verifying, pair[1])
		}
		for i := range signing {
			t.Run(fmt.Sprintf("%s/%d", scheme, i), func(t *testing.T) {
				t.Parallel()
				request := sampleRequest(t, scheme, signing[i])
				match, err := verifier(t, scheme, verifying...).Verify(request, testTime)
				if err != nil || match.Secret != i {
					t.Errorf("secret %d, %v; want %d", match.Secret, err, i)
				}
				k := newKeys(t, scheme)
				_, err = verifier(t, scheme, k.stranger, k.verifying).Verify(request, testTime)
				wantError(t, err, signature.ErrMismatch)
				if !describe(t, scheme).Detected {
					return
				}
				detected, err := detector(t, []string{scheme}, verifying...).Verify(request, testTime)
				if err != nil || detected.Secret != i {
					t.Errorf("detector: secret %d, %v; want %d", detected.Secret, err, i)
				}
			})
		}
	}
}

func TestVerifier_SeveralMatch(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "standard", "old", "new"), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	match, err := verifier(t, "standard", "unused", "new", "old").Verify(request, testTime)
	if err != nil || match.Secret != 1 {
		t.Errorf("secret %d, %v; want the first that matches, 1", match.Secret, err)
	}
}

func TestVerifier_Zero(t *testing.T) {
	t.Parallel()
	var v signature.Verifier
	_, err := v.Verify(signature.Request{Header: http.Header{}}, testTime)
	wantError(t, err, signature.ErrEmptySecret)
	_, err = verifier(t, "github", plainSecret).Verify(signature.Request{}, testTime)
	wantError(t, err, signature.ErrMissing)
}

func TestVerifier_Concurrent(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		k := newKeys(t, scheme)
		s, v := signer(t, scheme, k.signing), verifier(t, scheme, k.stranger, k.verifying)
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				for i := range 50 {
					payload := fmt.Appendf(nil, `{"worker":%d,"i":%d}`, worker, i)
					request := signed(t, s, compose(scheme, "m"+string(rune('a'+worker)), testTime, payload))
					if _, err := v.Verify(request, testTime); err != nil {
						t.Errorf("%s: %v", scheme, err)
					}
					request.Body[len(request.Body)-1] ^= 1
					if _, err := v.Verify(request, testTime); err == nil {
						t.Errorf("%s: a changed body verified", scheme)
					}
				}
			})
		}
		group.Wait()
	}
}
