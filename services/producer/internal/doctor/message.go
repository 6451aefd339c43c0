package doctor

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/sample"
)

// draft is a request that is still to be signed.
type draft struct {
	id          string
	at          time.Time
	body        []byte
	contentType string
	signer      *signature.Signer
}

// message is a request as it is sent.
type message struct {
	draft

	url, public string
	header      http.Header
	chunked     bool // without saying beforehand how long it is
}

// draft makes a new event.
func (e *examination) draft() draft { return e.draftAt(time.Now()) }

func (e *examination) draftAt(at time.Time) draft {
	id := sample.NewID()
	return draft{id: id, at: at, body: e.cfg.Template.Fill(id, at), contentType: e.contentType(), signer: e.signer}
}

func (e *examination) contentType() string {
	return cmp.Or(e.cfg.Header.Get("Content-Type"), "application/json")
}

// compose signs. The id has a header of its own where the scheme has none for it, as Signet's sender does.
func (e *examination) compose(d draft) (message, error) {
	m := message{draft: d, url: e.cfg.URL, public: cmp.Or(e.cfg.PublicURL, e.cfg.URL), header: http.Header{}}
	if e.cfg.Header != nil {
		m.header = e.cfg.Header.Clone()
	}
	if e.cfg.Scheme == "twilio" { // signs a body that is no form by its digest in the URL
		digest := sha256.Sum256(d.body)
		m.url, m.public = withParameter(m.url, "bodySHA256", hex.EncodeToString(digest[:])), withParameter(m.public, "bodySHA256", hex.EncodeToString(digest[:]))
	}
	m.header.Set("Content-Type", d.contentType)
	m.header.Set("User-Agent", e.cfg.UserAgent)
	out := signature.Outgoing{ID: d.id, Time: d.at, Method: http.MethodPost, URL: m.public, ContentType: d.contentType, Body: d.body}
	if err := d.signer.Sign(out, m.header); err != nil {
		return m, err
	}
	if len(m.named(d.id)) == 0 {
		m.header.Set("Idempotency-Key", d.id)
	}
	return m, nil
}

func withParameter(url, name, value string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + name + "=" + value
}

// right reports whether a receiver that does all right takes the request, as far as the signature goes.
func (e *examination) right(m message) bool {
	_, err := e.reference.Verify(signature.Request{Method: http.MethodPost, URL: m.public, Header: m.header, Body: m.body}, time.Now())
	return err == nil
}

// named are the headers whose value is this.
func (m message) named(value string) []string {
	var names []string
	for name, values := range m.header {
		if slices.Contains(values, value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// with is the message with other headers.
func (m message) with(change func(http.Header)) message {
	m.header = m.header.Clone()
	change(m.header)
	return m
}

// signatureHeaders are those of the message that carry its signature.
func (e *examination) signatureHeaders(m message) []string {
	info, err := signature.Describe(e.cfg.Scheme)
	if err != nil { // it could be described before
		return nil
	}
	return slices.DeleteFunc(info.Headers, func(name string) bool { return m.header.Get(name) == "" })
}

// added are the headers that signing added.
func (e *examination) added(m message) []string {
	var names []string
	for name := range m.header {
		if name != "Content-Type" && name != "User-Agent" && e.cfg.Header.Get(name) == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// retimed has the signature of m and says that it was made at another time, wherever that stands in the headers. Empty:
// it stands in none.
func (e *examination) retimed(m message, other time.Time) (message, bool) {
	d := m.draft
	d.at = other
	then, err := e.compose(d)
	if err != nil {
		return m, false
	}
	signing := e.signatureHeaders(m)
	before, after := strconv.FormatInt(m.at.Unix(), 10), strconv.FormatInt(other.Unix(), 10)
	changed := false
	later := m.with(func(h http.Header) {
		for name := range h {
			value := then.header.Get(name)
			if slices.Contains(signing, name) {
				value = strings.Replace(h.Get(name), before, after, 1)
			}
			if value != "" && value != h.Get(name) {
				h.Set(name, value)
				changed = true
			}
		}
	})
	return later, changed
}

// digits finds the signature in a header's value: the longest run of the letters of hexadecimal and base64.
func digits(value string) (from, to int) {
	start := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) && isDigit(value[i]) {
			continue
		}
		if i-start > to-from {
			from, to = start, i
		}
		start = i + 1
	}
	return from, to
}

func isDigit(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || b == '+' || b == '/'
}

// altered changes one digit of the signature, that many parts of its length in, to another that is one in either
// encoding.
func altered(value string, part, parts int) string {
	from, to := digits(value)
	if from == to {
		return value
	}
	text := []byte(value)
	i := from + (to-from)*part/parts
	if text[i] == '0' {
		text[i] = '1'
	} else {
		text[i] = '0'
	}
	return string(text)
}

// cut keeps the first half of the signature.
func cut(value string) string {
	from, to := digits(value)
	return value[:from+(to-from)/2] + value[to:]
}
