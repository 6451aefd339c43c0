package signature_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

// The faults that TestExplain_Mutations makes, in the ways that other programs
// make them: with what the standard library writes, or with literal text.

func asIs(s string) string { return s }

func written(write func(*bytes.Buffer, []byte) error) func(string) string {
	return func(s string) string {
		var b bytes.Buffer
		if err := write(&b, []byte(s)); err != nil {
			panic(err)
		}
		return b.String()
	}
}

func jsonWith(indent string) func(string) string {
	return written(func(b *bytes.Buffer, s []byte) error { return json.Indent(b, s, "", indent) })
}

func replaced(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

// The same JSON as others write it.
func explainStyles() map[string]func(string) string {
	ascii := replaced("ë", `\u00eb`, "🎉", `\ud83c\udf89`)
	python := replaced(`":`, `": `, `,"`, `, "`, `1,[`, `1, [`, `],{`, `], {`)
	return map[string]func(string) string{
		"2 spaces":         jsonWith("  "),
		"4 spaces":         jsonWith("    "),
		"a tab":            jsonWith("\t"),
		"2 spaces, a line": func(s string) string { return jsonWith("  ")(s) + "\n" },
		"Python":           func(s string) string { return ascii(python(s)) },
		"Python, UTF-8":    python,
		"Go":               written(func(b *bytes.Buffer, s []byte) error { json.HTMLEscape(b, s); return nil }),
		"Go's encoder":     func(s string) string { return replaced("<", `\u003c`, ">", `\u003e`, "&", `\u0026`)(s) },
		"PHP":              func(s string) string { return ascii(replaced("/", `\/`)(s)) },
		"PHP, UTF-8":       replaced("/", `\/`),
		"PHP, pretty":      func(s string) string { return ascii(replaced("/", `\/`)(jsonWith("    ")(s))) },
		"ASCII":            ascii,
		"2 spaces, ASCII":  func(s string) string { return ascii(jsonWith("  ")(s)) },
	}
}

func bodyMutations() []mutation {
	isJSON := (*explained).json
	var all []mutation
	for name, style := range explainStyles() {
		all = append(all, bodyMutation("body: signed as "+name, signature.CauseBodyReencoded, isJSON, style, func(string) string { return explainBody }))
		all = append(all, bodyMutation("body: arrived as "+name, signature.CauseBodyReencoded, isJSON, asIs, style))
	}
	end := func(name, sent, received string) mutation {
		return bodyMutation("body: "+name, signature.CauseBodyTrailingNewline, isJSON,
			func(s string) string { return s + sent }, func(s string) string { return strings.TrimSuffix(s, sent) + received })
	}
	lines := jsonWith(" ") // of one space, which no style has
	return append(all,
		end("newline added", "", "\n"), end("newline lost", "\n", ""), end("CRLF added", "", "\r\n"), end("CRLF lost", "\r\n", ""),
		end("CR lost", "\r\n", "\n"), end("CR added", "\n", "\r\n"), end("space added", "", "  "),
		bodyMutation("body: CRLF for LF", signature.CauseBodyLineEndings, isJSON, lines, replaced("\n", "\r\n")),
		bodyMutation("body: LF for CRLF", signature.CauseBodyLineEndings, isJSON, func(s string) string { return replaced("\n", "\r\n")(lines(s)) }, replaced("\r\n", "\n")),
		bodyMutation("body: BOM added", signature.CauseBodyBOM, isJSON, asIs, func(s string) string { return "\xef\xbb\xbf" + s }),
		bodyMutation("body: BOM lost", signature.CauseBodyBOM, isJSON, func(s string) string { return "\xef\xbb\xbf" + s }, func(s string) string { return s[3:] }),
		bodyMutation("body: compressed with gzip", signature.CauseBodyCompressed, isJSON, asIs, compressedWith(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })),
		bodyMutation("body: compressed with zlib", signature.CauseBodyCompressed, isJSON, asIs, compressedWith(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })),
		bodyMutation("body: empty", signature.CauseBodyEmpty, noTimeInBody, asIs, func(string) string { return "" }),
		decompressedMutation("gzip"), decompressedMutation("deflate"), decompressedMutation("br"),
		formMutation("+ for %20", "payload=a%20b&x=%7e1", "payload=a+b&x=%7e1"),
		formMutation("%20 for +", "payload=a+b&x=%7e1", "payload=a%20b&x=%7e1"),
		formMutation("upper-case escapes", "payload=%7b%7d&x=~", "payload=%7B%7D&x=~"),
		formMutation("sorted", "a=1&payload=%7B%7D", "payload=%7b%7d&a=1"),
		mutation{"form: content type lost", signature.CauseContentType, func(t testing.TB, e *explained) bool {
			if !e.form() {
				return false
			}
			e.send(t)
			e.request = without(e.request, "Content-Type")
			return true
		}},
		mutation{"form: plus decoded", signature.CauseBodyFormReencoded, func(t testing.TB, e *explained) bool {
			if !e.info.Forms {
				return false
			}
			e.signed.ContentType, e.signed.Body = "application/x-www-form-urlencoded", []byte("From=%2B15550100")
			e.send(t)
			e.request.Body = []byte("From=+15550100")
			return true
		}},
	)
}

