package doctor_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
)

const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
)

// naive is a receiver as one writes it by hand. Without a fault it does all right.
type naive struct {
	fault  string
	scheme string

	mu   sync.Mutex
	seen map[string]string // what makes an event known → its id
}

// serve runs a naive receiver until the test ends.
func serve(t *testing.T, scheme, fault string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(&naive{fault: fault, scheme: scheme, seen: map[string]string{}})
	if fault != "waits for ever" {
		server.Config.ReadTimeout = 700 * time.Millisecond
	}
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// bodyLimit is the most a naive receiver reads, in bytes.
const bodyLimit = 64 << 10

func (n *naive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.fails(w, r) {
		return
	}
	if r.Header.Get("Content-Type") != "application/json" && n.fault != "any media type" {
		http.Error(w, "", http.StatusUnsupportedMediaType)
		return
	}
	body, status := n.read(w, r)
	if status == 0 && !n.verified(r.Header, body) {
		status = http.StatusUnauthorized
	}
	if status != 0 {
		n.refuse(w, r, status)
		return
	}
	n.answer(w, r.Header, body)
}

// fails does what makes a receiver no receiver.
func (n *naive) fails(w http.ResponseWriter, r *http.Request) bool {
	switch n.fault {
	case "refuses everything":
		http.Error(w, "", http.StatusUnauthorized)
	case "redirects":
		http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
	case "hangs":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "resets":
		panic(http.ErrAbortHandler)
	case "answers before it has the body":
		_ = http.NewResponseController(w).EnableFullDuplex()
		if r.ContentLength > 1<<10 && r.ContentLength < bodyLimit {
			return true
		}
		return false
	default:
		return false
	}
	return true
}

func (n *naive) read(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	switch n.fault {
	case "no limit":
	case "limit by the length alone":
		if r.ContentLength > bodyLimit {
			return nil, http.StatusRequestEntityTooLarge
		}
	default:
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	}
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusRequestTimeout
	}
	return body, 0
}

