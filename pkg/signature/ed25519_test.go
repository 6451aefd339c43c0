package signature_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// ownKey and otherKey are private keys of the tests.
func ownKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32))) }

func otherKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed([]byte(strings.Repeat("t", 32))) }

func whsk(key ed25519.PrivateKey) string { return "whsk_" + base64.StdEncoding.EncodeToString(key) }
func whpk(key ed25519.PrivateKey) string {
	return "whpk_" + base64.StdEncoding.EncodeToString(key[32:])
}

func v1aOf(key ed25519.PrivateKey, message string) string {
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(message)))
}

func TestVerifier_StandardEd25519Headers(t *testing.T) {
	t.Parallel()
	const id, at = testID, "1700000000"
	message := id + "." + at + "." + string(testBody)
	good, other := v1aOf(ownKey(), message), v1aOf(otherKey(), message)
	bare := strings.TrimRight(good, "=")
	shared := v1Of(plainSecret, message)
	tests := []struct {
		name, id, at, list string
		want               error
	}{
		{"right", id, at, good, nil},
		{"padding missing", id, at, bare, nil},
		{"beside a shared signature", id, at, shared + " " + good, nil},
		{"before a shared signature", id, at, good + " " + shared, nil},
		{"second of two", id, at, other + " " + good, nil},
		{"after unreadable ones", id, at, "v1a,!! v1a, v1a v2,x nonsense " + good, nil},
		{"sixteenth", id, at, strings.Repeat(other+" ", 15) + good, nil},
		{"seventeenth", id, at, strings.Repeat(other+" ", 16) + good, signature.ErrMalformed},
		{"no id", "", at, good, signature.ErrMissing},
		{"no time", id, "", good, signature.ErrMissing},
		{"no signature", id, at, "", signature.ErrMissing},
		{"shared signature only", id, at, shared, signature.ErrMalformed},
		{"under the other version", id, at, "v1," + good[4:], signature.ErrMalformed},
		{"upper case version", id, at, "V1A," + good[4:], signature.ErrMalformed},
		{"no version", id, at, good[4:], signature.ErrMalformed},
		{"comma between signatures", id, at, good + "," + good, signature.ErrMalformed},
		{"hexadecimal", id, at, "v1a," + hex.EncodeToString(ed25519.Sign(ownKey(), []byte(message))), signature.ErrMalformed},
		{"bits after the last byte", id, at, bare[:len(bare)-1] + nextLetter(bare[len(bare)-1]), signature.ErrMalformed},
		{"shared signature as one of a key pair", id, at, "v1a," + shared[3:], signature.ErrMalformed},
		{"enormous", id, at, strings.Repeat("v2,x ", 1000) + good, signature.ErrMalformed},
		{"zeros", id, at, "v1a," + base64.StdEncoding.EncodeToString(make([]byte, 64)), signature.ErrMismatch},
		{"other key", id, at, other, signature.ErrMismatch},
		{"other id", "msg_2", at, good, signature.ErrMismatch},
		{"dot in id", "msg.1", at, good, signature.ErrMalformed},
		{"other time", id, "1700000001", good, signature.ErrMismatch},
		{"time spelled otherwise", id, "01700000000", good, signature.ErrMismatch},
		{"time not a number", id, "1700000000 ", good, signature.ErrMalformed},
	}
	v := verifier(t, "standard-ed25519", whpk(ownKey()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := v.Verify(signature.Request{Header: standardHeaders(test.id, test.at, test.list), Body: testBody}, testTime)
			wantError(t, err, test.want)
			want := signature.Match{Scheme: "standard-ed25519", ID: testID, IDSigned: true, Timestamp: testTime.UTC()}
			if err == nil && match != want {
				t.Errorf("match %+v, want %+v", match, want)
			}
		})
	}
}

// TestVerifier_StandardBothVersions: one list serves the receivers of both.
func TestVerifier_StandardBothVersions(t *testing.T) {
	t.Parallel()
	out := signature.Outgoing{ID: testID, Time: testTime, Body: testBody}
	shared := signed(t, signer(t, "standard", plainSecret, "another"), out)
	pair := signed(t, signer(t, "standard-ed25519", whsk(otherKey()), whsk(ownKey())), out)
	lists := []string{firstValue(shared.Header, "Webhook-Signature"), firstValue(pair.Header, "Webhook-Signature")}
	for _, list := range []string{lists[0] + " " + lists[1], lists[1] + " " + lists[0]} {
		request := with(shared, "Webhook-Signature", list)
		for scheme, secret := range map[string]string{"standard": plainSecret, "standard-ed25519": whpk(ownKey())} {
			match, err := verifier(t, scheme, secret).Verify(request, testTime)
			if err != nil || match.Scheme != scheme {
				t.Errorf("%s: %+v, %v", scheme, match, err)
			}
			request := request
			request.Body = []byte("{}")
			_, err = verifier(t, scheme, secret).Verify(request, testTime)
			wantError(t, err, signature.ErrMismatch)
		}
	}
	if n := strings.Count(lists[1], "v1a,"); n != 2 {
		t.Errorf("%d signatures of two keys: %s", n, lists[1])
	}
}

