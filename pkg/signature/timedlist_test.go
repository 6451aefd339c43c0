package signature_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// timedLists are the schemes with one header of named parts, as the tests write
// them down.
var timedLists = map[string]struct{ header, separator, time, signature, joint string }{
	"stripe":          {"Stripe-Signature", ",", "t=", "v1=", "."},
	"paddle":          {"Paddle-Signature", ";", "ts=", "h1=", ":"},
	"convoy-advanced": {"X-Convoy-Signature", ",", "t=", "v1=", ","},
}

func TestVerifier_TimedList(t *testing.T) {
	t.Parallel()
	for scheme, form := range timedLists {
		good := hexOf(plainSecret, "1700000000"+form.joint+string(testBody))
		other := hexOf("another", "1700000000"+form.joint+string(testBody))
		at := form.time + "1700000000"
		of := func(digits string) string { return form.signature + digits }
		list := func(parts ...string) string { return strings.Join(parts, form.separator) }
		tests := []struct {
			name, value string
			want        error
		}{
			{"right", list(at, of(good)), nil},
			{"upper case digits", list(at, of(strings.ToUpper(good))), nil},
			{"time last", list(of(good), at), nil},
			{"second of two", list(at, of(other), of(good)), nil},
			{"first of two", list(at, of(good), of(other)), nil},
			{"beside other versions", list(at, "v0="+other, of(good), "h2=x", "v2=a=b"), nil},
			{"beside unreadable ones", list(at, of(""), of("zz"), of(good[:63]), of(strings.Repeat("g", 64)), of(good)), nil},
			{"sixteenth", list(at, strings.Repeat(of(other)+form.separator, 15)+of(good)), nil},
			{"seventeenth", list(at, strings.Repeat(of(other)+form.separator, 16)+of(good)), signature.ErrMalformed},
			{"empty", "", signature.ErrMalformed},
			{"no time", of(good), signature.ErrMalformed},
			{"no signature", at, signature.ErrMalformed},
			{"other version only", list(at, "v0="+good), signature.ErrMalformed},
			{"upper case version", list(at, strings.ToUpper(form.signature)+good), signature.ErrMalformed},
			{"two times alike", list(at, at, of(good)), signature.ErrMalformed},
			{"two times", list(form.time, at, of(good)), signature.ErrMalformed},
			{"a time after the signature", list(at, of(good), form.time+"1"), signature.ErrMalformed},
			{"part without =", list(at, of(good), "x"), signature.ErrMalformed},
			{"separator at the end", list(at, of(good), ""), signature.ErrMalformed},
			{"space after the separator", list(at, " "+of(good)), signature.ErrMalformed},
			{"space before a second signature", list(at, of(good), " "+of(good)), signature.ErrMalformed},
			{"space before", " " + list(at, of(good)), signature.ErrMalformed},
			{"space after", list(at, of(good)) + " ", signature.ErrMalformed},
			{"line break", list(at, of(good)) + "\n", signature.ErrMalformed},
			{"not UTF-8", list(at, of(good), "x=\xff"), signature.ErrMalformed},
			{"one digit short", list(at, of(good[:63])), signature.ErrMalformed},
			{"one digit more", list(at, of(good+"0")), signature.ErrMalformed},
			{"one byte short", list(at, of(good[:62])), signature.ErrMalformed},
			{"one byte more", list(at, of(good+"00")), signature.ErrMalformed},
			{"no digits", list(at, of("")), signature.ErrMalformed},
			{"not hexadecimal", list(at, of(good[:63]+"g")), signature.ErrMalformed},
			{"enormous", list(at, of(good), "x="+strings.Repeat("0", 4096)), signature.ErrMalformed},
			{"other secret", list(at, of(other)), signature.ErrMismatch},
			{"zeros", list(at, of(strings.Repeat("0", 64))), signature.ErrMismatch},
			{"other time", list(form.time+"1700000001", of(good)), signature.ErrMismatch},
			{"time spelled otherwise", list(form.time+"01700000000", of(good)), signature.ErrMismatch},
			{"other separator", list(at, "x=") + " " + of(good), signature.ErrMalformed},
		}
		v := verifier(t, scheme, plainSecret)
		for _, test := range tests {
			t.Run(scheme+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				match, err := v.Verify(signature.Request{Header: http.Header{form.header: {test.value}}, Body: testBody}, testTime)
				wantError(t, err, test.want)
				want := signature.Match{}
				if test.want == nil {
					want = signature.Match{Scheme: scheme, Timestamp: testTime.UTC()}
				}
				if match != want {
					t.Errorf("match %+v, want %+v", match, want)
				}
			})
		}
	}
}

func TestVerifier_TimedListHeader(t *testing.T) {
	t.Parallel()
	for scheme, form := range timedLists {
		value := form.time + "1700000000" + form.separator + form.signature + hexOf(plainSecret, "1700000000"+form.joint+string(testBody))
		v := verifier(t, scheme, plainSecret)
		for want, h := range map[error]http.Header{
			signature.ErrMissing:   {"X-Other": {value}},
			signature.ErrMalformed: {form.header: {value, value}},
			nil:                    {form.header: {value}},
		} {
			_, err := v.Verify(signature.Request{Header: h, Body: testBody}, testTime)
			wantError(t, err, want)
		}
	}
}

// oddTimes are spellings that no scheme with a time in seconds takes.
var oddTimes = map[string]string{
	"after the last": "253402300800", "milliseconds": "17000000000000", "overflow": "18446744075409551616", "largest": "9223372036854775807",
	"negative": "-1700000000", "plus": "+1700000000", "fraction": "1700000000.5", "exponent": "17e8", "underscore": "1_700000000",
	"hexadecimal": "0x6553f100", "other digits": "١٧", "empty": "", "not a number": "Infinity", "date": "2023-11-14T22:13:20Z",
}

