package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/signet/deploy/bench/internal/process"
)

const (
	secret   = "a secret of the benchmark's own"
	apiToken = "a-token-of-the-benchmarks-own"
)

// service is one of ours, or a bare one, running.
type service struct {
	*process.Process

	name        string
	addr, admin string // host:port
	dir         string
	env         []string
}

// database is the SQLite file of a service that has one.
func (s *service) database() string { return filepath.Join(s.dir, "bench.db") }

// stop ends the service and removes what it kept.
func (s *service) stop() error {
	err := s.Stop()
	if removed := os.RemoveAll(s.dir); err == nil {
		err = removed
	}
	return err
}

// startRole starts a bare one; args are the role's own.
func (b *bench) startRole(ctx context.Context, role string, args ...string) (*service, error) {
	addr, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, process.Spec{
		Name: role, Path: b.self, Args: append([]string{"role", role, addr}, args...), Ready: "http://" + addr + "/",
	})
	return &service{Process: p, addr: addr}, err
}

func (b *bench) startReceiver(ctx context.Context, database string) (*service, error) {
	database, err := b.newDatabase(ctx, database)
	if err != nil {
		return nil, err
	}
	return b.start(ctx, "receiver", func(s *service) []string {
		return []string{
			"RECEIVER_ADDR=" + s.addr, "RECEIVER_ADMIN_ADDR=" + s.admin, "RECEIVER_ADMIN_TOKEN=" + apiToken,
			"RECEIVER_DATABASE_URL=" + databaseURL(database, s.dir), "WEBHOOK_SECRET=" + secret,
		}
	})
}

func (b *bench) startProducer(ctx context.Context, database, private string) (*service, error) {
	database, err := b.newDatabase(ctx, database)
	if err != nil {
		return nil, err
	}
	return b.start(ctx, "producer", func(s *service) []string {
		return []string{
			"PRODUCER_ADDR=" + s.addr, "PRODUCER_ADMIN_ADDR=" + s.admin, "PRODUCER_API_TOKEN=" + apiToken,
			"PRODUCER_DATABASE_URL=" + databaseURL(database, s.dir), "PRODUCER_ALLOW_PRIVATE_TARGETS=" + private,
			"PRODUCER_ENCRYPTION_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		}
	})
}

// databaseURL is the database given, or a new one in dir.
func databaseURL(given, dir string) string {
	if given != "" {
		return given
	}
	return "sqlite:" + filepath.Join(dir, "bench.db")
}

func (b *bench) start(ctx context.Context, name string, env func(*service) []string) (*service, error) {
	s := &service{name: name}
	var err error
	if s.addr, err = process.FreePort(); err != nil {
		return nil, err
	}
	if s.admin, err = process.FreePort(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(b.dir, name); err != nil {
		return nil, err
	}
	s.env = append(env(s), "LOG_LEVEL="+b.logLevel, "LOG_FORMAT=json")
	return s, b.launch(ctx, s)
}

// launch starts the service on what it keeps, which may be what it kept when it was stopped.
func (b *bench) launch(ctx context.Context, s *service) (err error) {
	s.Process, err = process.Start(ctx, process.Spec{
		Name: s.name, Path: filepath.Join(b.dir, s.name), Args: []string{"serve"}, Dir: s.dir,
		Env: s.env, Ready: "http://" + s.addr + "/readyz",
	})
	return err
}

// profile takes a CPU profile of a service that is about to be measured, after a while.
func (b *bench) profile(ctx context.Context, s *service, after time.Duration) {
	if b.pprof == "" {
		return
	}
	b.profiles++
	file := filepath.Join(b.pprof, fmt.Sprintf("%s-%s-%d.pprof", b.current, s.name, b.profiles))
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.admin, max(1, int(b.duration.Seconds())))
	b.profiling.Go(func() {
		time.Sleep(after)
		if err := download(ctx, url, file); err != nil {
			fmt.Fprintln(os.Stderr, "no profile:", err) // the service stopped first
		}
	})
}

func download(ctx context.Context, url, file string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+apiToken)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err == nil && got.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, got.Status)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// stats are what both services count.
type stats struct {
	Messages   int64 `json:"messages"`
	Deliveries struct {
		Pending, Delivering, Delivered, Failed, Paused, Cancelled int64
	} `json:"deliveries"`
}

// call makes one request to a service's API.
func call(ctx context.Context, method, url string, body, answer any) error {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+apiToken)
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if got.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, url, got.Status, strings.TrimSpace(string(data)))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(data, answer)
}

func (s *service) stats(ctx context.Context, addr string) (st stats, err error) {
	return st, call(ctx, http.MethodGet, "http://"+addr+"/api/v1/stats", nil, &st)
}

// awaitDelivered waits until so many deliveries are delivered, and says when that was.
func (s *service) awaitDelivered(ctx context.Context, addr string, n int64) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		st, err := s.stats(ctx, addr)
		if err != nil {
			return time.Time{}, err
		}
		if st.Deliveries.Delivered >= n {
			return time.Now(), nil
		}
		if st.Deliveries.Failed > 0 {
			return time.Time{}, fmt.Errorf("%d deliveries failed", st.Deliveries.Failed)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d delivered: %w", st.Deliveries.Delivered, n, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
