package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// buildReceiver builds the receiver that stands beside this module.
func buildReceiver(t *testing.T) (string, error) {
	path := filepath.Join(t.TempDir(), "receiver")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "receiver")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

const receiverToken = "token of this test"

// receiver NAME=value…: the real receiver runs until the script ends, as $RECEIVER.
func startReceiver(ts *testscript.TestScript, binary func() (string, error), variables []string) {
	path, err := binary()
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, path, "serve")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Dir = ts.MkAbs(".")
	c.Env = append(slices.Clone(variables), "RECEIVER_ADDR=127.0.0.1:0", "RECEIVER_ADMIN_ADDR=127.0.0.1:0",
		"LOG_FORMAT=json", "RECEIVER_ADMIN_TOKEN="+receiverToken)
	log, err := c.StderrPipe()
	ts.Check(err)
	ts.Check(c.Start())
	ts.Defer(func() {
		cancel()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct {
			Message string `json:"msg"`
		}
		_ = json.Unmarshal(lines.Bytes(), &line)
		if address, ok := strings.CutPrefix(line.Message, "webhooks: "); ok {
			ts.Setenv("RECEIVER", address)
		}
		if address, ok := strings.CutPrefix(line.Message, "admin API: "); ok {
			ts.Setenv("RECEIVER_API", strings.TrimSuffix(address, "/api/openapi.json"))
		}
		if line.Message == "ready" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return
		}
	}
	ts.Fatalf("the receiver did not start: %v", lines.Err())
}

// effects N ORDERS: the receiver has taken in so many webhooks, processed all of them rightly, and knows of so many
// completed orders.
func effects(ts *testscript.TestScript, _ bool, args []string) {
	var seen struct {
		Messages   int            `json:"messages"`
		Deliveries map[string]int `json:"deliveries"`
		Domain     map[string]int `json:"domain"`
	}
	poll(ts, "the receiver to be done", func() bool {
		ts.Check(ask(ts.Getenv("RECEIVER_API")+"/api/v1/stats", &seen))
		return strconv.Itoa(seen.Messages) == args[0] && seen.Deliveries["pending"]+seen.Deliveries["delivering"] == 0
	})
	if seen.Deliveries["failed"] != 0 || strconv.Itoa(seen.Domain["orders_completed"]) != args[1] {
		ts.Fatalf("the receiver says %+v", seen)
	}
}

func ask(url string, into any) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+receiverToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	return json.Unmarshal(text.Bytes(), into)
}
