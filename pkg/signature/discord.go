package signature

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// discord is Discord's format, of interactions and of webhook events alike:
// https://discord.com/developers/docs/interactions/overview#validating-security-request-headers
//
// No tolerance is documented; five minutes is what most schemes have.
func discord() scheme {
	return scheme{
		name:      "discord",
		headers:   []string{discordSignature},
		tolerance: 5 * time.Minute,
		bodyID:    "id",
		verifying: discordPublicKey,
		signing: func(secret string) (signingKey, error) {
			private, err := discordPrivateKey(secret)
			return newEd25519Signing(private), err
		},
		read:   readDiscord,
		write:  writeDiscord,
		secret: func() string { return hex.EncodeToString(newEd25519Key()) },
		public: func(secret string) (string, error) {
			private, err := discordPrivateKey(secret)
			if err != nil {
				return "", err
			}
			return hex.EncodeToString(publicHalf(private)), nil
		},
		handshake: &handshake{asks: asksDiscord, answer: answerDiscord},
	}
}

const (
	discordSignature = "X-Signature-Ed25519"
	discordTimestamp = "X-Signature-Timestamp"

	// maxPing bounds what is looked at for a PING, in bytes. One holds the
	// application and a user or team, and no text that anybody could make long.
	maxPing = 16 << 10
)

// discordPublicKey takes the 64 digits that Discord shows for an application.
func discordPublicKey(secret string) (verifyingKey, error) {
	if len(secret) == 2*ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: to verify, the scheme takes the public key of 64 hexadecimal digits, not the private one", ErrInvalidSecret)
	}
	key, err := hex.DecodeString(secret)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: the public key is not 64 hexadecimal digits", ErrInvalidSecret)
	}
	return newEd25519Verifying(key)
}

// discordPrivateKey takes 128 digits, the seed and the public key, so that
// neither half alone can be taken for the other. Discord shows it to nobody;
// the format is ours.
func discordPrivateKey(secret string) (ed25519.PrivateKey, error) {
	key, err := hex.DecodeString(secret)
	if err != nil || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: the private key is not 128 hexadecimal digits", ErrInvalidSecret)
	}
	return parseEd25519Private(key)
}

func readDiscord(r Request, c *claim) error {
	value, err := required(r.Header, discordSignature)
	if err != nil {
		return err
	}
	if err := c.readTimeBeforeBody(r, discordTimestamp); err != nil {
		return err
	}
	return c.readSignature(discordSignature, value, hexadecimal, ed25519.SignatureSize)
}

func writeDiscord(out Outgoing, keys []signingKey, h HeaderSetter) error {
	seconds, err := timeBeforeBody(out)
	if err != nil {
		return err
	}
	h.Set(discordTimestamp, seconds)
	h.Set(discordSignature, hex.EncodeToString(keys[0].sign([]byte(seconds), out.Body)))
	return nil
}

// discordPing tells the two kinds of PING from everything else. An interaction
// says 1 when it is a PING and 2 or more otherwise; a webhook event says 0 when
// it is a PING and 1 otherwise, and what says 1 holds an event:
// https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object-interaction-structure
// https://discord.com/developers/docs/events/webhook-events#payload-structure
//
// So the 1 of an interaction and the 1 of an event differ by the event alone.
// Only the top level counts, and only names in this very case.
func discordPing(body []byte) (kind string, ok bool) {
	if len(body) > maxPing {
		return "", false
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return "", false
	}
	_, event := top["event"]
	kind = string(top["type"])
	return kind, !event && (kind == "0" || kind == "1")
}

func asksDiscord(r Request) bool {
	_, ok := discordPing(r.Body)
	return ok
}

func answerDiscord(r Request, _ verifyingKey) (Reply, error) {
	switch kind, ok := discordPing(r.Body); {
	case !ok:
		return Reply{}, errOrdinary
	case kind == "0":
		// The documentation asks for a Content-Type even beside no body.
		return Reply{Status: http.StatusNoContent, ContentType: "application/json"}, nil
	}
	return Reply{Status: http.StatusOK, ContentType: "application/json", Body: []byte(`{"type":1}`)}, nil
}
