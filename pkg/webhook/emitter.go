package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrInvalidPattern is wrapped by the error of a pattern that no event type could match.
var ErrInvalidPattern = errors.New("webhook: invalid event pattern")

// Emitter sends each event to all the URLs that are subscribed to its type. It is safe for concurrent use.
type Emitter struct {
	client *Client

	mu            sync.RWMutex
	subscriptions []subscription
}

// subscription is never changed, only replaced.
type subscription struct {
	url      string
	patterns []string
	options  []SendOption
}

func (s subscription) takes(eventType string) bool {
	return slices.ContainsFunc(s.patterns, func(pattern string) bool { return Match(pattern, eventType) })
}

// NewEmitter makes an emitter that sends through client, which stays the caller's to close.
func NewEmitter(client *Client) *Emitter { return &Emitter{client: client} }

// Subscribe has events whose type matches one of the patterns sent to url, with these options: "order.*" takes
// every type that begins with "order.", "*" all of them, and any other pattern is a type; none is as "*". A URL
// has one subscription: a second call replaces the first. Errors are [ErrInvalidURL] and [ErrInvalidPattern].
func (e *Emitter) Subscribe(url string, patterns []string, opts ...SendOption) error {
	if err := CheckURL(url); err != nil {
		return err
	}
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	for _, pattern := range patterns {
		if !ValidPattern(pattern) {
			return fmt.Errorf("%w: %q", ErrInvalidPattern, pattern)
		}
	}
	s := subscription{url, slices.Clone(patterns), slices.Clone(opts)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := e.index(url); i >= 0 {
		e.subscriptions[i] = s
	} else {
		e.subscriptions = append(e.subscriptions, s)
	}
	return nil
}

// Unsubscribe sends url nothing from the next event on, and reports whether it was subscribed.
func (e *Emitter) Unsubscribe(url string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.index(url)
	if i >= 0 {
		e.subscriptions = slices.Delete(e.subscriptions, i, i+1)
	}
	return i >= 0
}

func (e *Emitter) index(url string) int {
	return slices.IndexFunc(e.subscriptions, func(s subscription) bool { return s.url == url })
}

// Emit sends one event to every URL that is subscribed to it, under one id, and returns when each of these
// deliveries has succeeded or was given up. An event without an id or a time gets them. The deliveries come in
// the order of the subscriptions. The error is [ErrInvalidEvent], or joins what Send answered for those that
// failed; an event that nobody wants is none.
func (e *Emitter) Emit(ctx context.Context, event Event) ([]Delivery, error) {
	event = event.complete(newID("msg_"), time.Now())
	body, err := event.Encode()
	if err != nil {
		return nil, err
	}
	results := e.client.SendMany(ctx, e.messages(event, body))
	deliveries, failures := make([]Delivery, len(results)), make([]error, len(results))
	for i, result := range results {
		deliveries[i], failures[i] = result.Delivery, result.Err
	}
	return deliveries, errors.Join(failures...)
}

func (e *Emitter) messages(event Event, body []byte) []Message {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var messages []Message
	for _, s := range e.subscriptions {
		if s.takes(event.Type) {
			options := append(slices.Clone(s.options), WithID(event.ID))
			messages = append(messages, Message{URL: s.url, Payload: body, Options: options})
		}
	}
	return messages
}
