package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// headerMutation rewrites the signature header, after sending.
func headerMutation(name string, cause signature.Cause, rewrite func(e *explained, value string) []string) mutation {
	return mutation{"header: " + name, cause, func(t testing.TB, e *explained) bool {
		e.send(t)
		_, value := e.value()
		values := rewrite(e, value)
		if values == nil {
			return false
		}
		e.change(values...)
		return true
	}}
}

func one(value, from, to string) []string {
	if changed := strings.Replace(value, from, to, 1); changed != value {
		return []string{changed}
	}
	return nil
}

// digits are the signature of a header of the one kind, sum its bytes.
func digits(value string) (text string, sum []byte, isHex bool) {
	text = value[strings.LastIndexAny(strings.TrimRight(value, "="), "=, ")+1:]
	if sum, err := hex.DecodeString(text); err == nil {
		return text, sum, true
	}
	sum, _ = base64.StdEncoding.DecodeString(text)
	return text, sum, false
}

func headerMutations() []mutation {
	return []mutation{
		headerMutation("base64 for hexadecimal", signature.CauseSignatureEncoding, func(_ *explained, value string) []string {
			text, sum, isHex := digits(value)
			if !isHex {
				return nil
			}
			return one(value, text, base64.StdEncoding.EncodeToString(sum))
		}),
		headerMutation("base64 of hexadecimal", signature.CauseSignatureEncoding, func(_ *explained, value string) []string {
			text, _, isHex := digits(value)
			if !isHex {
				return nil
			}
			return one(value, text, base64.StdEncoding.EncodeToString([]byte(text)))
		}),
		headerMutation("hexadecimal for base64", signature.CauseSignatureEncoding, func(_ *explained, value string) []string {
			text, sum, isHex := digits(value)
			if isHex {
				return nil
			}
			return one(value, text, hex.EncodeToString(sum))
		}),
		{"header: URL-safe base64", signature.CauseSignatureEncoding, func(t testing.TB, e *explained) bool {
			for n := range 40 { // until there is a letter that the alphabets write differently
				e.signed.Body = append(bytes.TrimRight(e.signed.Body, "\n"), strings.Repeat("\n", n)...)
				e.send(t)
				_, value := e.value()
				if text, sum, isHex := digits(value); !isHex && strings.ContainsAny(text, "+/") {
					e.change(strings.Replace(value, text, base64.RawURLEncoding.EncodeToString(sum), 1))
					return true
				}
			}
			return false
		}},
		headerMutation("prefix lost", signature.CauseSignaturePrefix, func(e *explained, value string) []string {
			text, _, _ := digits(value)
			if text == value || e.scheme == "generic" || strings.Contains(value, "1700000000") {
				return nil
			}
			return []string{text}
		}),
		headerMutation("prefix added", signature.CauseSignaturePrefix, func(_ *explained, value string) []string {
			if text, _, _ := digits(value); text != value {
				return nil
			}
			return []string{"hmac=" + value}
		}),
		headerMutation("prefix in capitals", signature.CauseSignaturePrefix, func(_ *explained, value string) []string {
			text, _, _ := digits(value)
			prefix := strings.TrimSuffix(value, text)
			if prefix == "" || strings.Contains(value, "1700000000") {
				return nil
			}
			return one(value, prefix, strings.ToUpper(prefix))
		}),
		headerMutation("twice", signature.CauseHeaderRepeated, func(_ *explained, value string) []string { return []string{value, value} }),
		headerMutation("twice, another first", signature.CauseHeaderRepeated, func(_ *explained, value string) []string { return []string{"x", value} }),
		headerMutation("joined", signature.CauseHeaderRepeated, func(_ *explained, value string) []string {
			if strings.Contains(value, "1700000000") || strings.HasPrefix(value, "v1") { // a list with more in it
				return nil
			}
			return []string{value + ", " + value}
		}),
		headerMutation("joined without space", signature.CauseHeaderRepeated, func(_ *explained, value string) []string {
			if strings.Contains(value, "1700000000") {
				return nil
			}
			return []string{value + "," + value}
		}),
		headerMutation("spaces", signature.CauseHeaderMalformed, func(_ *explained, value string) []string {
			return []string{"\t" + value}
		}),
		headerMutation("quoted", signature.CauseHeaderMalformed, func(_ *explained, value string) []string {
			return []string{`"` + value + `"`}
		}),
		headerMutation("not a signature", signature.CauseHeaderMalformed, func(_ *explained, _ string) []string { return []string{"signed, honestly"} }),
		headerMutation("SHA-1", signature.CauseSignatureHash, func(e *explained, value string) []string {
			text, _, isHex := digits(value)
			if !e.json() || !e.shared() || e.scheme == "bitbucket" || // the SHA-1 of which is other schemes' own
				e.info.Tolerance > 0 && e.scheme != "linear" || e.info.SignsURL {
				return nil
			}
			mac := hmac.New(sha1.New, []byte(e.keys.signing))
			mac.Write(e.signed.Body)
			sum := base64.StdEncoding.EncodeToString(mac.Sum(nil))
			if isHex {
				sum = hex.EncodeToString(mac.Sum(nil))
			}
			if sum == text { // it is the scheme's own
				return nil
			}
			return []string{strings.Replace(strings.Replace(value, text, sum, 1), "sha256=", "sha1=", 1)}
		}),
		{"header: none", signature.CauseNoSignature, func(t testing.TB, e *explained) bool {
			e.send(t)
			name, _ := e.value()
			e.request = without(e.request, name)
			return true
		}},
		{"header: id lost", signature.CauseHeaderMissing, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.request = without(e.request, "Webhook-Id")
			return e.scheme == "standard"
		}},
		{"header: all joined", signature.CauseHeaderRepeated, func(t testing.TB, e *explained) bool {
			e.send(t)
			h := cloneOf(e.request)
			for name, values := range h {
				h[name] = []string{values[0] + ", " + values[0]}
			}
			e.request.Header = h
			return e.scheme == "standard"
		}},
	}
}
