package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
)

// dedupeKey is what makes a second delivery of the same event known as such; empty when nothing does. An id
// that the signature covers is enough: the scheme's own, or bodyID, the one in the signed body. One that it does
// not cover is bound to the body: otherwise whoever has one genuine request could send its body under the id of
// an event still to come, and have that one dropped. Such an id says nothing where a body is guarded against
// replays: then the body counts once, whatever comes with it. The key may be a part of the request.
func dedupeKey(h *header, match signature.Match, bodyID string, body []byte, guarded bool) string {
	switch {
	case match.ID != "" && match.IDSigned:
		return fitting(match.ID, relay.MaxDedupeKey)
	case bodyID != "":
		return fitting(bodyID, relay.MaxDedupeKey)
	}
	digest := sha256.Sum256(body)
	suffix := ":" + hex.EncodeToString(digest[:])
	if guarded {
		return "body" + suffix
	}
	id := match.ID
	if id == "" {
		id = unsignedID(h, match.Scheme)
	}
	if id == "" {
		return ""
	}
	return fitting(id, relay.MaxDedupeKey-len(suffix)) + suffix
}

// unsignedID finds an id in the headers that belong to no scheme, or, where nothing is signed at all, in those
// of any.
func unsignedID(h *header, scheme string) string {
	names := []string{"Idempotency-Key"}
	if scheme == "" {
		names = []string{"Webhook-Id", "X-Github-Delivery", "Idempotency-Key"}
	}
	for _, name := range names {
		if id := h.first(name); id != "" {
			return id
		}
	}
	return ""
}

// fitting returns id, or its digest when the store could not keep it as it is.
func fitting(id string, limit int) string {
	if len(id) <= limit && (plain(id) == len(id) || printable(id)) {
		return id
	}
	digest := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(digest[:])
}

// printable reports whether id is UTF-8 without control characters.
func printable(id string) bool {
	control := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
	return utf8.ValidString(id) && !strings.ContainsFunc(id, control)
}
