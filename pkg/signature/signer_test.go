package signature_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

func TestSigner_Sign(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, scheme string
		out          signature.Outgoing
		want         error
	}{
		{"no id", "standard", signature.Outgoing{Time: testTime}, signature.ErrUnsignable},
		{"dot in id", "standard", signature.Outgoing{ID: "a.b", Time: testTime}, signature.ErrUnsignable},
		{"quote in id", "standard", signature.Outgoing{ID: `a"b`, Time: testTime}, signature.ErrUnsignable},
		{"line break in id", "standard", signature.Outgoing{ID: "a\r\nb", Time: testTime}, signature.ErrUnsignable},
		{"long id", "standard", signature.Outgoing{ID: strings.Repeat("a", 257), Time: testTime}, signature.ErrUnsignable},
		{"no time", "standard", signature.Outgoing{ID: "a"}, signature.ErrUnsignable},
		{"before 1970", "standard", signature.Outgoing{ID: "a", Time: time.Unix(-1, 0)}, signature.ErrUnsignable},
		{"after 9999", "standard", signature.Outgoing{ID: "a", Time: time.Unix(253402300800, 0)}, signature.ErrUnsignable},
		{"no body", "standard", signature.Outgoing{ID: "a", Time: testTime}, nil},
		{"github, body only", "github", signature.Outgoing{}, nil},
		{"github, line break in id", "github", signature.Outgoing{ID: "a\r\nb"}, signature.ErrUnsignable},
		{"generic, body only", "generic", signature.Outgoing{}, nil},
		{"generic ignores the id", "generic", signature.Outgoing{ID: "a\r\nb"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			err := signer(t, test.scheme, plainSecret).Sign(test.out, h)
			wantError(t, err, test.want)
			if err != nil && len(h) != 0 {
				t.Errorf("headers %v beside an error", h)
			}
		})
	}
}

func TestSigner_SeveralSecrets(t *testing.T) {
	t.Parallel()
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	want := v1Of("new", testID+".1700000000."+string(testBody)) + " " + v1Of("old", testID+".1700000000."+string(testBody))
	if got := signed(t, signer(t, "standard", "new", "old"), out).Header.Values("Webhook-Signature"); !slices.Equal(got, []string{want}) {
		t.Errorf("standard: %v, want %v", got, want)
	}
	for _, scheme := range []string{"github", "generic"} {
		request := signed(t, signer(t, scheme, "new", "old"), out)
		_, err := verifier(t, scheme, "new").Verify(request, testTime)
		wantError(t, err, nil)
		_, err = verifier(t, scheme, "old").Verify(request, testTime)
		wantError(t, err, signature.ErrMismatch)
	}
	many := slices.Repeat([]string{"a"}, 16)
	_, err := verifier(t, "standard", "a").Verify(signed(t, signer(t, "standard", many...), out), testTime)
	wantError(t, err, nil)
	_, err = signature.NewSigner("standard", append(many, "a")...)
	wantError(t, err, signature.ErrInvalidSecret)
	var zero signature.Signer
	if err := zero.Sign(out, http.Header{}); !errors.Is(err, signature.ErrEmptySecret) {
		t.Errorf("zero signer: %v", err)
	}
}
