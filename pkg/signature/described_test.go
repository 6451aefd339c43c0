package signature_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const describedAll = "hmac-sha256:header=X-Acme-Signature,prefix=v1=,id=X-Acme-Id,type=X-Acme-Type,timestamp=X-Acme-Time,signed=v1:{timestamp}:{id}:{body}:end"

func TestDescribed_Names(t *testing.T) {
	t.Parallel()
	const valid = "hmac-sha256:header=X-Acme"
	tests := []struct {
		name, description string
		fault             string // part of the message, or empty where it is right
	}{
		{"shortest", valid, ""},
		{"everything", describedAll, ""},
		{"default spelled out", valid + ",encoding=hex,signed={body}", ""},
		{"text around the body", valid + ",signed= a{body}b=", ""},
		{"id after the body", valid + ",id=X-Id,signed={body}.{id}", ""},
		{"id after the time, without text", valid + ",id=X-Id,timestamp=X-Time,signed={timestamp}{id}.{body}", ""},
		{"time without text", valid + ",timestamp=X-Time,signed={timestamp}{body}", ""},
		{"unsigned id", valid + ",id=X-Id", ""},
		{"name of symbols", "hmac-sha1:header=!#$%&'*+-.^_`|~9", ""},
		{"prefix with a space", valid + ",prefix=HMAC SHA", ""},
		{"other algorithm", "hmac-md5:header=X-Acme", "algorithm"},
		{"no algorithm", "hmac-:header=X-Acme", "algorithm"},
		{"case of the algorithm", "hmac-SHA256:header=X-Acme", "algorithm"},
		{"no options", "hmac-sha256", `"" is none`},
		{"no options after the colon", "hmac-sha256:", `"" is none`},
		{"no header", "hmac-sha256:encoding=hex", "header is required"},
		{"empty header", "hmac-sha256:header=", "header is empty"},
		{"no value", "hmac-sha256:header", "header is empty"},
		{"unknown option", valid + ",tolerance=5m", `"tolerance" is none`},
		{"case of an option", "hmac-sha256:Header=X-Acme", `"Header" is none`},
		{"space before an option", valid + ", encoding=hex", `" encoding" is none`},
		{"comma last", valid + ",", `"" is none`},
		{"given twice", valid + ",header=X-Acme", "header is given twice"},
		{"space in a header", "hmac-sha256:header=X Acme", "header is not the name"},
		{"line break in a header", "hmac-sha256:header=X\r\nA", "header is not the name"},
		{"colon in a header", valid + ",id=X:Id", "id is not the name"},
		{"beyond ASCII in a header", valid + ",type=Ä", "type is not the name"},
		{"long header", "hmac-sha256:header=" + strings.Repeat("x", 257), "header is not the name"},
		{"one header for two", valid + ",id=x-acme", "id names the header X-Acme"},
		{"one header for two others", valid + ",type=A,timestamp=a,signed={timestamp}{body}", "timestamp names the header A"},
		{"other encoding", valid + ",encoding=base32", "encoding is neither"},
		{"empty encoding", valid + ",encoding=", "encoding is empty"},
		{"empty prefix", valid + ",prefix=", "prefix is empty"},
		{"space before the prefix", valid + ",prefix= v1", "prefix is not"},
		{"prefix beyond ASCII", valid + ",prefix=é", "prefix is not"},
		{"line break in the prefix", valid + ",prefix=a\nb", "prefix is not"},
		{"long prefix", valid + ",prefix=" + strings.Repeat("x", 257), "prefix is not"},
		{"no body", valid + ",signed=x", "without {body}"},
		{"body twice", valid + ",signed={body}{body}", "{body} twice"},
		{"id twice", valid + ",id=X-Id,signed={id}.{id}.{body}", "{id} twice"},
		{"time twice", valid + ",timestamp=T,signed={timestamp}{timestamp}{body}", "{timestamp} twice"},
		{"other placeholder", valid + ",signed={url}{body}", "brace"},
		{"brace alone", valid + ",signed={body}}", "brace"},
		{"brace opened", valid + ",signed={{body}", "brace"},
		{"time without its header", valid + ",signed={timestamp}.{body}", "belong together"},
		{"time not signed", valid + ",timestamp=X-Time", "belong together"},
		{"id without its header", valid + ",signed={id}.{body}", "id names no header"},
		{"id beside the body", valid + ",id=X-Id,signed={id}{body}", "needs text"},
		{"id right after the body", valid + ",id=X-Id,signed={body}{id}", "needs text"},
		{"id beside the time", valid + ",id=X-Id,timestamp=T,signed={id}{timestamp}.{body}", "needs text"},
		{"id after body and time", valid + ",id=X-Id,timestamp=T,signed={body}.{timestamp}{id}", "needs text"},
		{"text not printable", valid + ",signed=\x00{body}", "printable"},
		{"too long", valid + ",signed={body}" + strings.Repeat("x", 4096), "longer than 4096"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.Describe(test.description)
			if test.fault == "" {
				wantError(t, err, nil)
				return
			}
			wantError(t, err, signature.ErrUnknownScheme)
			if err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%v does not say %q", err, test.fault)
			}
			_, err = signature.NewVerifier(test.description, []string{plainSecret})
			wantError(t, err, signature.ErrUnknownScheme)
			_, err = signature.NewSigner(test.description, plainSecret)
			wantError(t, err, signature.ErrUnknownScheme)
		})
	}
}

