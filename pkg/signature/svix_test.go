package signature_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

func svixHeaders(id, at, list string) http.Header {
	return http.Header{"Svix-Id": {id}, "Svix-Timestamp": {at}, "Svix-Signature": {list}}
}

// TestVerifier_Svix looks at what differs from standard; the code is the same.
func TestVerifier_Svix(t *testing.T) {
	t.Parallel()
	good := v1Of(plainSecret, testID+".1700000000."+string(testBody))
	standard := standardHeaders(testID, "1700000000", good)
	mixed := svixHeaders(testID, "1700000000", good)
	mixed.Del("Svix-Id")
	mixed.Set("Webhook-Id", testID)
	twice := svixHeaders(testID, "1700000000", good)
	twice.Add("Svix-Signature", good)
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"right", svixHeaders(testID, "1700000000", good), nil},
		{"after a v1a", svixHeaders(testID, "1700000000", "v1a,AAAA "+good), nil},
		{"under the names of standard", standard, signature.ErrMissing},
		{"id under the name of standard", mixed, signature.ErrMissing},
		{"twice", twice, signature.ErrMalformed},
		{"empty", svixHeaders(testID, "1700000000", ""), signature.ErrMalformed},
		{"empty id", svixHeaders("", "1700000000", good), signature.ErrMalformed},
		{"empty time", svixHeaders(testID, "", good), signature.ErrMalformed},
		{"dot in id", svixHeaders("msg.1", "1700000000", v1Of(plainSecret, "msg.1.1700000000."+string(testBody))), signature.ErrMalformed},
		{"other secret", svixHeaders(testID, "1700000000", v1Of("another", testID+".1700000000."+string(testBody))), signature.ErrMismatch},
		{"other id", svixHeaders("msg_2", "1700000000", good), signature.ErrMismatch},
		{"too old", svixHeaders(testID, "1699999699", v1Of(plainSecret, testID+".1699999699."+string(testBody))), signature.ErrTooOld},
		{"too new", svixHeaders(testID, "1700000301", v1Of(plainSecret, testID+".1700000301."+string(testBody))), signature.ErrTooNew},
	}
	v := verifier(t, "svix", plainSecret)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
			want := signature.Match{Scheme: "svix", ID: testID, IDSigned: true, Timestamp: testTime.UTC()}
			if err == nil && match != want {
				t.Errorf("match %+v, want %+v", match, want)
			}
		})
	}
}

// TestDetector_Svix: the headers of both names are one provider's, and only
// those of Svix count.
func TestDetector_Svix(t *testing.T) {
	t.Parallel()
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	svix := signed(t, signer(t, "svix", plainSecret), out)
	standard := signed(t, signer(t, "standard", plainSecret), out)
	github := signed(t, signer(t, "github", plainSecret), out)
	forgedSvix := with(svix, "Svix-Signature", v1Of("another", "x"))
	forgedStandard := with(standard, "Webhook-Signature", v1Of("another", "x"))
	tests := []struct {
		name    string
		schemes []string
		request signature.Request
		scheme  string
		want    error
	}{
		{"svix alone", nil, svix, "svix", nil},
		{"standard alone", nil, standard, "standard", nil},
		{"both", nil, merged(svix, standard), "svix", nil},
		{"both, the other way round", nil, merged(standard, svix), "svix", nil},
		{"only the other is wrong", nil, merged(svix, forgedStandard), "svix", nil},
		{"never the other instead", nil, merged(forgedSvix, standard), "", signature.ErrMismatch},
		{"an empty one beside the other", nil, with(standard, "Svix-Signature", ""), "", signature.ErrMissing},
		{"both, svix not listed", []string{"standard", "github"}, merged(svix, standard), "standard", nil},
		{"both, standard not listed", []string{"svix", "github"}, merged(svix, standard), "svix", nil},
		{"svix and github", nil, merged(svix, github), "", signature.ErrAmbiguous},
		{"both and github", nil, merged(svix, standard, github), "", signature.ErrAmbiguous},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := detector(t, test.schemes, plainSecret).Verify(test.request, testTime)
			wantError(t, err, test.want)
			if match.Scheme != test.scheme {
				t.Errorf("match %+v, want scheme %q", match, test.scheme)
			}
		})
	}
}

func TestSecrets_Svix(t *testing.T) {
	t.Parallel()
	whsec := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for secret, want := range map[string]error{
		"plain": nil, whsec(16): nil, whsec(18): nil, whsec(24): nil, whsec(64): nil,
		whsec(15): signature.ErrInvalidSecret, whsec(65): signature.ErrInvalidSecret, "whsec_": signature.ErrInvalidSecret,
		"whsec_" + strings.Repeat("!", 32): signature.ErrInvalidSecret, whpk(ownKey()): signature.ErrInvalidSecret,
	} {
		_, err := signature.NewVerifier("svix", []string{secret})
		wantError(t, err, want)
		_, err = signature.NewSigner("svix", secret)
		wantError(t, err, want)
	}
	// A shorter secret that svix alone takes is no standard secret.
	d := detector(t, nil, whsec(18))
	wantError(t, d.Unusable(), signature.ErrInvalidSecret)
}

func FuzzVerifySvix(f *testing.F) {
	good := v1Of(plainSecret, testID+".1700000000."+string(testBody))
	for _, list := range []string{"", good, good[:len(good)-1], "v1,AAAA " + good, "v1a," + good[3:], good + "=", good[3:]} {
		f.Add(testID, "1700000000", list, testBody)
	}
	f.Add("msg.1", "1700000000", good, testBody)
	f.Add(testID, "01700000000", good, []byte(nil))
	right, wrong := verifier(f, "svix", "another", plainSecret), verifier(f, "svix", "yet another")
	f.Fuzz(func(t *testing.T, id, at, list string, body []byte) {
		if len(list) > 4096 || strings.Count(list, "v1,") > 16 || len(at) > 12 {
			t.Skip("bounds have tests of their own")
		}
		request := signature.Request{Header: svixHeaders(id, at, list), Body: body}
		match, err := right.Verify(request, testTime)
		check(t, err, standardVerifies(id, at, list, body, testTime))
		if err == nil && match.ID != id {
			t.Errorf("id %q, want %q", match.ID, id)
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