// refuse answers what is not taken.
func (n *naive) refuse(w http.ResponseWriter, r *http.Request, status int) {
	missing := r.Header.Get("Webhook-Signature") == ""
	switch {
	case n.fault == "crashes" && status == http.StatusUnauthorized:
		status = http.StatusInternalServerError
	case n.fault == "asks to try again" && status == http.StatusUnauthorized:
		status = http.StatusTooManyRequests
	case n.fault == "resets what is unsigned" && missing:
		panic(http.ErrAbortHandler)
	case n.fault == "hangs when unsigned" && missing:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

func (n *naive) verified(h http.Header, body []byte) bool {
	now, secrets := time.Now(), []string{secret, oldSecret}
	h = h.Clone()
	at := time.Unix(number(h.Get("Webhook-Timestamp")), 0)
	switch n.fault {
	case "verifies nothing":
		return true
	case "only when signed":
		if h.Get("Webhook-Signature") == "" {
			return true
		}
	case "verifies what it parsed":
		var parsed bytes.Buffer
		if json.Compact(&parsed, body) != nil {
			return false
		}
		body = parsed.Bytes()
	case "takes a beginning", "compares a beginning":
		return n.begins(h.Get("X-Hub-Signature-256"), body)
	case "ignores the time":
		now = at
	case "ignores times to come":
		if at.After(now) {
			now = at
		}
	case "time from the body":
		if h.Get("Webhook-Timestamp") != "" {
			said, _ := time.Parse(time.RFC3339, field(body, "timestamp"))
			h.Set("Webhook-Timestamp", strconv.FormatInt(said.Unix(), 10))
		}
	case "id from the body":
		if h.Get("Webhook-Id") != "" {
			h.Set("Webhook-Id", field(body, "id"))
		}
	case "knows the new secret only":
		secrets = secrets[:1]
	}
	verifier, err := signature.NewVerifier(n.scheme, secrets)
	if err != nil {
		panic(err)
	}
	_, err = verifier.Verify(signature.Request{Header: h, Body: body}, now)
	return err == nil
}

// begins compares GitHub's signature in one of two wrong ways.
func (n *naive) begins(given string, body []byte) bool {
	for _, s := range []string{secret, oldSecret} {
		signer, err := signature.NewSigner("github", s)
		if err != nil {
			panic(err)
		}
		h := http.Header{}
		if err := signer.Sign(signature.Outgoing{Body: body}, h); err != nil {
			panic(err)
		}
		want := h.Get("X-Hub-Signature-256")
		if n.fault == "takes a beginning" && given != "" && strings.HasPrefix(want, given) ||
			n.fault == "compares a beginning" && len(given) == len(want) && given[:24] == want[:24] {
			return true
		}
	}
	return false
}

// answer takes an event, once.
func (n *naive) answer(w http.ResponseWriter, h http.Header, body []byte) {
	id := h.Get("X-Github-Delivery") + h.Get("Webhook-Id") + h.Get("Idempotency-Key")
	digest := sha256.Sum256(body)
	key := id + hex.EncodeToString(digest[:])
	switch n.fault {
	case "remembers nothing":
		key = rand()
	case "remembers whole requests":
		key += h.Get("Webhook-Signature")
	case "remembers unsigned ids":
		key = id
	case "everything is a duplicate":
		n.seen[key] = "x"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	first, duplicate := n.seen[key]
	if duplicate && n.fault == "conflict" {
		w.WriteHeader(http.StatusConflict)
		return
	}
	if !duplicate {
		first = rand()
		n.seen[key] = first
	}
	_, _ = fmt.Fprintf(w, `{"id":%q,"duplicate":%v,"secret":%q}`, first, duplicate, secret) // it tells too much
}

func rand() string { return strconv.FormatInt(time.Now().UnixNano(), 36) }

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func field(body []byte, name string) string {
	var fields map[string]any
	_ = json.Unmarshal(body, &fields)
	text, _ := fields[name].(string)
	return text
}

// faults are what a receiver can do wrong, and which cases must find it.
func faults() []faulty {
	refusals := []string{"tampered-body", "tampered-signature", "tampered-time", "tampered-id", "missing-header", "wrong-secret", "expired", "future"}
	return []faulty{
		{"", "standard", nil, ""},
		{"", "github", nil, ""},
		{"", "stripe", nil, ""},
		{"verifies nothing", "standard", refusals, "anybody can send anything"},
		{"only when signed", "standard", []string{"missing-header"}, "a request without any signature was accepted (200)"},
		{"verifies what it parsed", "standard", []string{"raw-bytes", "tampered-body"}, "was refused (401): the signature is checked over a body that was parsed"},
		{"takes a beginning", "github", []string{"tampered-signature"}, "the first half of a signature was accepted"},
		{"compares a beginning", "github", []string{"tampered-signature"}, "near its end was accepted"},
		{"ignores the time", "standard", []string{"expired", "future"}, "a request signed 6m0s ago was accepted (200): whoever captured"},
		{"ignores times to come", "standard", []string{"future"}, "a request signed for in 6m0s was accepted"},
		{"time from the body", "standard", []string{"tampered-time", "duplicate-id"}, "another time under this signature was accepted"},
		{"id from the body", "standard", []string{"tampered-id"}, "another id under this signature was accepted"},
		{"remembers nothing", "standard", []string{"replayed", "duplicate-id"}, "as if it were new (200"},
		{"remembers whole requests", "standard", []string{"duplicate-id"}, "a repeated delivery was accepted as if it were new"},
		{"conflict", "standard", []string{"duplicate-id"}, "a repeated delivery was refused (409)"},
		{"remembers unsigned ids", "github", []string{"spent-id"}, "was taken for the first"},
		{"everything is a duplicate", "standard", []string{"valid"}, "its id is new"},
		{"knows the new secret only", "standard", []string{"rotation"}, "signed with the old secret was refused (401)"},
		{"no limit", "standard", []string{"oversized"}, "a body of 131072 bytes was accepted (200)"},
		{"limit by the length alone", "standard", []string{"oversized"}, "that does not say how long it is was accepted"},
		{"any media type", "standard", []string{"media-type"}, "JSON called text/plain was accepted"},
		{"waits for ever", "standard", []string{"slow-body"}, "was read for 2s and longer"},
		{"answers before it has the body", "standard", []string{"slow-body"}, "not sent to its end was accepted"},
		{"crashes", "standard", refusals, "broke the receiver (500): anybody can break it"},
		{"asks to try again", "standard", refusals, "was answered 429, which asks the sender to try again"},
		{"resets what is unsigned", "standard", []string{"missing-header"}, "got no answer (connection closed without an answer)"},
		{"hangs when unsigned", "standard", []string{"missing-header"}, "got no answer (no answer in time)"},
		{"refuses everything", "standard", []string{"valid"}, "was refused (401): genuine events are lost"},
		{"redirects", "standard", []string{"valid"}, "was redirected (301), which senders do not follow"},
		{"hangs", "standard", []string{"valid"}, "got no answer (no answer in time)"},
		{"resets", "standard", []string{"valid"}, "got no answer (connection closed without an answer)"},
	}
}

// faulty is a receiver's fault, and how it is to be found.
type faulty struct {
	fault, scheme string
	cases         []string // that fail, and no others
	says          string   // one of them
}

// hopeless are faults that leave nothing else to be judged.
func (f faulty) hopeless() bool { return slices.Contains(f.cases, "valid") }
