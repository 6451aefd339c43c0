package signature

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
)

// dropbox is HMAC-SHA256 over the body under the app's secret, in hexadecimal.
// A notification names accounts and has neither type nor id:
// https://www.dropbox.com/developers/reference/webhooks
func dropbox() scheme {
	s := bodySignature{header: "X-Dropbox-Signature", hash: sha256.New}.scheme("dropbox")
	s.handshake = &handshake{unsigned: true, asks: asksForChallenge, answer: repeatChallenge}
	return s
}

const challengeParameter = "challenge"

func asksForChallenge(r Request) bool {
	return r.Method == "GET" && strings.Contains(r.URL, challengeParameter+"=")
}

// repeatChallenge answers with the parameter's value. Anybody may ask, because
// Dropbox does not sign this request, so the value is kept short and plain, and
// the receiver has to forbid that a browser guesses a type of its own.
func repeatChallenge(r Request, _ verifyingKey) (Reply, error) {
	_, text, _ := strings.Cut(r.URL, "?")
	text, _, _ = strings.Cut(text, "#")
	query, err := url.ParseQuery(text)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: the query cannot be read", ErrMalformed)
	}
	values := query[challengeParameter]
	switch {
	case len(values) == 0:
		return Reply{}, errOrdinary
	case len(values) > 1:
		return Reply{}, fmt.Errorf("%w: %d values of %s", ErrMalformed, len(values), challengeParameter)
	case !isPlainChallenge(values[0]):
		return Reply{}, fmt.Errorf("%w: %s is not 1 to %d printable characters", ErrMalformed, challengeParameter, maxChallenge)
	}
	return Reply{Status: 200, ContentType: "text/plain", Body: []byte(values[0])}, nil
}

func isPlainChallenge(s string) bool {
	if s == "" || len(s) > maxChallenge {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
