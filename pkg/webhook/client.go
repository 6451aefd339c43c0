package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"example.com/signet/pkg/signature"
)

// DefaultRetries is how many times a Client tries again after the first attempt, unless told otherwise.
const DefaultRetries = 3

// Client sends payloads and retries them in the caller's goroutine. It is safe for concurrent use.
type Client struct {
	sender  *Sender
	signer  *signature.Signer // nil: unsigned
	retries int
	timeout time.Duration
	first   time.Duration
	longest time.Duration
}

type settings struct {
	secrets   []string
	scheme    string
	retries   int
	timeout   time.Duration
	client    *http.Client
	userAgent string
	first     time.Duration
	longest   time.Duration
}

// Option changes how New builds a Client.
type Option func(*settings)

// WithSecret signs with secret. Several secrets, the current one first, sign with all of them where the scheme
// can, for the time of a rotation. Without this option nothing is signed.
func WithSecret(secret string, older ...string) Option {
	return func(s *settings) { s.secrets = append([]string{secret}, older...) }
}

// WithScheme names the signature scheme, one of [signature.Schemes] or a described one. Without it the secret decides, see
// [SchemeOf].
func WithScheme(name string) Option { return func(s *settings) { s.scheme = name } }

// WithRetries sets how many attempts may follow the first; 0 means one attempt only.
func WithRetries(n int) Option { return func(s *settings) { s.retries = n } }

// WithTimeout bounds each attempt; 0 means [DefaultTimeout].
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithHTTPClient sends through c's transport. Its redirect policy does not count: redirects are never followed.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.client = c } }

// WithUserAgent names the program to receivers.
func WithUserAgent(name string) Option { return func(s *settings) { s.userAgent = name } }

// WithBackoff sets the wait before the second attempt and the longest wait between two. Each wait is half as
// long again as the one before, spread by half of it to either side. The defaults are 500 ms and one minute.
func WithBackoff(first, longest time.Duration) Option {
	return func(s *settings) { s.first, s.longest = first, longest }
}

// SchemeOf names the scheme a secret belongs to when nobody says: "whsec_" starts a secret of Standard
// Webhooks, "whsk_" a private key of its kind with key pairs, and any other signs X-Hub-Signature-256.
func SchemeOf(secret string) string {
	switch {
	case strings.HasPrefix(secret, "whsec_"):
		return "standard"
	case strings.HasPrefix(secret, "whsk_"):
		return "standard-ed25519"
	}
	return "github"
}

// New makes a client. It fails when the scheme is unknown or does not take the secret.
func New(opts ...Option) (*Client, error) {
	s := settings{
		retries: DefaultRetries,
		first:   backoff.DefaultInitialInterval,
		longest: backoff.DefaultMaxInterval,
	}
	for _, opt := range opts {
		opt(&s)
	}
	if s.retries < 0 || s.timeout < 0 || s.first <= 0 || s.longest < s.first {
		return nil, errors.New("webhook: retries, timeout and backoff must not be negative")
	}
	signer, err := s.signer()
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Client{
		sender:  NewSender(s.client, s.userAgent),
		signer:  signer,
		retries: s.retries,
		timeout: s.timeout,
		first:   s.first,
		longest: s.longest,
	}, nil
}

func (s *settings) signer() (*signature.Signer, error) {
	if len(s.secrets) == 0 {
		if s.scheme != "" {
			return nil, errors.New("a scheme needs a secret")
		}
		return nil, nil
	}
	scheme := s.scheme
	if scheme == "" {
		scheme = SchemeOf(s.secrets[0])
	}
	return signature.NewSigner(scheme, s.secrets...)
}

// SendOption changes one Send.
type SendOption func(*Request)

// WithID sends under an id of the caller's instead of a new random one, so that a program that sends the same
// thing again is recognised by the receiver.
func WithID(id string) SendOption { return func(r *Request) { r.ID = id } }

// WithHeader adds a header. It cannot replace one of the signature's.
func WithHeader(name, value string) SendOption {
	return func(r *Request) { r.Header.Add(name, value) }
}

// Send delivers payload to url and returns when that succeeded, when it was given up, or when ctx ended, be it
// between two attempts. []byte and json.RawMessage are sent as they are, an [Event] in its envelope, anything
// else as encoding/json encodes it. A receiver's Retry-After is waited for, up to [MaxRetryAfter]; ctx is what
// bounds that.
//
// The delivery tells of every attempt, whether or not there is an error. An error wraps [ErrNotDelivered] and
// the reason, [ErrPayload] or [ErrInvalidEvent].
func (c *Client) Send(ctx context.Context, url string, payload any, opts ...SendOption) (Delivery, error) {
	request := Request{URL: url, Header: http.Header{}, Signer: c.signer, Timeout: c.timeout}
	if event, ok := payload.(Event); ok {
		request.ID = event.ID
	}
	for _, opt := range opts {
		opt(&request)
	}
	if request.ID == "" {
		request.ID = newID()
	}
	delivery := Delivery{ID: request.ID, URL: url, Status: StatusPending}
	body, err := encode(payload)
	if err != nil {
		delivery.Status = StatusFailed
		return delivery, err
	}
	request.Body = body
	err = c.deliver(ctx, request, &delivery)
	return delivery, err
}

func encode(payload any) ([]byte, error) {
	switch p := payload.(type) {
	case []byte:
		return p, nil
	case json.RawMessage:
		return p, nil
	case Event:
		return p.Encode()
	default:
		body, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPayload, err)
		}
		return body, nil
	}
}

func (c *Client) deliver(ctx context.Context, request Request, delivery *Delivery) error {
	try := func() (struct{}, error) {
		delivery.Status = StatusSending
		request.Time = time.Now()
		attempt := c.sender.Attempt(ctx, request)
		delivery.Attempts = append(delivery.Attempts, attempt)
		return struct{}{}, retryable(attempt)
	}
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = c.first, c.longest
	_, err := backoff.Retry(ctx, try,
		backoff.WithBackOff(waits),
		backoff.WithMaxTries(uint(c.retries)+1),
		backoff.WithMaxElapsedTime(0), // ctx bounds the whole
		backoff.WithNotify(func(error, time.Duration) { delivery.Status = StatusRetrying }),
	)
	if err == nil {
		delivery.Status = StatusSuccess
		return nil
	}
	delivery.Status = StatusFailed
	cause := delivery.Last().Err
	if ctx.Err() != nil && !errors.Is(cause, ctx.Err()) {
		cause = fmt.Errorf("%w (last attempt: %w)", context.Cause(ctx), cause)
	}
	return delivery.failure(cause)
}

// retryable tells the retry loop what an attempt means. What it answers never reaches the caller, who gets the
// attempt's own error.
func retryable(attempt Attempt) error {
	switch {
	case attempt.Class() == Delivered:
		return nil
	case attempt.Class() != Retry:
		return backoff.Permanent(attempt.Err)
	case attempt.RetryAfter > 0:
		return &backoff.RetryAfterError{Duration: attempt.RetryAfter}
	default:
		return attempt.Err
	}
}
