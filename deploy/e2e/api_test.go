package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// client gives every request its end: a service that hangs fails a test instead of stopping it.
var client = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
}

// answer sends a request and reads the answer whole.
func answer(req *http.Request) (reply, error) {
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: string(body)}, err
}

// api speaks to one service's typed API.
type api struct {
	base, token string
}

// call makes one request, demands a status, and decodes the answer where into is not nil.
func (a api) call(ctx context.Context, method, path string, payload, into any, want int) error {
	var body io.Reader
	if payload != nil {
		encoded, err := json.Marshal(payload)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := answer(req)
	if err != nil {
		return err
	}
	if r.status != want {
		return fmt.Errorf("%s %s: status %d, want %d: %.500s", method, path, r.status, want, r.body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		return fmt.Errorf("%s %s: %w in %.500s", method, path, err, r.body)
	}
	return nil
}

// books is what a service says of the demo domain: both services' are equal when every event took effect once.
type books struct {
	Users           int64 `json:"users"`
	OrdersCompleted int64 `json:"orders_completed"`
	RevenueMinor    int64 `json:"revenue_minor"`
}

// stats is GET /api/v1/stats of either service.
type stats struct {
	Messages   int64 `json:"messages"`
	Deliveries struct {
		Pending    int64 `json:"pending"`
		Delivering int64 `json:"delivering"`
		Delivered  int64 `json:"delivered"`
		Failed     int64 `json:"failed"`
		Paused     int64 `json:"paused"`
		Cancelled  int64 `json:"cancelled"`
	} `json:"deliveries"`
	Domain books `json:"domain"`
}

// undelivered counts the deliveries that still have to be made.
func (s stats) undelivered() int64 { return s.Deliveries.Pending + s.Deliveries.Delivering }

func (a api) stats(ctx context.Context) (s stats, err error) {
	return s, a.call(ctx, http.MethodGet, "/api/v1/stats", nil, &s, http.StatusOK)
}

// order is one row of the receiver's projection of completed orders.
type order struct {
	ID          string `json:"order_id"`
	AmountMinor int64  `json:"amount_minor"`
	Currency    string `json:"currency"`
	Applied     int64  `json:"applied"`
}

// orders lists the receiver's whole projection, page by page.
func (a api) orders(ctx context.Context) ([]order, error) {
	var all []order
	for cursor := ""; ; {
		var page struct {
			Items []order `json:"items"`
			Next  string  `json:"next"`
		}
		query := url.Values{"limit": {"1000"}, "cursor": {cursor}}
		if err := a.call(ctx, http.MethodGet, "/api/v1/domain/orders?"+query.Encode(), nil, &page, http.StatusOK); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		if page.Next == cursor {
			return nil, fmt.Errorf("the page after %q points to itself", cursor)
		}
		cursor = page.Next
	}
}

// message is one item of the receiver's GET /api/v1/messages.
type message struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	Type       string    `json:"type"`
	ReceivedAt time.Time `json:"received_at"`
	Deliveries []struct {
		ID       string `json:"id"`
		Target   string `json:"target"`
		State    string `json:"state"`
		Attempts int    `json:"attempts"`
	} `json:"deliveries"`
}

// messages lists the newest messages a receiver holds.
func (a api) messages(ctx context.Context) ([]message, error) {
	var page struct {
		Items []message `json:"items"`
	}
	err := a.call(ctx, http.MethodGet, "/api/v1/messages?limit=100", nil, &page, http.StatusOK)
	return page.Items, err
}

// event is one event of the producer's API. Data is JSON as it stands.
type event struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// published is what the producer answers for one event.
type published struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate"`
}

// publish posts events in one batch, which is accepted whole or not at all.
func (a api) publish(ctx context.Context, events []event) ([]published, error) {
	var answer struct {
		Items []published `json:"items"`
	}
	err := a.call(ctx, http.MethodPost, "/api/v1/events/batch", map[string]any{"events": events}, &answer, http.StatusAccepted)
	if err == nil && len(answer.Items) != len(events) {
		err = fmt.Errorf("%d events published, %d answered", len(events), len(answer.Items))
	}
	return answer.Items, err
}
