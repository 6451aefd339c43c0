package signature

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// zoom is Zoom's format, the secret being the app's secret token:
// https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
func zoom() scheme {
	s := versionedPair{
		signature: "X-Zm-Signature",
		timestamp: "X-Zm-Request-Timestamp",
		parse:     parseZoomTime,
	}.scheme("zoom")
	s.handshake = &handshake{asks: asksZoom, answer: answerZoom}
	return s
}

// parseZoomTime reads seconds, as Zoom's documentation has them, and also the
// milliseconds that receivers report. The two differ in length: the last second
// has twelve digits.
func parseZoomTime(s string) (time.Time, bool) {
	if len(s) == millisecondDigits {
		return parseMilliseconds(s)
	}
	return parseSeconds(s)
}

const (
	zoomHandshake = "endpoint.url_validation"
	maxPlainToken = 64 // bytes; Zoom's have 22
)

func asksZoom(r Request) bool { return bytes.Contains(r.Body, []byte(zoomHandshake)) }

// answerZoom proves to Zoom that the endpoint has the secret token, with the
// HMAC of a text of Zoom's choice under the very key that signs events. The text
// must therefore never be one that begins "v0:".
// https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint
func answerZoom(r Request, key verifyingKey) (Reply, error) {
	body := members(r.Body)
	if event, ok := readText(body["event"]); !ok || event != zoomHandshake {
		return Reply{}, errOrdinary
	}
	plain, ok := readText(members(body["payload"])["plainToken"])
	if !ok || !isPlainToken(plain) {
		return Reply{}, fmt.Errorf("%w: plainToken is not 1 to %d letters, digits, - and _", ErrMalformed, maxPlainToken)
	}
	signer, ok := key.(signingKey)
	if !ok {
		return Reply{}, fmt.Errorf("%w: no key to answer with", ErrEmptySecret)
	}
	reply, err := json.Marshal(struct {
		PlainToken     string `json:"plainToken"`
		EncryptedToken string `json:"encryptedToken"`
	}{plain, hex.EncodeToString(signer.sign([]byte(plain)))})
	if err != nil {
		return Reply{}, fmt.Errorf("encode the reply: %w", err)
	}
	return Reply{Status: http.StatusOK, ContentType: "application/json", Body: reply}, nil
}

func isPlainToken(s string) bool {
	if s == "" || len(s) > maxPlainToken {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
