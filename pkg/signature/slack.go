package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const versionZero = "v0"

// versionedPair is the form of Slack and of Zoom: a time and one signature, of
// "v0:time:body", in two headers. The time holds digits only, so where it ends
// is never in doubt.
type versionedPair struct {
	signature, timestamp string
	parse                func(string) (time.Time, bool)
}

func (p versionedPair) scheme(name string) scheme {
	return scheme{
		name:      name,
		headers:   []string{p.signature},
		tolerance: 5 * time.Minute,
		read:      p.read,
		write:     p.write,
	}.keyed(sha256.New)
}

func (p versionedPair) read(r Request, c *claim) error {
	value, err := required(r.Header, p.signature)
	if err != nil {
		return err
	}
	text, err := required(r.Header, p.timestamp)
	if err != nil {
		return err
	}
	digits, found := strings.CutPrefix(value, versionZero+"=")
	if !found {
		return fmt.Errorf("%w: %s does not begin with %s=", ErrMalformed, p.signature, versionZero)
	}
	at, ok := p.parse(text)
	if !ok {
		return fmt.Errorf("%w: %s is not a Unix time", ErrMalformed, p.timestamp)
	}
	c.match.Timestamp = at
	c.scratch = appendVersionZero(c.scratch, text)
	c.message = append(c.message, c.scratch, r.Body)
	return c.readSignature(p.signature, digits, hexadecimal, sha256.Size)
}

func (p versionedPair) write(out Outgoing, keys []signingKey, h HeaderSetter) error {
	seconds, err := out.seconds()
	if err != nil {
		return err
	}
	sum := keys[0].sign(appendVersionZero(nil, seconds), out.Body)
	h.Set(p.signature, versionZero+"="+hex.EncodeToString(sum))
	h.Set(p.timestamp, seconds)
	return nil
}

func appendVersionZero(dst []byte, at string) []byte {
	dst = append(dst, versionZero+":"...)
	dst = append(dst, at...)
	return append(dst, ':')
}

// slack is Slack's format:
// https://docs.slack.dev/authentication/verifying-requests-from-slack
// Slash commands and interactions are forms, events are JSON.
func slack() scheme {
	s := versionedPair{
		signature: "X-Slack-Signature",
		timestamp: "X-Slack-Request-Timestamp",
		parse:     parseSeconds,
	}.scheme("slack")
	s.detected = true
	s.forms = true
	s.bodyID = "event_id"
	s.handshake = &handshake{asks: asksSlack, answer: answerSlack}
	return s
}

const slackHandshake = "url_verification"

func asksSlack(r Request) bool { return bytes.Contains(r.Body, []byte(slackHandshake)) }

// answerSlack repeats the challenge of an event that is of the handshake's type.
// Events that only mention the type, in a message's text say, are ordinary.
// https://docs.slack.dev/reference/events/url_verification
func answerSlack(r Request, _ verifyingKey) (Reply, error) {
	body := members(r.Body)
	if kind, ok := readText(body["type"]); !ok || kind != slackHandshake {
		return Reply{}, errOrdinary
	}
	return repeat(body["challenge"])
}
