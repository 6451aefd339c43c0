package signature

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

// tokenKey is a key that is no HMAC, as a scheme with a shared token or with
// public keys would bring.
type tokenKey string

func (k tokenKey) matches(c *claim) int {
	for _, signature := range c.signatures {
		if string(signature) == string(k) {
			return 1
		}
	}
	return 0
}

// tokenScheme is a scheme made outside the registry, to reach what the
// registered ones do not use: headers of one provider that overlap another's.
func tokenScheme(name, header string, besides ...string) scheme {
	s := scheme{
		name:      name,
		besides:   besides,
		verifying: func(secret string) (verifyingKey, error) { return tokenKey(secret), nil },
		read: func(r Request, c *claim) error {
			value, err := required(r.Header, header)
			c.signatures = append(c.signatures, []byte(value))
			return err
		},
	}
	if header != "" {
		s.headers, s.detected = []string{header}, true
	}
	return s
}

func TestDetector_HeadersOfOneProvider(t *testing.T) {
	t.Parallel()
	both := tokenScheme("both", "X-Both", "plain")
	plain := tokenScheme("plain", "X-Plain")
	third := tokenScheme("third", "X-Third")
	tests := []struct {
		name    string
		headers []string
		scheme  string
		want    error
	}{
		{"its own only", []string{"X-Both"}, "both", nil},
		{"its own and the other's", []string{"X-Both", "X-Plain"}, "both", nil},
		{"the other's only", []string{"X-Plain"}, "plain", nil},
		{"and a stranger's", []string{"X-Both", "X-Plain", "X-Third"}, "", ErrAmbiguous},
		{"the other's and a stranger's", []string{"X-Plain", "X-Third"}, "", ErrAmbiguous},
	}
	for _, order := range [][]scheme{{both, plain, third}, {third, plain, both}} {
		d, err := newDetector(order, []string{"secret"}, options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				h := http.Header{}
				for _, name := range test.headers {
					h.Set(name, "secret")
				}
				match, err := d.Verify(Request{Header: h}, time.Time{})
				if match.Scheme != test.scheme || !errors.Is(err, test.want) {
					t.Errorf("%+v, %v; want %q, %v", match, err, test.scheme, test.want)
				}
			})
		}
	}
}

func TestDetector_Undetectable(t *testing.T) {
	t.Parallel()
	_, err := newDetector([]scheme{tokenScheme("named", "")}, []string{"secret"}, options{})
	if !errors.Is(err, ErrUnknownScheme) {
		t.Errorf("error %v, want %v", err, ErrUnknownScheme)
	}
}

// TestRegistry_Complete keeps a new scheme from being registered half made.
func TestRegistry_Complete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	owner := map[string]string{}
	for _, s := range registry() {
		if s.name == "" || s.verifying == nil || s.read == nil || (s.write == nil) != (s.signing == nil) {
			t.Errorf("%q lacks a part", s.name)
		}
		if seen[s.name] {
			t.Errorf("%q twice", s.name)
		}
		seen[s.name] = true
		for _, name := range s.headers {
			if http.CanonicalHeaderKey(name) != name {
				t.Errorf("%s: %s is not canonical", s.name, name)
			}
			if owner[name] != "" && s.detected {
				t.Errorf("%s announces both %s and %s", name, owner[name], s.name)
			}
			if s.detected {
				owner[name] = s.name
			}
		}
	}
	if len(seen) > 64 {
		t.Errorf("%d schemes, but a detector's sets hold 64", len(seen))
	}
}

func TestClaim_ResetForgetsBody(t *testing.T) {
	t.Parallel()
	c := &claim{message: [][]byte{[]byte("prefix"), []byte("body")}, signatures: [][]byte{[]byte("s")}, match: Match{ID: "id"}}
	c.reset()
	for _, piece := range append(c.message[:2], c.signatures[:1]...) {
		if piece != nil {
			t.Errorf("%q is kept", piece)
		}
	}
	if c.match != (Match{}) {
		t.Errorf("match %+v is kept", c.match)
	}
}