func TestDescribed_Info(t *testing.T) {
	t.Parallel()
	info := describe(t, "hmac-sha1:header=x-ACME-signature")
	if !slices.Equal(info.Headers, []string{"X-Acme-Signature"}) || info.Detected || info.Tolerance != 0 || !info.SignsBody || !info.CanSign {
		t.Errorf("%+v", info)
	}
	if info := describe(t, describedAll); info.Name != describedAll || info.Tolerance != 5*time.Minute {
		t.Errorf("%+v", info)
	}
	if slices.ContainsFunc(signature.Schemes(), func(name string) bool { return strings.HasPrefix(name, "hmac-") }) {
		t.Error("a description is listed")
	}
	_, err := signature.NewDetector([]string{describedAll}, []string{plainSecret})
	wantError(t, err, signature.ErrUnknownScheme)
}

// TestDescribed_LikeTheNamed verifies what others published with descriptions of
// the same formats.
func TestDescribed_LikeTheNamed(t *testing.T) {
	t.Parallel()
	same := map[string]string{
		"github":      "hmac-sha256:header=X-Hub-Signature-256,prefix=sha256=",
		"github-sha1": "hmac-sha1:header=X-Hub-Signature,prefix=sha1=",
		"bitbucket":   "hmac-sha256:header=x-hub-signature,encoding=hex,prefix=sha256=,id=X-Request-Id",
		"shopify":     "hmac-sha256:header=X-Shopify-Hmac-Sha256,encoding=base64,id=X-Shopify-Webhook-Id",
		"dropbox":     "hmac-sha256:header=X-Dropbox-Signature",
	}
	seen := map[string]int{}
	for _, vec := range vectors(t) {
		description, ok := same[vec.Scheme]
		if !ok {
			continue
		}
		seen[vec.Scheme]++
		now := time.Unix(vec.Time, 0)
		match, err := verifier(t, description, vec.Secret).Verify(vec.request(), now)
		if err != nil || match.ID != vec.ID || match.Scheme != description {
			t.Errorf("%s: %+v, %v", vec.Source, match, err)
		}
		_, err = verifier(t, description, vec.Secret+"x").Verify(vec.request(), now)
		wantError(t, err, signature.ErrMismatch)
	}
	for _, scheme := range []string{"github", "github-sha1", "bitbucket", "shopify", "dropbox"} {
		if seen[scheme] == 0 {
			t.Errorf("no vector of %s", scheme)
		}
	}
}

