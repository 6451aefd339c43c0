package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"example.com/signet/pkg/signature"
)

// ErrClosed is wrapped by the error of a delivery that was asked for after Close, or ended by it.
var ErrClosed = errors.New("webhook: the client is closed")

// Client sends payloads, retries them in the caller's goroutine, and remembers what came of them. It is safe
// for concurrent use.
type Client struct {
	sender      *Sender
	signer      *signature.Signer // nil: unsigned
	retries     int
	timeout     time.Duration
	concurrency int
	first       time.Duration
	longest     time.Duration
	patience    time.Duration // with Retry-After
	log         *slog.Logger
	history     *history
	watchers    watchers
	own         *http.Transport // nil: the caller's

	closed  context.Context // ends with the client, not with a call
	close   context.CancelFunc
	mu      sync.Mutex     // held to begin a send, and to close
	running sync.WaitGroup // the sends
}

// New makes a client. It fails when an option makes no sense, and when the scheme is unknown or does not take
// the secret.
func New(opts ...Option) (*Client, error) {
	s := newSettings(opts)
	if err := s.check(); err != nil {
		return nil, err
	}
	signer, err := s.signer()
	if err != nil {
		return nil, err
	}
	c := &Client{
		signer:      signer,
		retries:     s.retries,
		timeout:     s.timeout,
		concurrency: s.concurrency,
		first:       s.first,
		longest:     s.longest,
		patience:    s.patience,
		log:         s.log,
		history:     newHistory(s.history),
	}
	if s.client == nil {
		c.own = s.transport()
		s.client = &http.Client{Transport: c.own}
	}
	c.sender = NewSender(s.client, s.userAgent)
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Close ends every delivery that is on its way, waits until that is done, and closes the connections that are
// the client's own. Deliveries it ended are failed, as are those asked for later, with [ErrClosed]. What is
// remembered can still be asked for. It must not be called from a callback. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	c.close()
	c.mu.Unlock()
	c.running.Wait()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

// begin makes Close wait for a send until it is done, and end its context.
func (c *Client) begin(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closed, func() { cancel(ErrClosed) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Err() != nil {
		cancel(ErrClosed)
		return ctx, func() { stop() }
	}
	c.running.Add(1)
	return ctx, func() {
		stop()
		cancel(nil)
		c.running.Done()
	}
}

// Send delivers payload to url and returns when that succeeded, when it was given up, or when ctx ended, be it
// between two attempts. []byte and json.RawMessage are sent as they are, and must not change until then; an
// [Event] is sent in its envelope, anything else as encoding/json encodes it. A receiver's Retry-After is waited
// for, up to [MaxRetryAfter]; ctx and [WithPatience] are what bound that.
//
// The delivery tells of every attempt, whether or not there is an error. An error wraps [ErrNotDelivered] and
// the reason, [ErrPayload] or [ErrInvalidEvent].
func (c *Client) Send(ctx context.Context, url string, payload any, opts ...SendOption) (Delivery, error) {
	ctx, done := c.begin(ctx)
	defer done()
	request, err := c.request(url, payload, opts)
	t := c.track(request)
	if err != nil {
		t.become(StatusFailed)
		return t.delivery, err
	}
	err = t.deliver(ctx, request)
	return t.delivery.clone(), err
}

// Prepare builds and signs the request that Send would make for its first attempt now, without sending it.
func (c *Client) Prepare(ctx context.Context, url string, payload any, opts ...SendOption) (*http.Request, error) {
	request, err := c.request(url, payload, opts)
	if err != nil {
		return nil, err
	}
	return c.sender.Prepare(ctx, request)
}

// request is what every attempt has in common. It is complete but for the body when there is an error.
func (c *Client) request(url string, payload any, opts []SendOption) (Request, error) {
	request := Request{URL: url, Header: http.Header{}, Signer: c.signer, Timeout: c.timeout, Once: true}
	event, isEvent := payload.(Event)
	if isEvent {
		request.ID = event.ID
	}
	for _, opt := range opts {
		opt(&request)
	}
	if request.ID == "" {
		request.ID = newID("msg_")
	}
	if isEvent {
		payload = event.complete(request.ID, time.Now())
	}
	body, err := encode(payload)
	request.Body = body
	return request, err
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

// Delivery finds what is remembered of a delivery by its ID.
func (c *Client) Delivery(id string) (Delivery, bool) { return c.history.find(id) }

// Deliveries lists what is remembered of the deliveries that filter takes, the latest first.
func (c *Client) Deliveries(filter Filter) []Delivery { return c.history.list(filter) }

// Stats counts everything since New.
func (c *Client) Stats() Stats { return c.history.stats() }

// OnDelivery has callback told of every change of a delivery's status, with the delivery as it then is. It is
// called in the goroutine that sends, which waits for it: for one delivery in the order of the changes, for
// several at the same time. A panic of it is the sending goroutine's: of the caller of Send, but of one that nobody can
// recover in a SendMany or an Emit. remove takes it away again; a call that has begun is not waited for.
func (c *Client) OnDelivery(callback func(Delivery)) (remove func()) { return c.watchers.add(callback) }
