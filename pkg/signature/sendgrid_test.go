package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// p256Key is a private key of the tests, from its number.
func p256Key(t testing.TB, number byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), number))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func spki(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func pkcs8(t testing.TB, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func sendgridOf(t testing.TB, key *ecdsa.PrivateKey, at, body string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(at + body))
	der, err := key.Sign(nil, sum[:], crypto.SHA256) // the same each time
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func sendgridHeaders(at, sum string) http.Header {
	return http.Header{"X-Twilio-Email-Event-Webhook-Timestamp": {at}, "X-Twilio-Email-Event-Webhook-Signature": {sum}}
}

func TestVerifier_Sendgrid(t *testing.T) {
	t.Parallel()
	const at, sumName, atName = "1700000000", "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
	encode := base64.StdEncoding.EncodeToString
	key := p256Key(t, 1)
	der := sendgridOf(t, key, at, string(testBody))
	good := encode(der)
	genuine := func(at string) http.Header {
		return sendgridHeaders(at, encode(sendgridOf(t, key, at, string(testBody))))
	}
	tests := []struct {
		name   string
		header http.Header
		want   error
	}{
		{"right", genuine(at), nil},
		{"padding missing", sendgridHeaders(at, strings.TrimRight(good, "=")), nil},
		{"oldest", genuine("1699999400"), nil},
		{"too old", genuine("1699999399"), signature.ErrTooOld},
		{"newest", genuine("1700000600"), nil},
		{"too new", genuine("1700000601"), signature.ErrTooNew},
		{"nothing", http.Header{}, signature.ErrMissing},
		{"no time", http.Header{sumName: {good}}, signature.ErrMissing},
		{"no signature", http.Header{atName: {at}}, signature.ErrMissing},
		{"empty signature", sendgridHeaders(at, ""), signature.ErrMalformed},
		{"empty time", sendgridHeaders("", good), signature.ErrMalformed},
		{"signature twice", http.Header{atName: {at}, sumName: {good, good}}, signature.ErrMalformed},
		{"time twice", http.Header{atName: {at, at}, sumName: {good}}, signature.ErrMalformed},
		{"comma-joined", sendgridHeaders(at, good+","+good), signature.ErrMalformed},
		{"hexadecimal", sendgridHeaders(at, hex.EncodeToString(der)), signature.ErrMalformed},
		{"line break", sendgridHeaders(at, good[:20]+"\n"+good[20:]), signature.ErrMalformed},
		{"space after", sendgridHeaders(at, good+" "), signature.ErrMalformed},
		{"not UTF-8", sendgridHeaders(at, "\xff\xfe"), signature.ErrMalformed},
		{"too short", sendgridHeaders(at, encode(der[:7])), signature.ErrMalformed},
		{"too long", sendgridHeaders(at, encode(append(der, make([]byte, 10)...))), signature.ErrMalformed},
		{"enormous", sendgridHeaders(at, strings.Repeat("A", 1<<20)), signature.ErrMalformed},
		{"a byte behind the DER", sendgridHeaders(at, encode(append(der, 0))), signature.ErrMismatch},
		{"numbers without DER", sendgridHeaders(at, encode(make([]byte, 64))), signature.ErrMismatch},
		{"zeros in DER", sendgridHeaders(at, encode([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})), signature.ErrMismatch},
		{"ones in DER", sendgridHeaders(at, encode([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})), signature.ErrMismatch},
		{"a longer form of the length", sendgridHeaders(at, encode(append([]byte{0x30, 0x81}, der[1:]...))), signature.ErrMismatch},
		{"other key", sendgridHeaders(at, encode(sendgridOf(t, p256Key(t, 2), at, string(testBody)))), signature.ErrMismatch},
		{"other time", sendgridHeaders("1700000001", good), signature.ErrMismatch},
		{"body alone signed", sendgridHeaders(at, encode(sendgridOf(t, key, "", string(testBody)))), signature.ErrMismatch},
		{"time of nine digits", genuine("170000000"), signature.ErrMalformed},
		{"time of eleven digits", genuine("17000000000"), signature.ErrMalformed},
		{"leading zero", genuine("0700000000"), signature.ErrMalformed},
		{"milliseconds", genuine("1700000000000"), signature.ErrMalformed},
		{"overflow", genuine("18446744075409551616"), signature.ErrMalformed},
		{"date", genuine("2023-11-14T22:13:20Z"), signature.ErrMalformed},
	}
	v := verifier(t, "sendgrid", spki(t, key.Public()))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := v.Verify(signature.Request{Header: test.header, Body: testBody}, testTime)
			wantError(t, err, test.want)
			if err == nil && (match.Scheme != "sendgrid" || match.ID != "" || match.EventType != "" ||
				strconv.FormatInt(match.Timestamp.Unix(), 10) != test.header.Get(atName)) {
				t.Errorf("match %+v", match)
			}
		})
	}
}

// TestVerifier_SendgridBody: the line break at the end of SendGrid's bodies is
// signed like the rest.
func TestVerifier_SendgridBody(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, "sendgrid", pkcs8(t, p256Key(t, 1))), signature.Outgoing{Time: testTime, Body: []byte("[{}]\r\n")})
	request.Body = []byte("[{}]")
	_, err := verifier(t, "sendgrid", spki(t, p256Key(t, 1).Public())).Verify(request, testTime)
	wantError(t, err, signature.ErrMismatch)
}