// TestDescribed_Published: two published signatures over more than a body.
func TestDescribed_Published(t *testing.T) {
	t.Parallel()
	h := headers(map[string]string{
		"X-Slack-Request-Timestamp": "1531420618",
		"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
	})
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	slack := verifier(t, "hmac-sha256:header=X-Slack-Signature,prefix=v0=,timestamp=X-Slack-Request-Timestamp,signed=v0:{timestamp}:{body}", "8f742231b10e8888abcd99yyyzzz85a5")
	match, err := slack.Verify(signature.Request{Header: h, Body: []byte(body)}, time.Unix(1531420618, 0))
	if err != nil || match.Timestamp.Unix() != 1531420618 || match.IDSigned {
		t.Errorf("Slack's documentation: %+v, %v", match, err)
	}

	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h = headers(map[string]string{
		"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	})
	h.Set("Webhook-Signature", strings.TrimPrefix(h.Get("Webhook-Signature"), "v1,")) // a prefix has no comma
	standard := verifier(t, "hmac-sha256:header=webhook-signature,encoding=base64,id=webhook-id,timestamp=webhook-timestamp,signed={id}.{timestamp}.{body}",
		string(key))
	match, err = standard.Verify(signature.Request{Header: h, Body: []byte(`{"test": 2432232314}`)}, time.Unix(1614265330, 0))
	if err != nil || match.ID != "msg_p5jXN8AQM9LWM0D4loKWxJek" || !match.IDSigned {
		t.Errorf("Standard Webhooks: %+v, %v", match, err)
	}
}

func TestDescribed_Verify(t *testing.T) {
	t.Parallel()
	request := signed(t, signer(t, describedAll, plainSecret), signature.Outgoing{ID: testID, Time: testTime, Body: testBody})
	of := func(id, at string) string {
		return "v1=" + hexOf(plainSecret, "v1:"+at+":"+id+":"+string(testBody)+":end")
	}
	parts := func(id, at string) signature.Request {
		return with(with(with(request, "X-Acme-Id", id), "X-Acme-Time", at), "X-Acme-Signature", of(id, at))
	}
	tests := []struct {
		name    string
		request signature.Request
		now     time.Time
		want    error
	}{
		{"signed here", request, testTime, nil},
		{"signed by the test", parts(testID, "1700000000"), testTime, nil},
		{"oldest", request, testTime.Add(5 * time.Minute), nil},
		{"too old", request, testTime.Add(5*time.Minute + 1), signature.ErrTooOld},
		{"newest", request, testTime.Add(-5 * time.Minute), nil},
		{"too new", request, testTime.Add(-5*time.Minute - 1), signature.ErrTooNew},
		{"no id", without(request, "X-Acme-Id"), testTime, signature.ErrMissing},
		{"no time", without(request, "X-Acme-Time"), testTime, signature.ErrMissing},
		{"no signature", without(request, "X-Acme-Signature"), testTime, signature.ErrMissing},
		{"two ids", with(request, "X-Acme-Id", testID, testID), testTime, signature.ErrMalformed},
		{"two times", with(request, "X-Acme-Time", "1700000000", "1700000000"), testTime, signature.ErrMalformed},
		{"other id", with(request, "X-Acme-Id", "msg_2"), testTime, signature.ErrMismatch},
		{"other time", with(request, "X-Acme-Time", "1700000001"), testTime, signature.ErrMismatch},
		{"id with its end", parts("a:b", "1700000000"), testTime, signature.ErrMalformed},
		{"empty id", parts("", "1700000000"), testTime, signature.ErrMalformed},
		{"nine digits", parts(testID, "999999999"), time.Unix(999999999, 0), signature.ErrMalformed},
		{"eleven digits", parts(testID, "10000000000"), time.Unix(1e10, 0), signature.ErrMalformed},
		{"first time", parts(testID, "1000000000"), time.Unix(1e9, 0), nil},
		{"last time", parts(testID, "9999999999"), time.Unix(1e10-1, 0), nil},
		{"time spelled otherwise", parts(testID, "0700000000"), time.Unix(7e8, 0), nil},
		{"sign", parts(testID, "+170000000"), testTime, signature.ErrMalformed},
		{"space", parts(testID, "170000000 "), testTime, signature.ErrMalformed},
		{"digits of another script", parts(testID, "١٧٠٠٠"), testTime, signature.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			match, err := verifier(t, describedAll, plainSecret).Verify(test.request, test.now)
			wantError(t, err, test.want)
			if err == nil && (match.ID != testID || !match.IDSigned || match.Timestamp.Sub(test.now).Abs() > 5*time.Minute) {
				t.Errorf("match %+v", match)
			}
		})
	}
}

func TestDescribed_Sign(t *testing.T) {
	t.Parallel()
	const bare = "hmac-sha256:header=X-Acme"
	tests := []struct {
		name, description string
		out               signature.Outgoing
		headers           int // 0: unsignable
	}{
		{"body only", bare, signature.Outgoing{ID: "a\r\nb"}, 1},
		{"everything", describedAll, signature.Outgoing{ID: "a", Time: testTime}, 3},
		{"unsigned id", bare + ",id=X-Id", signature.Outgoing{ID: "a"}, 2},
		{"no unsigned id", bare + ",id=X-Id", signature.Outgoing{}, 1},
		{"unsigned id that does not fit", bare + ",id=X-Id", signature.Outgoing{ID: "a b"}, 0},
		{"no id", describedAll, signature.Outgoing{Time: testTime}, 0},
		{"id with its end", describedAll, signature.Outgoing{ID: "a:b", Time: testTime}, 0},
		{"long id", describedAll, signature.Outgoing{ID: strings.Repeat("a", 257), Time: testTime}, 0},
		{"no time", describedAll, signature.Outgoing{ID: "a"}, 0},
		{"before 1970", describedAll, signature.Outgoing{ID: "a", Time: time.Unix(-100000000, 0)}, 0},
		{"too early", describedAll, signature.Outgoing{ID: "a", Time: time.Unix(999999999, 0)}, 0},
		{"too late", describedAll, signature.Outgoing{ID: "a", Time: time.Unix(1e10, 0)}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			err := signer(t, test.description, plainSecret).Sign(test.out, h)
			if test.headers == 0 {
				wantError(t, err, signature.ErrUnsignable)
			}
			if len(h) != test.headers {
				t.Errorf("headers %v, %v", h, err)
			}
		})
	}
}