// smallOrder spells one of the points for which anybody can sign.
const smallOrder = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"

// weakKeys are public keys that no seed has, in hexadecimal.
func weakKeys() map[string]string {
	ff := func(low, high string) string { return low + strings.Repeat("ff", 30) + high }
	return map[string]string{
		"neutral point":           "01" + strings.Repeat("00", 31),
		"neutral point, sign set": "01" + strings.Repeat("00", 30) + "80",
		"order two":               ff("ec", "7f"),
		"order two, sign set":     ff("ec", "ff"),
		"order four":              strings.Repeat("00", 32),
		"order four, sign set":    strings.Repeat("00", 31) + "80",
		"order eight":             smallOrder,
		"order eight, sign set":   smallOrder[:62] + "fa",
		"order eight, other":      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order eight, other sign": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"zero, spelled as p":      ff("ed", "7f"),
		"one, spelled as p + 1":   ff("ee", "7f"),
		"three, spelled as p + 3": ff("f0", "7f"),
		"largest number":          ff("ff", "ff"),
		"no point":                "02" + strings.Repeat("00", 31),
	}
}

func TestEd25519_WeakKeys(t *testing.T) {
	t.Parallel()
	for name, digits := range weakKeys() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := hex.DecodeString(digits)
			if err != nil || len(key) != 32 {
				t.Fatalf("%q: %v", digits, err)
			}
			_, err = signature.NewVerifier("discord", []string{digits})
			wantError(t, err, signature.ErrInvalidSecret)
			_, err = signature.NewVerifier("standard-ed25519", []string{"whpk_" + base64.StdEncoding.EncodeToString(key)})
			wantError(t, err, signature.ErrInvalidSecret)
		})
	}
}

// TestEd25519_WeakKeysVerify shows what the check is good for: crypto/ed25519
// alone takes one signature for every message, made without any private key.
func TestEd25519_WeakKeysVerify(t *testing.T) {
	t.Parallel()
	neutral := append([]byte{1}, make([]byte, 31)...)
	forged := append(neutral, make([]byte, 32)...) // R is the neutral point, S is 0
	if !ed25519.Verify(neutral, []byte("any message"), forged) {
		t.Error("crypto/ed25519 refuses it by itself")
	}
}

// TestEd25519_GenuineKeys: no key that somebody has is refused.
func TestEd25519_GenuineKeys(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%032d", i)))
		if _, err := signature.NewVerifier("discord", []string{hex.EncodeToString(key[32:])}); err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
	}
}

func TestSecrets_StandardEd25519(t *testing.T) {
	t.Parallel()
	broken := ownKey()
	copy(broken[32:], otherKey()[32:])
	swapped := append(ownKey()[32:64:64], ownKey()[:32]...)
	encode := base64.StdEncoding.EncodeToString
	tests := []struct {
		name, secret    string
		verifies, signs bool
		reason          string
	}{
		{"public half", whpk(ownKey()), true, false, "whsk_"},
		{"private half", whsk(ownKey()), false, true, "whpk_"},
		{"padding missing", strings.TrimRight(whpk(ownKey()), "="), true, false, "whsk_"},
		{"halves that disagree", whsk(broken), false, false, "halves"},
		{"halves swapped", "whsk_" + encode(swapped), false, false, "halves"},
		{"seed only", "whsk_" + encode(ownKey()[:32]), false, false, "64"},
		{"private key as public", "whpk_" + encode(ownKey()), false, false, "32"},
		{"a byte less", "whpk_" + encode(ownKey()[33:]), false, false, "32"},
		{"no prefix", encode(ownKey()[32:]), false, false, ""},
		{"shared secret", "whsec_" + encode(ownKey()[32:]), false, false, ""},
		{"hexadecimal", "whpk_" + hex.EncodeToString(ownKey()[32:]), false, false, ""},
		{"not base64", "whpk_" + strings.Repeat("!", 44), false, false, ""},
		{"line break", whpk(ownKey()) + "\n", false, false, ""},
		{"nothing", "whpk_", false, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, verifyErr := signature.NewVerifier("standard-ed25519", []string{test.secret})
			checkSecret(t, verifyErr, test.verifies, test.secret)
			_, signErr := signature.NewSigner("standard-ed25519", test.secret)
			checkSecret(t, signErr, test.signs, test.secret)
			_, publicErr := signature.PublicKey("standard-ed25519", test.secret)
			checkSecret(t, publicErr, test.signs, test.secret)
			if text := fmt.Sprint(verifyErr, signErr); !strings.Contains(text, test.reason) {
				t.Errorf("%q says nothing of %q", text, test.reason)
			}
		})
	}
}

