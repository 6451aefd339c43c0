package signature

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// What handshakes have in common: they look into a JSON body. They are rare, so
// that this may allocate.

// members reads a JSON object's members by their exact names. There are none in
// anything else.
func members(object []byte) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(object, &all) != nil {
		return nil
	}
	return all
}

// readText reads a JSON string.
func readText(value json.RawMessage) (string, bool) {
	var s *string
	if len(value) == 0 || json.Unmarshal(value, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// repeat replies with the challenge in a JSON string. It is plain text, so that
// no browser takes it for a page.
func repeat(value json.RawMessage) (Reply, error) {
	challenge, ok := readText(value)
	if !ok || challenge == "" || len(challenge) > maxChallenge || !isPrintable(challenge) {
		return Reply{}, fmt.Errorf("%w: the challenge is not 1 to %d printable characters", ErrMalformed, maxChallenge)
	}
	return Reply{Status: http.StatusOK, ContentType: "text/plain", Body: []byte(challenge)}, nil
}
