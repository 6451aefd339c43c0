package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/signet/pkg/signature"
)

// Bounds of one attempt.
const (
	DefaultTimeout   = 15 * time.Second
	ReadResponse     = 64 << 10 // bytes of an answer's body that are read, so that its connection can be used again
	KeptResponse     = 1 << 10  // bytes of an answer's body that are kept
	DefaultUserAgent = "Signet-Webhook/1"
)

// unnoticed is the part of a timeout that may be missing when it is said to be over: a context that was made for one
// attempt ends a moment before that has taken as long.
const unnoticed = 100

// ErrUnsendable is wrapped by the error of an attempt that failed before anything was sent, and would again.
var ErrUnsendable = errors.New("webhook: cannot be sent")

// Sender makes single attempts. It is safe for concurrent use.
type Sender struct {
	client    *http.Client
	userAgent string
}

// NewSender makes a sender on client's transport; nil means one of its own with net/http's defaults. The
// client is copied, because its redirects are switched off. An empty userAgent means [DefaultUserAgent].
func NewSender(client *http.Client, userAgent string) *Sender {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if userAgent == "" {
		userAgent = DefaultUserAgent
	}
	return &Sender{client: &own, userAgent: userAgent}
}

// Request is one attempt to be made.
type Request struct {
	URL     string
	Method  string      // empty: POST
	Header  http.Header // the caller's own; it cannot replace a header of the signature. May be nil
	ID      string      // the webhook's id, the same on every attempt
	Time    time.Time   // of this attempt; the signature carries it. Zero: now
	Body    []byte      // signed and sent as it is; not changed
	Signer  *signature.Signer
	Timeout time.Duration // for the whole attempt; 0: DefaultTimeout
	Once    bool          // however the connection ends, net/http does not send it again by itself, see Attempt
}

// Attempt sends r and waits for the answer, at most r.Timeout and as long as ctx lasts. When a connection that was used
// before is cut before the answer, net/http sends again what has an idempotency key, unless r.Once.
func (s *Sender) Attempt(ctx context.Context, r Request) Attempt {
	started := time.Now()
	r.complete(started)
	if r.Timeout <= 0 {
		r.Timeout = DefaultTimeout
	}
	if until, ok := ctx.Deadline(); !ok || until.After(started.Add(r.Timeout)) { // or else it ends first anyway
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}

	attempt := Attempt{At: r.Time}
	request, err := s.request(ctx, r)
	if err == nil {
		if r.Once {
			hideKeys(request.Header)
		}
		err = s.exchange(request, started, &attempt)
	}
	attempt.Duration = time.Since(started)
	if errors.Is(err, context.DeadlineExceeded) && attempt.Duration >= r.Timeout-r.Timeout/unnoticed {
		err = fmt.Errorf("no answer within %s: %w", r.Timeout, context.DeadlineExceeded)
	}
	attempt.Err = err
	return attempt
}

// complete fills in what may be left out of what is sent.
func (r *Request) complete(now time.Time) {
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	if r.Time.IsZero() {
		r.Time = now
	}
}

// Prepare builds and signs what Attempt would send, without sending it. Errors are [ErrInvalidURL] and
// [ErrUnsendable].
func (s *Sender) Prepare(ctx context.Context, r Request) (*http.Request, error) {
	r.complete(time.Now())
	return s.request(ctx, r)
}

// request builds and signs. The signature's headers are set last and under canonical names, so that nothing
// the caller put into Header is sent in their place or beside them.
func (s *Sender) request(ctx context.Context, r Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, cmp.Or(CheckURL(r.URL), fmt.Errorf("%w: the method or URL is malformed", ErrUnsendable))
	}
	if !isHTTP(request.URL) {
		return nil, ErrInvalidURL
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.userAgent)
	for name, values := range r.Header {
		if len(values) > 0 && http.CanonicalHeaderKey(name) == "Host" {
			request.Host = values[0] // net/http sends no other
			continue
		}
		request.Header.Del(name)
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	if user := request.URL.User; user != nil && request.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	if r.Signer != nil {
		out := signature.Outgoing{
			ID: r.ID, Time: r.Time, Method: r.Method, URL: r.URL,
			ContentType: request.Header.Get("Content-Type"), Body: r.Body,
		}
		if err := r.Signer.Sign(out, request.Header); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnsendable, err)
		}
	}
	nameAttempt(request.Header, r.ID)
	return request, checkHeader(request.Header)
}

// checkHeader refuses what net/http would refuse to write, at every attempt anew and as if the network had failed (RFC
// 9110, sections 5.1 and 5.5). Values may be secrets, and are not repeated.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
		}) {
			return fmt.Errorf("%w: %q cannot be the name of a header", ErrUnsendable, name)
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("%w: the value of the header %s has a control character in it", ErrUnsendable, name)
			}
		}
	}
	return nil
}

// nameAttempt gives the receiver an id to recognise a repeated attempt by, where the scheme has none.
func nameAttempt(h http.Header, id string) {
	for _, name := range []string{"Webhook-Id", "X-Github-Delivery", "Idempotency-Key"} {
		if h.Get(name) != "" {
			return
		}
	}
	if id != "" {
		h.Set("Idempotency-Key", id)
	}
}

// hideKeys writes the names of idempotency keys in lower case, which is the same to receivers. Under the names it
// knows, net/http takes them for leave to send a request a second time when its connection was cut before the
// answer: an attempt that nobody counts.
func hideKeys(h http.Header) {
	for canonical, hidden := range map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"} {
		if values, ok := h[canonical]; ok {
			delete(h, canonical)
			h[hidden] = values
		}
	}
}

// exchange sends the request and notes the answer. A body that breaks off does not take a status back: the
// receiver has decided by then.
func (s *Sender) exchange(request *http.Request, started time.Time, attempt *Attempt) error {
	response, err := s.send(request)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()

	attempt.StatusCode = response.StatusCode
	attempt.RetryAfter = parseRetryAfter(response.Header.Get("Retry-After"), attempt.At.Add(time.Since(started)))
	if response.ContentLength != 0 { // unknown is -1
		attempt.Response = readStart(response.Body)
	}
	return statusError(response)
}

// readStart reads at most ReadResponse bytes and keeps the first KeptResponse of them.
func readStart(from io.Reader) []byte {
	body := io.LimitedReader{R: from, N: ReadResponse}
	buffer := make([]byte, 0, 64) // most answers are a word or two
	for len(buffer) < KeptResponse {
		if len(buffer) == cap(buffer) {
			buffer = append(make([]byte, 0, KeptResponse), buffer...)
		}
		n, err := body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err != nil {
			return buffer
		}
	}
	_, _ = io.Copy(io.Discard, &body)
	return buffer
}

// send goes past http.Client where that would only look after redirects, cookies and a timeout of its own: none of them is
// wanted, and they cost a tenth of an attempt.
func (s *Sender) send(request *http.Request) (*http.Response, error) {
	if s.client.Transport == nil || s.client.Jar != nil || s.client.Timeout != 0 {
		return s.client.Do(request)
	}
	return s.client.Transport.RoundTrip(request)
}

func statusError(response *http.Response) error {
	code := response.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	text := fmt.Sprintf("answered %d %s", code, http.StatusText(code))
	switch {
	case code >= 300 && code < 400 && response.Header.Get("Location") != "":
		return fmt.Errorf("%s: the redirect to %s was not followed", text, Redact(response.Header.Get("Location")))
	default:
		return errors.New(text)
	}
}
