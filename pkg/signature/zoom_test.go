package signature_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

func zoomHandshake(plain string) string {
	text, _ := json.Marshal(plain)
	return `{"payload":{"plainToken":` + string(text) + `},"event_ts":1654503849680,"event":"endpoint.url_validation"}`
}

func TestVerifier_ZoomHandshake(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("-_aZ09", 11)[:64]
	tests := []struct {
		name, body, plain string
		err               error
	}{
		{"right", zoomHandshake("qgg8vlvZRS6UYooatFL8Aw"), "qgg8vlvZRS6UYooatFL8Aw", nil},
		{"longest", zoomHandshake(long), long, nil},
		{"too long", zoomHandshake(long + "a"), "", signature.ErrMalformed},
		{"empty", zoomHandshake(""), "", signature.ErrMalformed},
		{"what signs an event", zoomHandshake(`v0:1700000000:{}`), "", signature.ErrMalformed},
		{"colon", zoomHandshake("v0:1"), "", signature.ErrMalformed},
		{"equals sign", zoomHandshake("a="), "", signature.ErrMalformed},
		{"space", zoomHandshake("a b"), "", signature.ErrMalformed},
		{"line break", zoomHandshake("a\n"), "", signature.ErrMalformed},
		{"beyond ASCII", zoomHandshake("é"), "", signature.ErrMalformed},
		{"number", `{"event":"endpoint.url_validation","payload":{"plainToken":1}}`, "", signature.ErrMalformed},
		{"null", `{"event":"endpoint.url_validation","payload":{"plainToken":null}}`, "", signature.ErrMalformed},
		{"no token", `{"event":"endpoint.url_validation","payload":{}}`, "", signature.ErrMalformed},
		{"no payload", `{"event":"endpoint.url_validation"}`, "", signature.ErrMalformed},
		{"token outside the payload", `{"event":"endpoint.url_validation","plainToken":"a"}`, "", signature.ErrMalformed},
		{"another event", `{"event":"meeting.started","payload":{"plainToken":"a","topic":"endpoint.url_validation"}}`, "", nil},
		{"event in the payload", `{"payload":{"event":"endpoint.url_validation","plainToken":"a"}}`, "", nil},
		{"not JSON", `endpoint.url_validation`, "", nil},
		{"cut short", zoomHandshake("a")[:40] + "endpoint.url_validation", "", nil},
	}
	v := verifier(t, "zoom", "unused", plainSecret, "unused too")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := ""
			if test.plain != "" {
				want = `{"plainToken":"` + test.plain + `","encryptedToken":"` + hexOf(plainSecret, test.plain) + `"}`
			}
			reply, ok, err := v.Handshake(v0Request("zoom", plainSecret, "1700000000", test.body), testTime)
			checkReply(t, reply, ok, err, "application/json", want, test.err)
		})
	}
}

// TestVerifier_ZoomHandshakeSignsNoEvent tries every byte in every place of a
// token: none of those answered can be what an event's signature covers.
func TestVerifier_ZoomHandshakeSignsNoEvent(t *testing.T) {
	t.Parallel()
	v := verifier(t, "zoom", plainSecret)
	answered := 0
	for c := range 256 {
		for _, plain := range []string{string([]byte{byte(c)}) + "0a17", "v0" + string([]byte{byte(c)}) + "17", "v0a17" + string([]byte{byte(c)})} {
			reply, ok, _ := v.Handshake(v0Request("zoom", plainSecret, "1700000000", zoomHandshake(plain)), testTime)
			if !ok {
				continue
			}
			answered++
			if strings.HasPrefix(plain, "v0:") || !json.Valid(reply.Body) || strings.Trim(plain, idLetters) != "" || strings.ContainsAny(plain, ":/+=") {
				t.Errorf("%q is signed: %s", plain, reply.Body)
			}
		}
	}
	if answered != 3*64 {
		t.Errorf("%d answered, want those of 64 characters", answered)
	}
}

func FuzzVerifyZoom(f *testing.F) { fuzzVersionedPair(f, "zoom") }

// TestVerifier_HandshakeElsewhere: schemes without handshakes have none.
func TestVerifier_HandshakeElsewhere(t *testing.T) {
	t.Parallel()
	body := zoomHandshake("a")
	h := http.Header{convoyHeader: {hexOf(plainSecret, body)}}
	_, ok, err := verifier(t, "convoy", plainSecret).Handshake(signature.Request{Header: h, Body: []byte(body)}, testTime)
	if ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

// TestVerifier_ZoomHandshakeVectors: the answers that two public receivers test
// for. Their requests are unsigned, so the signature is ours.
func TestVerifier_ZoomHandshakeVectors(t *testing.T) {
	t.Parallel()
	for _, vec := range []struct{ source, secret, plain, encrypted string }{
		{
			"mattermost/mattermost-plugin-zoom server/webhook_test.go", "zoomwebhooksecret", "Kn5a3Wv7SP6YP5b4BWfZpg",
			"2a41c3138d2187a756c51428f78d192e9b88dcf44dd62d1b081ace4ec2241e0a",
		},
		{
			"elastic/beats x-pack/filebeat/input/http_endpoint/handler_test.go", "secretValueTest", "qgg8vlvZRS6UYooatFL8Aw",
			"70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff",
		},
	} {
		request := v0Request("zoom", vec.secret, "1700000000", zoomHandshake(vec.plain))
		reply, ok, err := verifier(t, "zoom", vec.secret).Handshake(request, testTime)
		var got map[string]string
		if err != nil || !ok || json.Unmarshal(reply.Body, &got) != nil || len(got) != 2 {
			t.Errorf("%s: %t, %v, %s", vec.source, ok, err, reply.Body)
		}
		if got["plainToken"] != vec.plain || got["encryptedToken"] != vec.encrypted {
			t.Errorf("%s: %s", vec.source, reply.Body)
		}
	}
}