func TestVerifier_TimedListTimes(t *testing.T) {
	t.Parallel()
	for scheme, form := range timedLists {
		v := verifier(t, scheme, plainSecret)
		for name, at := range oddTimes {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				t.Parallel()
				value := form.time + at + form.separator + form.signature + hexOf(plainSecret, at+form.joint+string(testBody))
				_, err := v.Verify(signature.Request{Header: http.Header{form.header: {value}}, Body: testBody}, testTime)
				wantError(t, err, signature.ErrMalformed)
			})
		}
	}
}

// TestVerifier_DefaultTolerance: each scheme's own, to the last second, before
// and after.
func TestVerifier_DefaultTolerance(t *testing.T) {
	t.Parallel()
	for scheme, tolerance := range map[string]time.Duration{
		"convoy-advanced": 5 * time.Minute, "gitlab": 5 * time.Minute, "hubspot": 5 * time.Minute, "paddle": 5 * time.Second,
		"slack": 5 * time.Minute, "stripe": 5 * time.Minute, "twitch": 10 * time.Minute, "zoom": 5 * time.Minute,
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			k := newKeys(t, scheme)
			v, request := verifier(t, scheme, k.verifying), sampleRequest(t, scheme, k.signing)
			for later, want := range map[time.Duration]error{
				tolerance: nil, tolerance + 1: signature.ErrTooOld, -tolerance: nil, -tolerance - 1: signature.ErrTooNew,
			} {
				match, err := v.Verify(request, testTime.Add(later))
				wantError(t, err, want)
				if err != nil && match != (signature.Match{}) {
					t.Errorf("match %+v beside %v", match, err)
				}
			}
			_, err := verifier(t, scheme, k.stranger).Verify(request, testTime.Add(24*time.Hour))
			wantError(t, err, signature.ErrMismatch)
		})
	}
}

func TestSigner_TimedList(t *testing.T) {
	t.Parallel()
	for scheme, form := range timedLists {
		h := http.Header{}
		s := signer(t, scheme, "new", "old")
		if err := s.Sign(signature.Outgoing{Time: testTime.Add(time.Millisecond), Body: testBody}, h); err != nil {
			t.Fatal(err)
		}
		text := "1700000000" + form.joint + string(testBody)
		want := strings.Join([]string{form.time + "1700000000", form.signature + hexOf("new", text), form.signature + hexOf("old", text)}, form.separator)
		if got := h.Get(form.header); got != want || len(h) != 1 {
			t.Errorf("%s: %v, want %s", scheme, h, want)
		}
		for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(253402300800, 0)} {
			h := http.Header{}
			wantError(t, s.Sign(signature.Outgoing{Time: at, Body: testBody}, h), signature.ErrUnsignable)
			if len(h) != 0 {
				t.Errorf("%s: headers %v beside an error", scheme, h)
			}
		}
	}
}

// TestVerifier_WholeSecret: a prefix that standard decodes is nothing special to
// Stripe.
func TestVerifier_WholeSecret(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	h := http.Header{"Stripe-Signature": {"t=1700000000,v1=" + hexOf(secret, "1700000000."+string(testBody))}}
	_, err := verifier(t, "stripe", secret).Verify(signature.Request{Header: h, Body: testBody}, testTime)
	wantError(t, err, nil)
}

// timedListVerifies reads the header a second time, with Split and a map.
func timedListVerifies(scheme, value string, body []byte, now time.Time) bool {
	form := timedLists[scheme]
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	parts := map[string][]string{}
	for _, part := range strings.Split(value, form.separator) {
		at := strings.Index(part, "=")
		if at < 0 {
			return false
		}
		parts[part[:at+1]] = append(parts[part[:at+1]], part[at+1:])
	}
	times := parts[form.time]
	if len(times) != 1 || !within(times[0], now, describedTolerance(scheme)) {
		return false
	}
	for _, digits := range parts[form.signature] {
		if hexPattern.MatchString(digits) && strings.ToLower(digits) == hexOf(plainSecret, times[0]+form.joint+string(body)) {
			return true
		}
	}
	return false
}

func describedTolerance(scheme string) time.Duration {
	info, err := signature.Describe(scheme)
	if err != nil {
		return -1
	}
	return info.Tolerance
}

func fuzzTimedList(f *testing.F, scheme string) {
	form := timedLists[scheme]
	good := form.signature + hexOf(plainSecret, "1700000000"+form.joint+string(testBody))
	at := form.time + "1700000000"
	for _, parts := range [][]string{
		{at, good},
		{good, at},
		{at},
		{good},
		{at, at, good},
		{at, " " + good},
		{at, good, "v0=00", "x=y=z"},
		{at, form.signature + "00", good},
		{at, strings.ToUpper(good)},
		{at, good + "0"},
		{form.time + "01700000000", good},
		{form.time + "-1", good},
		{at, "\xff=", good},
	} {
		f.Add(strings.Join(parts, form.separator), testBody)
	}
	right, wrong := verifier(f, scheme, "another", plainSecret), verifier(f, scheme, "yet another")
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		if len(value) > 4096 || strings.Count(value, form.signature) > 16 {
			t.Skip("bounds have tests of their own")
		}
		request := signature.Request{Header: http.Header{form.header: {value}}, Body: body}
		_, err := right.Verify(request, testTime)
		check(t, err, timedListVerifies(scheme, value, body, testTime))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

func FuzzVerifyStripe(f *testing.F)         { fuzzTimedList(f, "stripe") }
func FuzzVerifyPaddle(f *testing.F)         { fuzzTimedList(f, "paddle") }
func FuzzVerifyConvoyAdvanced(f *testing.F) { fuzzTimedList(f, "convoy-advanced") }
