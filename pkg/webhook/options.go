package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"example.com/signet/pkg/signature"
)

// What a Client does unless told otherwise.
const (
	DefaultRetries     = 3      // attempts after the first
	DefaultConcurrency = 10     // deliveries of a SendMany or an Emit at once
	DefaultHistory     = 10_000 // deliveries that are remembered
)

type settings struct {
	secrets     []string
	scheme      string
	retries     int
	timeout     time.Duration
	concurrency int
	history     int
	client      *http.Client
	userAgent   string
	first       time.Duration
	longest     time.Duration
	patience    time.Duration
	log         *slog.Logger
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

// WithConcurrency bounds how many deliveries of one SendMany or Emit are on their way at once, those that wait
// for their next attempt included. It must be at least 1.
func WithConcurrency(n int) Option { return func(s *settings) { s.concurrency = n } }

// WithHistory sets how many deliveries are remembered for Delivery, Deliveries and the percentiles of Stats; 0
// remembers none.
func WithHistory(n int) Option { return func(s *settings) { s.history = n } }

// WithHTTPClient sends through c's transport. Its redirect policy does not count: redirects are never followed.
// Its idle connections stay its owner's to close.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.client = c } }

// WithUserAgent names the program to receivers.
func WithUserAgent(name string) Option { return func(s *settings) { s.userAgent = name } }

// WithLogger tells log of every attempt: at the level Debug of those that delivered, at Warn of the others.
// Neither payloads nor secrets are logged, and URLs as [Redact] shows them.
func WithLogger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// WithBackoff sets the wait before the second attempt and the longest wait between two. Each wait is half as
// long again as the one before, spread by half of it to either side. The defaults are 500 ms and one minute.
func WithBackoff(first, longest time.Duration) Option {
	return func(s *settings) { s.first, s.longest = first, longest }
}

// WithPatience gives a delivery up when its receiver asks in Retry-After for a longer wait than this, instead of waiting;
// the default is [MaxRetryAfter], which no receiver exceeds. Waits of the client's own are not touched.
func WithPatience(longest time.Duration) Option { return func(s *settings) { s.patience = longest } }

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

func newSettings(opts []Option) settings {
	s := settings{
		retries:     DefaultRetries,
		concurrency: DefaultConcurrency,
		history:     DefaultHistory,
		first:       backoff.DefaultInitialInterval,
		longest:     backoff.DefaultMaxInterval,
		patience:    MaxRetryAfter,
		log:         slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// check names every option that makes no sense.
func (s *settings) check() error {
	var wrong []error
	refuse := func(is bool, text string) {
		if is {
			wrong = append(wrong, errors.New("webhook: "+text))
		}
	}
	refuse(s.retries < 0, "WithRetries must not be negative")
	refuse(s.timeout < 0, "WithTimeout must not be negative")
	refuse(s.concurrency < 1, "WithConcurrency must be at least 1")
	refuse(s.history < 0, "WithHistory must not be negative")
	refuse(s.first <= 0 || s.longest < s.first, "WithBackoff must be above 0, and its longest wait not below the first")
	refuse(s.patience < 0, "WithPatience must not be negative")
	refuse(s.log == nil, "WithLogger must not be nil")
	return errors.Join(wrong...)
}

func (s *settings) signer() (*signature.Signer, error) {
	if len(s.secrets) == 0 {
		if s.scheme != "" {
			return nil, errors.New("webhook: WithScheme needs a secret")
		}
		return nil, nil
	}
	scheme := s.scheme
	if scheme == "" {
		scheme = SchemeOf(s.secrets[0])
	}
	signer, err := signature.NewSigner(scheme, s.secrets...)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return signer, nil
}

// transport is one of the client's own, with as many idle connections to a receiver as it may use at once.
func (s *settings) transport() *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second}
	if theirs, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = theirs.Clone()
	}
	transport.MaxIdleConnsPerHost = s.concurrency
	transport.MaxIdleConns = max(transport.MaxIdleConns, s.concurrency)
	return transport
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

// WithMethod sends with another method than POST.
func WithMethod(method string) SendOption { return func(r *Request) { r.Method = method } }

// WithSigner signs with signer instead of the client's secret; nil sends unsigned.
func WithSigner(signer *signature.Signer) SendOption { return func(r *Request) { r.Signer = signer } }