// TestVerifier_SendgridSecondSpelling documents what ECDSA allows: r with the
// negative of s is a signature of the same message, and of no other.
func TestVerifier_SendgridSecondSpelling(t *testing.T) {
	t.Parallel()
	key := p256Key(t, 1)
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sendgridOf(t, key, "1700000000", string(testBody)), &numbers); err != nil {
		t.Fatal(err)
	}
	v := verifier(t, "sendgrid", spki(t, key.Public()))
	verify := func(body []byte) error {
		der, err := asn1.Marshal(numbers)
		if err != nil {
			t.Fatal(err)
		}
		h := sendgridHeaders("1700000000", base64.StdEncoding.EncodeToString(der))
		_, err = v.Verify(signature.Request{Header: h, Body: body}, testTime)
		return err
	}
	order := elliptic.P256().Params().N
	numbers.S.Sub(order, numbers.S)
	wantError(t, verify(testBody), nil)
	wantError(t, verify([]byte("{}")), signature.ErrMismatch)
	numbers.S.Neg(numbers.S)
	wantError(t, verify(testBody), signature.ErrMismatch)
	numbers.S.Mod(numbers.S, order)
	wantError(t, verify(testBody), nil)
	numbers.S.Add(numbers.S, order)
	if err := verify(testBody); err == nil {
		t.Error("s beyond the order verifies")
	}
}

func TestSecrets_Sendgrid(t *testing.T) {
	t.Parallel()
	key := p256Key(t, 1)
	public, private := spki(t, key.Public()), pkcs8(t, key)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(public)
	if err != nil {
		t.Fatal(err)
	}
	offCurve := append([]byte(nil), der...)
	offCurve[len(offCurve)-1] ^= 1
	encode := base64.StdEncoding.EncodeToString
	tests := []struct {
		name, secret    string
		verifies, signs bool
	}{
		{"public key", public, true, false},
		{"private key", private, false, true},
		{"padding missing", strings.TrimRight(public, "="), true, false},
		{"P-384", spki(t, other.Public()), false, false},
		{"private P-384", pkcs8(t, other), false, false},
		{"RSA", spki(t, big.Public()), false, false},
		{"private RSA", pkcs8(t, big), false, false},
		{"ed25519", spki(t, ownKey().Public()), false, false},
		{"private ed25519", pkcs8(t, ownKey()), false, false},
		{"PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), false, false},
		{"no point of the curve", encode(offCurve), false, false},
		{"a byte more", encode(append(der, 0)), false, false},
		{"a byte less", encode(der[:len(der)-1]), false, false},
		{"hexadecimal", hex.EncodeToString(der), false, false},
		{"line break", public + "\n", false, false},
		{"text", plainSecret, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewVerifier("sendgrid", []string{test.secret})
			checkSecret(t, err, test.verifies, test.secret)
			_, err = signature.NewSigner("sendgrid", test.secret)
			checkSecret(t, err, test.signs, test.secret)
			got, err := signature.PublicKey("sendgrid", test.secret)
			checkSecret(t, err, test.signs, test.secret)
			if test.signs && got != public {
				t.Errorf("public key %s, want %s", got, public)
			}
		})
	}
}

func FuzzVerifySendgrid(f *testing.F) {
	key := p256Key(f, 1)
	der := sendgridOf(f, key, "1700000000", string(testBody))
	good := base64.StdEncoding.EncodeToString(der)
	for _, sum := range []string{"", good, strings.TrimRight(good, "="), good + "=", hex.EncodeToString(der), "MAYCAQACAQA=", "MAYCAQECAQE="} {
		f.Add("1700000000", sum, testBody)
	}
	f.Add("170000000", good, append([]byte("0"), testBody...))
	f.Add("1700000601", base64.StdEncoding.EncodeToString(sendgridOf(f, key, "1700000601", "{}")), []byte("{}"))
	f.Add("1700000000", base64.StdEncoding.EncodeToString(append(der, 0)), testBody)
	right, wrong := verifier(f, "sendgrid", spki(f, key.Public())), verifier(f, "sendgrid", newPair(f, "sendgrid")[1])
	f.Fuzz(func(t *testing.T, at, sum string, body []byte) {
		request := signature.Request{Header: sendgridHeaders(at, sum), Body: body}
		_, err := right.Verify(request, testTime)
		check(t, err, sendgridVerifies(&key.PublicKey, at, sum, body))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// sendgridVerifies reads the two numbers and writes them again, which must give
// the same bytes.
func sendgridVerifies(key *ecdsa.PublicKey, at, sum string, body []byte) bool {
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !regexp.MustCompile(`^[0-9]{10}$`).MatchString(at) || seconds < 1700000000-600 || seconds > 1700000000+600 {
		return false
	}
	der, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(sum, "="))
	if err != nil || strings.ContainsAny(sum, "\r\n") || sum != base64.StdEncoding.EncodeToString(der) && strings.HasSuffix(sum, "=") {
		return false
	}
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &numbers); err != nil || len(rest) > 0 {
		return false
	}
	again, err := asn1.Marshal(numbers)
	digest := sha256.Sum256([]byte(at + string(body)))
	return err == nil && string(again) == string(der) && ecdsa.Verify(key, digest[:], numbers.R, numbers.S)
}