// noTimeInBody leaves out schemes that cannot read an empty body at all.
func noTimeInBody(e *explained) bool { return e.json() && e.scheme != "linear" }

func compressedWith(writer func(io.Writer) io.WriteCloser) func(string) string {
	return written(func(b *bytes.Buffer, s []byte) error {
		w := writer(b)
		if _, err := w.Write(s); err != nil {
			return err
		}
		return w.Close()
	})
}

func decompressedMutation(coding string) mutation {
	return mutation{"body: decompressed from " + coding, signature.CauseBodyDecompressed, func(t testing.TB, e *explained) bool {
		if !noTimeInBody(e) {
			return false
		}
		body := e.signed.Body
		e.signed.Body = []byte("\x1f\x8b" + strings.Repeat("compressed", 9))
		e.send(t)
		e.request = with(e.request, "Content-Encoding", coding)
		e.request.Body = body
		return true
	}}
}

// formMutation is for schemes that sign a form as it is written.
func formMutation(name, sent, received string) mutation {
	return mutation{"form: " + name, signature.CauseBodyFormReencoded, func(t testing.TB, e *explained) bool {
		if !e.info.Forms || e.form() {
			return false
		}
		e.signed.ContentType, e.signed.Body = "application/x-www-form-urlencoded", []byte(sent)
		e.send(t)
		e.request.Body = []byte(received)
		return true
	}}
}

// secretMutation gives each end a secret, made of one that is not whsec_.
func secretMutation(name string, cause signature.Cause, applies func(e *explained) bool, sender, receiver func(string) string) mutation {
	return mutation{"secret: " + name, cause, func(t testing.TB, e *explained) bool {
		if !e.shared() || !applies(e) {
			return false
		}
		const material = "0123456789abcdef0123456789abcdef"
		e.sendWith(t, sender(material))
		e.secrets = []string{receiver(material)}
		return true
	}}
}

// decodes says that the scheme decodes what follows whsec_.
func decodes(e *explained) bool {
	return strings.HasPrefix(e.keys.signing, "whsec_") && e.scheme != "stripe"
}

// usesText says that it does not, and that a secret with whsec_ is another's.
func usesText(e *explained) bool {
	return !strings.HasPrefix(e.keys.signing, "whsec_") && e.scheme != "stripe"
}

func secretMutations() []mutation {
	always := func(*explained) bool { return true }
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	whsec := func(s string) string { return "whsec_" + encoded(s) }
	unhexed := func(s string) string { b, _ := hex.DecodeString(s); return string(b) }
	return []mutation{
		secretMutation("wrong", signature.CauseSecretWrong, always, asIs, func(string) string { return "something else entirely" }),
		secretMutation("newline added", signature.CauseSecretWhitespace, always, asIs, func(s string) string { return s + "\n" }),
		secretMutation("spaces added", signature.CauseSecretWhitespace, always, asIs, func(s string) string { return "  " + s + " " }),
		secretMutation("newline lost", signature.CauseSecretWhitespace, always, func(s string) string { return s + "\n" }, asIs),
		secretMutation("CRLF lost", signature.CauseSecretWhitespace, always, func(s string) string { return s + "\r\n" }, asIs),
		secretMutation("quotes", signature.CauseSecretQuoted, always, asIs, func(s string) string { return `"` + s + `"` }),
		secretMutation("quotes and whsec_", signature.CauseSecretQuoted, decodes, whsec, func(s string) string { return "'" + whsec(s) + "'" }),
		secretMutation("newline after whsec_", signature.CauseSecretWhitespace, decodes, whsec, func(s string) string { return whsec(s) + "\n" }),
		secretMutation("base64 as text", signature.CauseSecretNotDecoded, usesText, asIs, encoded),
		secretMutation("URL-safe base64 as text", signature.CauseSecretNotDecoded, usesText,
			func(string) string { return "\xfb\xff\xfe is no text" }, func(string) string { return "-__-IGlzIG5vIHRleHQ" }),
		secretMutation("hexadecimal as text", signature.CauseSecretNotDecoded, always, unhexed, asIs),
		secretMutation("whsec_ as text", signature.CauseSecretNotDecoded, usesText, asIs, whsec),
		secretMutation("whsec_ lost", signature.CauseSecretPrefix, decodes, whsec, encoded),
		secretMutation("whsec_ added", signature.CauseSecretPrefix, usesText, encoded, whsec),
		secretMutation("whsec_ decoded", signature.CauseSecretDecoded, decodes, encoded, whsec),
		secretMutation("whsec_ of another", signature.CauseSecretOtherFormat, usesText, asIs, func(string) string { return whsec("another secret of 32 characters") }),
		secretMutation("whsec_ not base64", signature.CauseSecretUnusable, decodes, asIs, func(string) string { return "whsec_!" }),
		secretMutation("public key", signature.CauseSecretOtherFormat, always, asIs, func(s string) string { return "whpk_" + encoded(s) }),
		secretMutation("private key", signature.CauseSecretOtherFormat, always, asIs, func(s string) string { return "whsk_" + encoded(s) }),
		{"secret: another pair's", signature.CauseSecretWrong, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.secrets = []string{e.keys.stranger}
			return e.info.PublicKey
		}},
		{"secret: private for public", signature.CauseSecretPrivateKey, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.secrets = []string{e.keys.signing}
			return e.info.PublicKey
		}},
	}
}

