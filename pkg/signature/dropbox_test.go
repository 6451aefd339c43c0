package signature_test

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

func TestVerifier_DropboxHandshake(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", 1024)
	tests := []struct {
		name, method, url string
		want              string // the challenge, or empty where it is no handshake
		err               error
	}{
		{"public URL", "GET", "https://hooks.example.com/webhook/dropbox?challenge=abc123", "abc123", nil},
		{"path only", "GET", "/webhook/dropbox?challenge=abc123", "abc123", nil},
		{"among others", "GET", "/?a=1&challenge=abc&b=2#f", "abc", nil},
		{"escaped", "GET", "/?challenge=a%2Bb+c%3D%26", "a+b c=&", nil},
		{"name escaped", "GET", "/?x=challenge=&%63hallenge=a", "a", nil},
		{"longest", "GET", "/?challenge=" + longest, longest, nil},
		{"POST is an event", "POST", "/?challenge=abc", "", nil},
		{"HEAD", "HEAD", "/?challenge=abc", "", nil},
		{"no URL", "GET", "", "", nil},
		{"no query", "GET", "/challenge=abc", "", nil},
		{"other parameter", "GET", "/?mychallenge=abc", "", nil},
		{"other parameters only", "GET", "/?hub.challenge=abc", "", nil},
		{"in the fragment", "GET", "/?a=1#?challenge=abc", "", nil},
		{"empty", "GET", "/?challenge=", "", signature.ErrMalformed},
		{"twice", "GET", "/?challenge=a&challenge=a", "", signature.ErrMalformed},
		{"twice, once escaped", "GET", "/?challenge=a&%63hallenge=b", "", signature.ErrMalformed},
		{"too long", "GET", "/?challenge=" + longest + "x", "", signature.ErrMalformed},
		{"line break", "GET", "/?challenge=a%0d%0aSet-Cookie:b", "", signature.ErrMalformed},
		{"delete", "GET", "/?challenge=%7f", "", signature.ErrMalformed},
		{"beyond ASCII", "GET", "/?challenge=%c3%a9", "", signature.ErrMalformed},
		{"not UTF-8", "GET", "/?challenge=%ff", "", signature.ErrMalformed},
		{"unfinished escape", "GET", "/?challenge=a%", "", signature.ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := signature.Request{Method: test.method, URL: test.url, Header: http.Header{}}
			reply, ok, err := verifier(t, "dropbox", plainSecret).Handshake(r, testTime)
			wantError(t, err, test.err)
			want := signature.Reply{}
			if test.want != "" {
				want = signature.Reply{Status: 200, ContentType: "text/plain", Body: []byte(test.want)}
			}
			if ok != (test.want != "") || !reflect.DeepEqual(reply, want) {
				t.Errorf("%+v, %t", reply, ok)
			}
		})
	}
}

// FuzzHandshakeDropbox: nothing is repeated but one plain challenge.
func FuzzHandshakeDropbox(f *testing.F) {
	for _, query := range []string{"", "challenge=a", "challenge=a&challenge=b", "%63hallenge=a&challenge=", "challenge=%ff", "challenge=<b>", "challenge=a;b"} {
		f.Add("/webhook?"+query, true)
	}
	v := verifier(f, "dropbox", plainSecret)
	plain := regexp.MustCompile(`^[ -~]+$`)
	f.Fuzz(func(t *testing.T, address string, get bool) {
		method := http.MethodPost
		if get {
			method = http.MethodGet
		}
		reply, ok, err := v.Handshake(signature.Request{Method: method, URL: address}, testTime)
		_, text, _ := strings.Cut(address, "?")
		text, _, _ = strings.Cut(text, "#")
		query, parseErr := url.ParseQuery(text)
		values := query["challenge"]
		want := get && parseErr == nil && len(values) == 1 && plain.MatchString(values[0]) && len(values[0]) <= 1024 && strings.Contains(address, "challenge=")
		if ok != want || ok && (err != nil || string(reply.Body) != values[0]) || !ok && reply.Body != nil {
			t.Errorf("%+v, %t, %v; want %t", reply, ok, err, want)
		}
	})
}
