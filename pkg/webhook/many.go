package webhook

import (
	"context"
	"sync"
)

// Message is one of many payloads to be sent.
type Message struct {
	URL     string
	Payload any // as for Send
	Options []SendOption
}

// Result is what Send answers.
type Result struct {
	Delivery

	Err error // nil exactly when it was delivered
}

// SendMany sends every message as Send does, at most as many at once as WithConcurrency allows, and returns
// their results in the order of the messages. One that fails does not stop the others. When ctx ends, those that
// were not begun fail without an attempt.
func (c *Client) SendMany(ctx context.Context, messages []Message) []Result {
	results := make([]Result, len(messages))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(c.concurrency, len(messages)) {
		workers.Go(func() {
			for i := range next {
				m := messages[i]
				results[i].Delivery, results[i].Err = c.Send(ctx, m.URL, m.Payload, m.Options...)
			}
		})
	}
	for i := range messages {
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}
