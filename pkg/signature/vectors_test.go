package signature_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// vector is a published signature. Those marked verify_only are spellings that
// a Signer does not produce.
type vector struct {
	Scheme     string            `json:"scheme"`
	Secret     string            `json:"secret"`
	Body       string            `json:"body"`
	Time       int64             `json:"time"`
	Headers    map[string]string `json:"headers"`
	Source     string            `json:"source"`
	VerifyOnly bool              `json:"verify_only"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d vectors", len(all))
	}
	return all
}

func (v vector) request() signature.Request {
	return signature.Request{Method: "POST", Header: headers(v.Headers), Body: []byte(v.Body)}
}

func headers(pairs map[string]string) http.Header {
	h := http.Header{}
	for name, value := range pairs {
		h.Set(name, value)
	}
	return h
}

func TestVectors_Verify(t *testing.T) {
	t.Parallel()
	for _, vec := range vectors(t) {
		t.Run(vec.Scheme+"/"+vec.Source, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(vec.Time, 0)
			match, err := verifier(t, vec.Scheme, vec.Secret).Verify(vec.request(), now)
			if err != nil {
				t.Fatal(err)
			}
			if match.Scheme != vec.Scheme || match.Secret != 0 || match.ID != vec.Headers["webhook-id"] {
				t.Errorf("match %+v", match)
			}
			detected, err := detector(t, nil, vec.Secret).Verify(vec.request(), now)
			if err != nil || detected != match {
				t.Errorf("detector: %+v, %v", detected, err)
			}
			changed := vec.request()
			changed.Body = append(changed.Body, '\n')
			_, err = verifier(t, vec.Scheme, vec.Secret).Verify(changed, now)
			wantError(t, err, signature.ErrMismatch)
		})
	}
}

func TestVectors_Sign(t *testing.T) {
	t.Parallel()
	for _, vec := range vectors(t) {
		if vec.VerifyOnly {
			continue
		}
		t.Run(vec.Scheme, func(t *testing.T) {
			t.Parallel()
			got := http.Header{}
			out := signature.Outgoing{ID: vec.Headers["webhook-id"], Time: time.Unix(vec.Time, 0), Body: []byte(vec.Body)}
			if err := signer(t, vec.Scheme, vec.Secret).Sign(out, got); err != nil {
				t.Fatal(err)
			}
			for name, want := range vec.Headers {
				if got.Get(name) != want {
					t.Errorf("%s: %q, want %q", name, got.Get(name), want)
				}
			}
			if len(got) != len(vec.Headers) {
				t.Errorf("headers %v", got)
			}
		})
	}
}

func verifier(t testing.TB, scheme string, secrets ...string) *signature.Verifier {
	t.Helper()
	v, err := signature.NewVerifier(scheme, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func detector(t testing.TB, schemes []string, secrets ...string) *signature.Detector {
	t.Helper()
	d, err := signature.NewDetector(schemes, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func signer(t testing.TB, scheme string, secrets ...string) *signature.Signer {
	t.Helper()
	s, err := signature.NewSigner(scheme, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is the request that a sender makes of out.
func signed(t testing.TB, s *signature.Signer, out signature.Outgoing) signature.Request {
	t.Helper()
	h := http.Header{}
	if err := s.Sign(out, h); err != nil {
		t.Fatal(err)
	}
	return signature.Request{Header: h, Body: out.Body}
}

func wantError(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (want == nil) != (got == nil) {
		t.Errorf("error %v, want %v", got, want)
	}
}
