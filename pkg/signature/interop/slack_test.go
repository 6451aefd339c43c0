package interop_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"example.com/signet/pkg/signature"
)

func slackVerify(secret string, out signature.Outgoing, h http.Header) error {
	v, err := slack.NewSecretsVerifier(h, secret)
	if err != nil {
		return err
	}
	if _, err := v.Write(out.Body); err != nil {
		return err
	}
	return v.Ensure()
}

func TestSlack(t *testing.T) { exchange(t, library{scheme: "slack", verify: slackVerify}) }

func TestSlack_Times(t *testing.T) {
	t.Parallel()
	l := library{scheme: "slack", verify: slackVerify}
	for age, want := range map[time.Duration]bool{
		0: true, 4 * time.Minute: true, -4 * time.Minute: true, 6 * time.Minute: false, -6 * time.Minute: false,
	} {
		out := message()
		out.Time = time.Now().Add(-age)
		l.agree(t, "aged "+age.String(), "secret", out, signed(t, "slack", out, "secret"), want)
	}
}

// TestSlack_Version: nothing but v0 counts, and not without its name.
func TestSlack_Version(t *testing.T) {
	t.Parallel()
	out := message()
	h := signed(t, "slack", out, "secret")
	digits := strings.TrimPrefix(h.Get("X-Slack-Signature"), "v0=")
	l := library{scheme: "slack", verify: slackVerify}
	for value, want := range map[string]bool{
		"v0=" + digits: true, "v0=" + strings.ToUpper(digits): true,
		digits: false, "v1=" + digits: false, "v0=" + digits[:32]: false, "v0=": false,
	} {
		h.Set("X-Slack-Signature", value)
		l.agree(t, value, "secret", out, h, want)
	}
}

// TestDifference_SlackTime: their library takes a time with a sign before it.
func TestDifference_SlackTime(t *testing.T) {
	t.Parallel()
	out, h := message(), http.Header{}
	seconds := "+" + strconv.FormatInt(out.Time.Unix(), 10)
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write(fmt.Appendf(nil, "v0:%s:%s", seconds, out.Body))
	h.Set("X-Slack-Request-Timestamp", seconds)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	wantError(t, slackVerify("secret", out, h), nil)
	wantError(t, verify(t, "slack", "secret", out, h), signature.ErrMalformed)
}
