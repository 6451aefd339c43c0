package signature_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// vector is a published signature. Those marked verify_only are spellings that
// a Signer does not produce, or were made with a private key nobody published.
type vector struct {
	Scheme      string            `json:"scheme"`
	Secret      string            `json:"secret"`
	SigningKey  string            `json:"signing_key"` // where it is not the secret
	Method      string            `json:"method"`      // empty: POST
	URL         string            `json:"url"`
	ContentType string            `json:"content_type"`
	Body        string            `json:"body"`
	Time        int64             `json:"time"` // Unix seconds
	Headers     map[string]string `json:"headers"`
	ID          string            `json:"id"` // what the match says, where headers tell
	Source      string            `json:"source"`
	VerifyOnly  bool              `json:"verify_only"`
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
	h := headers(v.Headers)
	if v.ContentType != "" {
		h.Set("Content-Type", v.ContentType)
	}
	return signature.Request{Method: cmp.Or(v.Method, http.MethodPost), URL: v.URL, Header: h, Body: []byte(v.Body)}
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
			if match.Scheme != vec.Scheme || match.Secret != 0 || match.ID != vec.ID {
				t.Errorf("match %+v", match)
			}
			if info := describe(t, vec.Scheme); info.SignsBody {
				changed := vec.request()
				changed.Body = append(changed.Body, '0')
				_, err = verifier(t, vec.Scheme, vec.Secret).Verify(changed, now)
				wantError(t, err, signature.ErrMismatch)
			}
		})
	}
}

func TestVectors_Sign(t *testing.T) {
	t.Parallel()
	for _, vec := range vectors(t) {
		if vec.VerifyOnly {
			continue
		}
		t.Run(vec.Scheme+"/"+vec.Source, func(t *testing.T) {
			t.Parallel()
			got := http.Header{}
			out := signature.Outgoing{
				ID: vec.ID, Time: time.Unix(vec.Time, 0), Method: cmp.Or(vec.Method, http.MethodPost), URL: vec.URL,
				ContentType: vec.ContentType, Body: []byte(vec.Body),
			}
			if err := signer(t, vec.Scheme, cmp.Or(vec.SigningKey, vec.Secret)).Sign(out, got); err != nil {
				t.Fatal(err)
			}
			for name, want := range vec.Headers {
				if !sameSpelling(got.Get(name), want) {
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

func wantError(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || (want == nil) != (got == nil) {
		t.Errorf("error %v, want %v", got, want)
	}
}
