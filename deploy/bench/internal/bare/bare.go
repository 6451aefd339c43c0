// Package bare holds what the services are compared with: the least that somebody could write by hand, without
// durability, retries or records.
package bare

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"example.com/signet/deploy/bench/internal/load"
)

// Reply is as long as the receiver's.
const Reply = `{"status":"success","message":"Webhook accepted","id":"msg_00000000000000000000000000","duplicate":false}`

// settings are those of the services' servers.
func settings() fiber.Config {
	return fiber.Config{
		DisableStartupMessage: true, CaseSensitive: true, BodyLimit: 1 << 20, StreamRequestBody: true,
		DisablePreParseMultipartForm: true, ReadBufferSize: 8 << 10,
		ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 75 * time.Second, Concurrency: 16 << 10,
	}
}

// Ingest is a Fiber handler that checks the HMAC and answers, and does nothing else.
func Ingest(listener net.Listener, secret string) error {
	return webhooks(secret, func(*fiber.Ctx) error { return nil }).Listener(listener)
}

// webhooks checks the HMAC of what is posted, hands it to accept, and answers.
func webhooks(secret string, accept func(*fiber.Ctx) error) *fiber.App {
	app := fiber.New(settings())
	app.Get("/", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusOK) })
	key := []byte(secret)
	app.Post("/webhook", func(c *fiber.Ctx) error {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(c.Get("webhook-id") + "." + c.Get("webhook-timestamp") + "."))
		mac.Write(c.Request().Body())
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if !hmac.Equal([]byte(want), []byte(c.Get("webhook-signature"))) {
			return c.SendStatus(fiber.StatusUnauthorized)
		}
		if err := accept(c); err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(Reply)
	})
	return app
}

// Sink takes anything and counts it. GET answers the count.
func Sink(listener net.Listener) error {
	app := fiber.New(settings())
	var n atomic.Int64
	app.Post("/*", func(c *fiber.Ctx) error {
		n.Add(1)
		return c.SendStatus(fiber.StatusOK)
	})
	app.Get("/*", func(c *fiber.Ctx) error { return c.SendString(strconv.FormatInt(n.Load(), 10)) })
	return app.Listener(listener)
}

// Post sends total signed webhooks to url from so many workers, as a loop around net/http would, and says how
// long that took.
func Post(ctx context.Context, url, secret string, workers, total int, seed uint64) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(total))
	began := time.Now()
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			messages := load.NewMessages(secret, fmt.Sprintf("b%03x", i), seed)
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				if err := post(ctx, client, url, messages.Next(time.Now())); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return time.Since(began), context.Cause(ctx)
}

func post(ctx context.Context, client *http.Client, url string, m load.Signed) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("webhook-id", m.ID)
	r.Header.Set("webhook-timestamp", m.Timestamp)
	r.Header.Set("webhook-signature", m.Signature)
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if closed := answer.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the sink answered %s", answer.Status)
	}
	return err
}