// checkSecret wants ErrInvalidSecret without the secret's text, or nothing.
func checkSecret(t *testing.T, err error, usable bool, secret string) {
	t.Helper()
	if usable {
		wantError(t, err, nil)
		return
	}
	wantError(t, err, signature.ErrInvalidSecret)
	if _, text, _ := strings.Cut(secret, "_"); text != "" && strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("%v holds the secret", err)
	}
}

// TestSecrets_PrivateKeysNotPrinted formats what holds private keys.
func TestSecrets_PrivateKeysNotPrinted(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"discord", "sendgrid", "standard-ed25519"} {
		secret := newPair(t, scheme)[0]
		raw, err := hex.DecodeString(secret)
		if err != nil {
			raw, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsk_"))
		}
		if err != nil {
			t.Fatal(err)
		}
		private := raw[:32] // the seed
		if scheme == "sendgrid" {
			private = raw[36:68] // the number within PKCS #8
		}
		s := signer(t, scheme, secret)
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(format, s)
			for _, leak := range []string{secret, hex.EncodeToString(private), fmt.Sprintf("%d %d %d %d", private[0], private[1], private[2], private[3])} {
				if strings.Contains(text, leak) {
					t.Errorf("%s, %s: %q in %q", scheme, format, leak, text)
				}
			}
		}
	}
}

// TestDetector_StandardEd25519: its header is that of standard, so it must be
// named.
func TestDetector_StandardEd25519(t *testing.T) {
	t.Parallel()
	_, err := signature.NewDetector([]string{"standard-ed25519"}, []string{whpk(ownKey())})
	wantError(t, err, signature.ErrUnknownScheme)
	request := signed(t, signer(t, "standard-ed25519", whsk(ownKey())), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	_, err = detector(t, nil, plainSecret).Verify(request, testTime)
	wantError(t, err, signature.ErrMalformed)
	for _, secret := range []string{whpk(ownKey()), whsk(ownKey())} {
		for _, scheme := range []string{"standard", "svix", "github"} {
			_, err = signature.NewVerifier(scheme, []string{secret})
			wantError(t, err, signature.ErrInvalidSecret)
		}
	}
}

var timePattern = regexp.MustCompile(`^[0-9]{1,12}$`)

// v1aVerifies reads the three headers as standard-ed25519 does.
func v1aVerifies(id, at, list string, body []byte, now time.Time) bool {
	if !regexp.MustCompile(`^[!#$&-\-/-~]{1,256}$`).MatchString(id) || !timePattern.MatchString(at) {
		return false
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || seconds < now.Unix()-300 || seconds > now.Unix()+300 {
		return false
	}
	for _, entry := range strings.Split(list, " ") {
		text, found := strings.CutPrefix(entry, "v1a,")
		if !found || strings.ContainsAny(text, "\r\n") {
			continue
		}
		decoded, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimSuffix(text, "=="))
		public := ownKey().Public().(ed25519.PublicKey)
		if err == nil && len(decoded) == 64 && ed25519.Verify(public, []byte(id+"."+at+"."+string(body)), decoded) {
			return true
		}
	}
	return false
}

func FuzzVerifyStandardEd25519(f *testing.F) {
	message := testID + ".1700000000." + string(testBody)
	good, other := v1aOf(ownKey(), message), v1aOf(otherKey(), message)
	for _, list := range []string{
		"", good, good[:len(good)-2], other + " " + good, "v1,AAAA " + good, "v1," + good[4:], good + "=", good[4:], "v1a,\n" + good[4:],
	} {
		f.Add(testID, "1700000000", list, testBody)
	}
	f.Add("msg.1", "1700000000", good, testBody)
	f.Add(testID, "01700000000", good, testBody)
	f.Add(testID, "99999999999999999999", good, []byte(nil))
	right, wrong := verifier(f, "standard-ed25519", newPair(f, "standard-ed25519")[1], whpk(ownKey())), verifier(f, "standard-ed25519", newPair(f, "standard-ed25519")[1])
	f.Fuzz(func(t *testing.T, id, at, list string, body []byte) {
		if len(list) > 4096 || strings.Count(list, "v1a,") > 16 {
			t.Skip("bounds have tests of their own")
		}
		request := signature.Request{Body: body, Header: http.Header{
			"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {list},
		}}
		match, err := right.Verify(request, testTime)
		check(t, err, v1aVerifies(id, at, list, body, testTime))
		if err == nil && match.ID != id {
			t.Errorf("id %q, want %q", match.ID, id)
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