// description is a description in parts, for the test's own reading of it.
type description struct {
	algorithm, header, encoding, prefix, id, event, timestamp, signed string
}

func (d description) String() string {
	options := ""
	for _, option := range [][2]string{
		{"signed", d.signed},
		{"header", d.header},
		{"encoding", d.encoding},
		{"prefix", d.prefix},
		{"timestamp", d.timestamp},
		{"id", d.id},
		{"type", d.event},
	} {
		if option[1] != "" {
			options += "," + option[0] + "=" + option[1]
		}
	}
	return d.algorithm + ":" + options[1:]
}

func randomDescription(random *rand.Rand) description {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	d := description{
		algorithm: pick("hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"),
		header:    pick("X-Acme", "signature", "x_acme", "ACME-SIG"),
		encoding:  pick("", "hex", "base64"),
		prefix:    pick("", "v1=", "sha256=", "Hmac x", "{}"),
		id:        pick("", "X-Id", "x-request-id"),
		event:     pick("", "X-Type"),
		signed:    pick("", "{body}", "a{body}", "{body}b"),
	}
	if d.id != "" && random.IntN(2) == 0 {
		d.signed = pick("{id}.{body}", "v1.{id}..{body}.x", "{body}:{id}", "{body}_:{id}-")
	}
	if random.IntN(2) == 0 {
		d.timestamp = pick("X-Time", "date2")
		if d.signed == "" {
			d.signed = "{body}"
		}
		d.signed = pick("{timestamp}"+d.signed, d.signed+"{timestamp}", d.signed+".{timestamp}", "t={timestamp};"+d.signed)
	}
	return d
}

// TestProperty_Described: whatever is described signs, verifies and refuses.
func TestProperty_Described(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 5))
	for range 2000 {
		d := randomDescription(random)
		name := d.String()
		id := strings.Map(func(r rune) rune {
			if strings.ContainsRune(".:", r) {
				return '-'
			}
			return r
		}, randomMessage(random, "generic").ID)
		out := signature.Outgoing{ID: id, Time: time.Unix(1e9+random.Int64N(9e9), 0), Body: randomBytes(random, random.IntN(100))}
		request := signed(t, signer(t, name, plainSecret, "unused"), out)
		match, err := verifier(t, name, "unused", plainSecret).Verify(request, out.Time)
		want := signature.Match{Scheme: name, Secret: 1, IDSigned: strings.Contains(d.signed, "{id}")}
		if d.id != "" {
			want.ID = id
		}
		if d.timestamp != "" {
			want.Timestamp = out.Time.UTC()
		}
		if err != nil || match != want {
			t.Fatalf("%s: %+v, %v; want %+v", name, match, err, want)
		}
		_, err = verifier(t, name, "another").Verify(request, out.Time)
		wantError(t, err, signature.ErrMismatch)
		request.Body = append(request.Body, 'x')
		_, err = verifier(t, name, plainSecret).Verify(request, out.Time)
		wantError(t, err, signature.ErrMismatch)
	}
}

// TestDescribed_OneDivision: two messages with the same text are the same message.
func TestDescribed_OneDivision(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "ab", "1", "a1000000000"}
	times := []int64{1000000000, 1000000001}
	bodies := []string{"", ".", ".b", "b.", "a.b", "1000000000", "a.1000000000", "1000000000.", ".1000000000.a", "a1000000000", "1000000000a."}
	for _, template := range []string{
		"{id}.{body}", "{body}.{id}", "{id}.{timestamp}{body}", "{timestamp}{id}.{body}", "{body}{timestamp}", "{timestamp}{body}",
		"{body}.{id}{timestamp}", "{timestamp}{body}.{id}", "{id}.{body}{timestamp}",
	} {
		d := description{algorithm: "hmac-sha256", header: "X-Sum", signed: template}
		if strings.Contains(template, "{id}") {
			d.id = "X-Id"
		}
		if strings.Contains(template, "{timestamp}") {
			d.timestamp = "X-Time"
		}
		s := signer(t, d.String(), plainSecret)
		seen := map[string]string{}
		for _, id := range ids {
			for _, at := range times {
				for _, body := range bodies {
					request := signed(t, s, signature.Outgoing{ID: id, Time: time.Unix(at, 0), Body: []byte(body)})
					what := fmt.Sprint(request.Header.Values("X-Id"), request.Header.Values("X-Time"), body)
					sum := firstValue(request.Header, "X-Sum")
					if seen[sum] != "" && seen[sum] != what {
						t.Errorf("%s signs %s as it does %s", template, what, seen[sum])
					}
					seen[sum] = what
				}
			}
		}
	}
}