func urlMutation(name string, cause signature.Cause, sent, received string) mutation {
	return mutation{"url: " + name, cause, func(t testing.TB, e *explained) bool {
		if !e.info.SignsURL {
			return false
		}
		e.signed.URL = sent
		e.send(t)
		e.request.URL = received
		v := verifier(t, e.scheme, e.secrets...)
		_, err := v.Verify(e.request, e.now)
		return err != nil // one that takes both spellings has no fault here
	}}
}

func urlMutations() []mutation {
	return []mutation{
		urlMutation("http", signature.CauseURLScheme, "https://h.example.com/a?b=1", "http://h.example.com/a?b=1"),
		urlMutation("https", signature.CauseURLScheme, "http://h.example.com/a", "https://h.example.com/a"),
		urlMutation("http and a port", signature.CauseURLScheme, "https://h.example.com/a", "http://h.example.com:8000/a"),
		urlMutation("port added", signature.CauseURLPort, "https://h.example.com/a", "https://h.example.com:8443/a"),
		urlMutation("default port lost", signature.CauseURLPort, "https://h.example.com:443/a", "https://h.example.com/a"),
		urlMutation("capitals", signature.CauseURLHost, "https://h.example.com/a", "https://H.example.com/a"),
		urlMutation("slash lost", signature.CauseURLPath, "https://h.example.com/a/?b=1", "https://h.example.com/a?b=1"),
		urlMutation("slash added", signature.CauseURLPath, "https://h.example.com/a", "https://h.example.com/a/"),
		urlMutation("escapes added", signature.CauseURLPath, "https://h.example.com/ä", "https://h.example.com/%C3%A4"),
		urlMutation("query sorted", signature.CauseURLQuery, "https://h.example.com/a?c=1&a=2&b=3", "https://h.example.com/a?a=2&b=3&c=1"),
		urlMutation("query added", signature.CauseURLQuery, "https://h.example.com/a", "https://h.example.com/a?b=1"),
		urlMutation("none", signature.CauseURLMissing, "https://h.example.com/a", ""),
		{"url: method", signature.CauseMethod, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.request.Method = "PUT"
			_, err := verifier(t, e.scheme, e.secrets...).Verify(e.request, e.now)
			return err != nil
		}},
		{"url: of another host and port", signature.CauseURLHost, func(t testing.TB, e *explained) bool {
			if !e.info.SignsURL {
				return false
			}
			e.signed.URL = "https://sender.example.com:8443/a?b=1"
			e.send(t)
			e.request = with(e.request, "Host", "sender.example.com:8443")
			e.request.URL = "https://h.example.com/a?b=1"
			return true
		}},
		{"url: of another host before a proxy", signature.CauseURLHost, func(t testing.TB, e *explained) bool {
			if !e.info.SignsURL {
				return false
			}
			e.send(t)
			u, err := url.Parse(e.signed.URL)
			if err != nil {
				t.Fatal(err)
			}
			e.request = with(with(e.request, "X-Forwarded-Host", u.Host), "X-Forwarded-Proto", u.Scheme)
			e.request.URL = strings.Replace(e.signed.URL, "https://"+u.Host, "http://10.0.0.1:8000", 1)
			return true
		}},
	}
}

func timeMutations() []mutation {
	later := func(name string, cause signature.Cause, by time.Duration) mutation {
		return mutation{name, cause, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.now = e.now.Add(by)
			return e.info.Tolerance > 0
		}}
	}
	return []mutation{
		later("time: too old", signature.CauseTooOld, time.Hour),
		later("time: too new", signature.CauseTooNew, -time.Hour),
		{"time: milliseconds in the header", signature.CauseTimestampUnit, func(t testing.TB, e *explained) bool {
			e.send(t)
			return e.rewriteTime("1700000000", "1700000000000")
		}},
		{"time: milliseconds, signed", signature.CauseTimestampUnit, func(t testing.TB, e *explained) bool {
			e.send(t)
			e.secrets = []string{plainSecret}
			mac := v1Of(plainSecret, testID+".1700000000000."+explainBody)
			e.request = with(with(e.request, "Webhook-Timestamp", strconv.FormatInt(testTime.UnixMilli(), 10)), "Webhook-Signature", mac)
			return e.scheme == "standard"
		}},
		{"time: seconds for milliseconds", signature.CauseTimestampUnit, func(t testing.TB, e *explained) bool {
			e.send(t)
			return e.rewriteTime("1700000000000", "1700000000")
		}},
	}
}

// rewriteTime changes the header that is nothing but the time.
func (e *explained) rewriteTime(from, to string) bool {
	for name, values := range cloneOf(e.request) {
		if values[0] == from {
			e.request = with(e.request, name, to)
			return true
		}
	}
	return false
}
