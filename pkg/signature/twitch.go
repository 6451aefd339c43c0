package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	twitchID        = "Twitch-Eventsub-Message-Id"
	twitchTime      = "Twitch-Eventsub-Message-Timestamp"
	twitchSignature = "Twitch-Eventsub-Message-Signature"
	twitchMessage   = "Twitch-Eventsub-Message-Type"
	twitchEvent     = "Twitch-Eventsub-Subscription-Type"

	// Twitch writes the fraction of a second with up to nine digits.
	twitchSecond = "2006-01-02T15:04:05"
	maxFraction  = 9
)

// twitch is the format of Twitch's EventSub:
// https://dev.twitch.tv/docs/eventsub/handling-webhook-events/#verifying-the-event-message
//
// Signed are id, time and body, with nothing in between. The time is therefore
// taken in one form only, which shows where it ends, and no id may hold what such
// a time begins with, so that it also shows where the id does.
//
// A subscription that Twitch revoked is told of by an ordinary event.
func twitch() scheme {
	s := scheme{
		name:      "twitch",
		headers:   []string{twitchSignature},
		tolerance: 10 * time.Minute,
		read:      readTwitch,
		write:     writeTwitch,
	}.keyed(sha256.New)
	s.handshake = &handshake{asks: asksTwitch, answer: answerTwitch}
	return s
}

func readTwitch(r Request, c *claim) error {
	value, err := required(r.Header, twitchSignature)
	if err != nil {
		return err
	}
	id, err := required(r.Header, twitchID)
	if err != nil {
		return err
	}
	text, err := required(r.Header, twitchTime)
	if err != nil {
		return err
	}
	digits, found := strings.CutPrefix(value, hubPrefix)
	if !found {
		return fmt.Errorf("%w: %s does not begin with %s", ErrMalformed, twitchSignature, hubPrefix)
	}
	if !isTwitchID(id) {
		return fmt.Errorf("%w: %s is not 1 to %d printable characters without a date", ErrMalformed, twitchID, maxToken)
	}
	at, ok := parseTwitchTime(text)
	if !ok {
		return fmt.Errorf("%w: %s is not a time of RFC 3339 that ends in Z", ErrMalformed, twitchTime)
	}
	if err := c.readLabels(r.Header, twitchEvent, ""); err != nil {
		return err
	}
	c.match.ID, c.match.IDSigned, c.match.Timestamp = id, true, at
	c.scratch = append(append(c.scratch, id...), text...)
	c.message = append(c.message, c.scratch, r.Body)
	return c.readSignature(twitchSignature, digits, hexadecimal, sha256.Size)
}

func writeTwitch(out Outgoing, keys []signingKey, h HeaderSetter) error {
	if !isTwitchID(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters without a date", ErrUnsignable, maxToken)
	}
	if _, err := out.seconds(); err != nil {
		return err
	}
	text := out.Time.UTC().Format(time.RFC3339)
	sum := keys[0].sign([]byte(out.ID+text), out.Body)
	h.Set(twitchID, out.ID)
	h.Set(twitchTime, text)
	h.Set(twitchSignature, hubPrefix+hex.EncodeToString(sum))
	return nil
}

// isTwitchID refuses an id with a date and the T after it. It refuses quotes and
// percent signs as isStandardID does, so that no text signed here is also a form
// or a JSON text.
func isTwitchID(s string) bool {
	if !isToken(s) || strings.ContainsAny(s, `"%`) {
		return false
	}
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "T")
		if !found {
			return true
		}
		if before := s[:len(s)-len(after)-1]; endsInDate(before) {
			return false
		}
		rest = after
	}
}

// endsInDate reports whether the end of s looks like 2006-01-02.
func endsInDate(s string) bool {
	const form = "2006-01-02"
	return len(s) >= len(form) && hasForm(s[len(s)-len(form):], form)
}

// hasForm reports whether s has a digit wherever form has one, and is the same
// elsewhere.
func hasForm(s, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		if isDigit(form[i]) != isDigit(s[i]) || !isDigit(s[i]) && s[i] != form[i] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseTwitchTime reads a time of RFC 3339 in UTC, spelled with Z, with no more
// than nine digits of a fraction.
func parseTwitchTime(s string) (time.Time, bool) {
	text, found := strings.CutSuffix(s, "Z")
	if !found || len(text) < len(twitchSecond) || !hasForm(text[:len(twitchSecond)], twitchSecond) {
		return time.Time{}, false
	}
	if fraction := text[len(twitchSecond):]; fraction != "" && !isFraction(fraction) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || at.Unix() < 0 {
		return time.Time{}, false
	}
	return at, true
}

// isFraction reports whether s is a point with one to nine digits after it.
func isFraction(s string) bool {
	digits, found := strings.CutPrefix(s, ".")
	return found && digits != "" && len(digits) <= maxFraction && strings.Trim(digits, "0123456789") == ""
}

// asksTwitch goes by a header, which is not signed.
func asksTwitch(r Request) bool {
	kinds := r.Header.Values(twitchMessage)
	return len(kinds) == 1 && kinds[0] == "webhook_callback_verification"
}

// answerTwitch repeats the challenge. What the header says is not signed, so it
// cannot make an event without a challenge vanish: that stays an event.
// https://dev.twitch.tv/docs/eventsub/handling-webhook-events/#responding-to-a-challenge-request
func answerTwitch(r Request, _ verifyingKey) (Reply, error) {
	challenge, present := members(r.Body)["challenge"]
	if !present {
		return Reply{}, errOrdinary
	}
	return repeat(challenge)
}
