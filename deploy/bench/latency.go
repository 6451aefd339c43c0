package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"example.com/signet/deploy/bench/internal/load"
)

// timerLate bounds what a timer is late by where nothing else keeps the process from running: Linux waits for it in whole
// milliseconds. That is not counted; what is more than that is.
const timerLate = 2 * time.Millisecond

// latency measures, at a constant rate, the time from the moment a call to publish was made until the endpoint
// has the webhook. Calls are made on schedule whether or not earlier ones were answered; one that is later than timers are
// counts from when it was due.
func (b *bench) latency(ctx context.Context, _ int, database string) error {
	var mu sync.Mutex
	histogram, seen := load.NewHistogram(), 0
	began := time.Now()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	endpoint := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived := time.Since(began)
		body, _ := io.ReadAll(r.Body)
		var event struct {
			Data struct {
				Due string `json:"order_id"`
			}
		}
		err := json.Unmarshal(body, &event)
		due, wrong := strconv.ParseInt(event.Data.Due, 10, 64)
		mu.Lock()
		defer mu.Unlock()
		if seen++; err == nil && wrong == nil && time.Duration(due) > b.warmUp {
			_ = histogram.RecordValue((arrived - time.Duration(due)).Microseconds())
		}
	})}
	go func() { _ = endpoint.Serve(listener) }()
	defer endpoint.Close()
	producer, err := b.startProducer(ctx, database, listener.Addr().String())
	if err != nil {
		return err
	}
	r := &rig{producer: producer}
	if _, err := r.subscribe(ctx, "http://"+listener.Addr().String()+"/", 0); err != nil {
		return err
	}
	began = time.Now()
	n, err := b.openLoop(ctx, producer.addr, began)
	if err != nil {
		return err
	}
	if _, err := producer.awaitDelivered(ctx, producer.addr, int64(n)); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if seen != n {
		return fmt.Errorf("%d events were published, %d arrived", n, seen)
	}
	suffix := fmt.Sprintf(" at %d/s %s", b.rate, engineOf(database))
	for _, quantile := range []float64{50, 99, 99.9} {
		b.report.Value(fmt.Sprintf("publish to endpoint p%g%s", quantile, suffix), float64(histogram.ValueAtQuantile(quantile))/1000, "ms")
	}
	return producer.stop()
}

// openLoop publishes at the rate, for the duration, and says how many events.
func (b *bench) openLoop(ctx context.Context, addr string, began time.Time) (int, error) {
	total := int((b.warmUp + 2*b.duration).Seconds() * float64(b.rate))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	errs := make(chan error, total)
	for i := range total {
		due := time.Duration(i) * time.Second / time.Duration(b.rate)
		time.Sleep(time.Until(began.Add(due)))
		if made := time.Since(began); made < due+timerLate {
			due = made
		}
		go func() { errs <- publishOne(ctx, client, addr, due) }()
	}
	for range total {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	return total, nil
}

func publishOne(ctx context.Context, client *http.Client, addr string, due time.Duration) error {
	event := fmt.Appendf(nil, `{"type":"order.completed","data":{"order_id":"%d","amount_minor":4999,"currency":"EUR","note":"%0400d"}}`, due.Nanoseconds(), 0)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/v1/events", bytes.NewReader(event))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+apiToken)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("publish: %s", answer.Status)
	}
	return err
}
