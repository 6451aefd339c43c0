package signature_test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// The targets compare each answer with a second, slower reading of the format.
// A request verifies exactly when the reading says so.

var hexPattern = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// bodyVerifies reads digits as github and generic do.
func bodyVerifies(digits string, body []byte) bool {
	return hexPattern.MatchString(digits) && strings.ToLower(digits) == hexOf(plainSecret, string(body))
}

// standardVerifies reads the three headers as standard does, for any id a Signer
// would sign and at most sixteen signatures.
func standardVerifies(id, at, list string, body []byte, now time.Time) bool {
	seconds, err := strconv.ParseUint(at, 10, 63)
	if err != nil || id == "" || len(id) > 256 || strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`."%`, r)
	}) {
		return false
	}
	if age := now.Unix() - int64(seconds); age > 300 || age < -300 {
		return false
	}
	want := v1Of(plainSecret, id+"."+at+"."+string(body))
	for _, entry := range strings.Split(list, " ") {
		if entry == want || entry+"=" == want {
			return true
		}
	}
	return false
}

func check(t *testing.T, err error, want bool) {
	t.Helper()
	if (err == nil) != want {
		t.Errorf("error %v, but verifying should be %t", err, want)
	}
}

func FuzzVerifyGitHub(f *testing.F) {
	digits := hexOf(plainSecret, string(testBody))
	for _, header := range []string{"", "sha256=", "sha256=" + digits, digits, "sha256=" + strings.ToUpper(digits), "sha1=" + digits, "sha256=" + digits[:32]} {
		f.Add(header, "push", "72d3162e", testBody)
	}
	f.Add("sha256="+digits, "a\nb", strings.Repeat("x", 300), []byte(nil))
	right, wrong := verifier(f, "github", "another", plainSecret), verifier(f, "github", "yet another")
	token := regexp.MustCompile(`^[!-~]{1,256}$`)
	f.Fuzz(func(t *testing.T, header, event, id string, body []byte) {
		request := signature.Request{Body: body, Header: http.Header{
			"X-Hub-Signature-256": {header}, "X-Github-Event": {event}, "X-Github-Delivery": {id},
		}}
		digits, prefixed := strings.CutPrefix(header, "sha256=")
		want := prefixed && bodyVerifies(digits, body) && token.MatchString(event) && token.MatchString(id)
		_, err := right.Verify(request, testTime)
		check(t, err, want)
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

func FuzzVerifyGeneric(f *testing.F) {
	digits := hexOf(plainSecret, string(testBody))
	for _, first := range []string{"", digits, "sha256=" + digits, "sha256=sha256=" + digits, digits[:32]} {
		f.Add(first, "", testBody)
		f.Add("", first, testBody)
	}
	right, wrong := verifier(f, "generic", "another", plainSecret), verifier(f, "generic", "yet another")
	f.Fuzz(func(t *testing.T, first, second string, body []byte) {
		h := http.Header{"Signature": {second}}
		decides := second
		if first != "" {
			h.Set("X-Signature-256", first)
			decides = first
		}
		request := signature.Request{Header: h, Body: body}
		_, err := right.Verify(request, testTime)
		check(t, err, bodyVerifies(strings.TrimPrefix(decides, "sha256="), body))
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

func FuzzVerifyStandard(f *testing.F) {
	good := v1Of(plainSecret, testID+".1700000000."+string(testBody))
	for _, list := range []string{"", good, strings.TrimRight(good, "="), "v1a,AAAA " + good, "v1, v1 " + good, good + "=", strings.Repeat(good+" ", 20)} {
		f.Add(testID, "1700000000", list, testBody)
	}
	f.Add("a.b", "99999999999999999999", good, []byte(nil))
	f.Add(testID, "-1700000000", "v1,\r\n"+good, testBody)
	right, wrong := verifier(f, "standard", "another", plainSecret), verifier(f, "standard", "yet another")
	f.Fuzz(func(t *testing.T, id, at, list string, body []byte) {
		if len(list) > 4096 || strings.Count(list, "v1,") > 16 || len(at) > 12 {
			t.Skip("bounds have tests of their own")
		}
		request := signature.Request{Body: body, Header: http.Header{
			"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {list},
		}}
		match, err := right.Verify(request, testTime)
		check(t, err, standardVerifies(id, at, list, body, testTime))
		if err == nil && match.ID != id {
			t.Errorf("id %q, want %q", match.ID, id)
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}

// FuzzDetector takes whole header blocks, a header a line, so that headers
// repeat, mix and miss.
func FuzzDetector(f *testing.F) {
	digits := hexOf(plainSecret, string(testBody))
	list := v1Of(plainSecret, testID+".1700000000."+string(testBody))
	standard := "webhook-id: " + testID + "\nwebhook-timestamp: 1700000000\nwebhook-signature: " + list
	for _, block := range []string{
		"", "X-Hub-Signature-256: sha256=" + digits, "X-Signature-256: " + digits, "Signature: " + digits, standard,
		standard + "\nX-Hub-Signature-256: sha256=" + digits, standard + "\n" + standard, "X-Hub-Signature-256: ",
		"X-Hub-Signature: sha1=00\nX-Hub-Signature-256: sha256=" + digits + "\nX-GitHub-Event: push",
	} {
		f.Add(block, testBody)
	}
	right, wrong := detector(f, nil, "another", plainSecret), detector(f, nil, "yet another", "whsec_unusable!")
	singles := map[string]*signature.Verifier{}
	for _, scheme := range signature.Schemes() {
		if describe(f, scheme).Detected {
			singles[scheme] = verifier(f, scheme, "another", plainSecret)
		}
	}
	f.Fuzz(func(t *testing.T, block string, body []byte) {
		h := http.Header{}
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		families := 0
		for scheme := range singles {
			if slices.ContainsFunc(describe(t, scheme).Headers, func(name string) bool { return h.Values(name) != nil }) {
				families++
			}
		}
		request := signature.Request{Header: h, Body: body}
		match, err := right.Verify(request, testTime)
		if err == nil {
			single, singleErr := singles[match.Scheme].Verify(request, testTime)
			if singleErr != nil || single != match || families != 1 && match.Scheme != "svix" {
				t.Errorf("%+v, but alone %+v, %v, with %d families", match, single, singleErr, families)
			}
		}
		_, err = wrong.Verify(request, testTime)
		check(t, err, false)
	})
}
