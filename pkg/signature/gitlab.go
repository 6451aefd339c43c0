package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
)

const (
	gitlabToken = "X-Gitlab-Token"
	gitlabEvent = "X-Gitlab-Event"
	gitlabID    = "Idempotency-Key"
)

// gitlab is GitLab's pair of proofs, which a webhook may have both of:
// https://docs.gitlab.com/user/project/integrations/webhooks/
//
// A secret that begins with whsec_ is a signing token: it signs id, time and
// body as Standard Webhooks does. Any other is a secret token, which GitLab sends
// along as it is. Whoever sees one request then knows it, and it proves nothing
// of the body, the id or the time. A request is genuine when any of the secrets
// fits; with a signing token alone, no secret token will do.
//
// The id is Idempotency-Key, which equals webhook-id and stays the same when a
// request is sent again. X-Gitlab-Event-UUID is no id of an event: what one event
// sets off in turn has the same.
func gitlab() scheme {
	s := standard()
	names := webhookHeaders()
	s.name, s.headers, s.detected = "gitlab", []string{gitlabToken, names.signature}, false
	s.verifying, s.signing = gitlabVerifyingKey, gitlabSigningKey
	s.read = names.readGitlab
	s.write = names.writeGitlab
	return s
}

// signedKey is a signing token. Its signature covers the id and the time, which
// only then become those of the match.
type signedKey struct{ *hmacKey }

func (k signedKey) matches(c *claim) int {
	found := k.hmacKey.matches(c)
	if found == 1 {
		c.match.ID, c.match.IDSigned, c.match.Timestamp = c.covered.ID, true, c.covered.Timestamp
	}
	return found
}

// secretToken recognises a token by its HMAC under a key of its own, so that the
// comparison tells neither the token's length nor how much of it is right.
type secretToken struct {
	key *hmacKey
	sum []byte
	// text returns the token. A closure keeps it from being printed.
	text func() string
}

func newSecretToken(token string) secretToken {
	key := newHMACKey(sha256.New, randomBytes())
	return secretToken{key: key, sum: key.sign([]byte(token)), text: func() string { return token }}
}

func (t secretToken) matches(c *claim) int {
	if c.token == nil {
		return 0
	}
	s := t.key.states.Get().(*hmacState)
	defer t.key.states.Put(s)
	s.mac.Write(c.token)
	return subtle.ConstantTimeCompare(s.digest(nil), t.sum)
}

// sign signs nothing: the token is its own proof.
func (t secretToken) sign(...[]byte) []byte { return []byte(t.text()) }

func gitlabVerifyingKey(secret string) (verifyingKey, error) {
	if !strings.HasPrefix(secret, secretPrefix) {
		return tokenOf(secret)
	}
	key, err := standardKey(secret)
	if err != nil {
		return nil, err
	}
	return signedKey{newHMACKey(sha256.New, key)}, nil
}

func gitlabSigningKey(secret string) (signingKey, error) {
	if !strings.HasPrefix(secret, secretPrefix) {
		return tokenOf(secret)
	}
	return standardSigningKey(secret)
}

// tokenOf refuses what no header can carry, and so nobody could ever send.
func tokenOf(secret string) (secretToken, error) {
	if err := checkShared(secret); err != nil {
		return secretToken{}, err
	}
	control := strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f })
	if control || len(secret) > maxHeader || strings.Trim(secret, " ") != secret {
		return secretToken{}, fmt.Errorf("%w: a token of more than %d bytes, with a control character, or with a space at an end cannot be sent",
			ErrInvalidSecret, maxHeader)
	}
	return newSecretToken(secret), nil
}

func (n standardHeaders) readGitlab(r Request, c *claim) error {
	token, hasToken, err := single(r.Header, gitlabToken)
	if err != nil {
		return err
	}
	_, isSigned, err := single(r.Header, n.signature)
	switch {
	case err != nil:
		return err
	case !hasToken && !isSigned:
		return fmt.Errorf("%w: neither %s nor %s", ErrMissing, n.signature, gitlabToken)
	case hasToken && token == "":
		return fmt.Errorf("%w: %s is empty", ErrMalformed, gitlabToken)
	}
	if isSigned {
		if err := n.read(r, c); err != nil {
			return err
		}
		c.covered, c.match = c.match, Match{}
	}
	if hasToken {
		start := len(c.scratch)
		c.scratch = append(c.scratch, token...)
		c.token = c.scratch[start:]
	}
	return c.readGitlabLabels(r.Header, n.id)
}

// readGitlabLabels reads the event, such as "Push Hook", and the id, of which a
// token proves nothing.
func (c *claim) readGitlabLabels(h Header, second string) error {
	event, present, err := single(h, gitlabEvent)
	if err != nil {
		return err
	}
	if present && !isPhrase(event) {
		return fmt.Errorf("%w: %s is not 1 to %d printable characters", ErrMalformed, gitlabEvent, maxToken)
	}
	if c.match.ID, err = label(h, gitlabID); err == nil && c.match.ID == "" {
		c.match.ID, err = label(h, second)
	}
	c.match.EventType = event
	return err
}

// isPhrase allows spaces between what isToken allows.
func isPhrase(s string) bool {
	return s != "" && len(s) <= maxToken && isPrintable(s) && s[0] != ' ' && s[len(s)-1] != ' '
}

// writeGitlab sends the first secret token, with the id beside it, and a
// signature of every signing token, as far as there are any.
func (n standardHeaders) writeGitlab(out Outgoing, keys []signingKey, h HeaderSetter) error {
	var tokens []secretToken
	var signing []signingKey
	for _, key := range keys {
		if token, ok := key.(secretToken); ok {
			tokens = append(tokens, token)
			continue
		}
		signing = append(signing, key)
	}
	carried := len(tokens) > 0 && out.ID != ""
	if carried && !isToken(out.ID) {
		return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
	}
	if len(signing) > 0 {
		if err := n.write(out, signing, h); err != nil {
			return err
		}
	}
	if len(tokens) > 0 {
		h.Set(gitlabToken, tokens[0].text())
	}
	if carried {
		h.Set(gitlabID, out.ID)
	}
	return nil
}
