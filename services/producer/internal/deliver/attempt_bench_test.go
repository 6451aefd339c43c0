package deliver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/pkg/webhook"
	"example.com/signet/services/producer/internal/deliver"
	"example.com/signet/services/producer/internal/egress"
	"example.com/signet/services/producer/internal/endpoint"
	"example.com/signet/services/producer/internal/http1"
)

// sinkVariable makes the test binary a sink for the benchmarks: the server's CPU must not count as the client's.
const sinkVariable = "SIGNET_BENCHMARK_SINK"

func TestMain(m *testing.M) {
	if os.Getenv(sinkVariable) != "" {
		if err := sink(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// sink takes every webhook, and tells its address.
func sink() error {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, StreamRequestBody: true, ReadBufferSize: 8 << 10})
	app.Post("/*", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusOK) })
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the one who started this
		os.Exit(0)
	}()
	return app.Listener(listener)
}

// startSink runs a sink in a process of its own.
func startSink(b *testing.B) (url string) {
	b.Helper()
	c := exec.CommandContext(b.Context(), os.Args[0])
	c.Env = append(os.Environ(), sinkVariable+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + line[:len(line)-1] + "/hooks/webhook"
}

// only is the one endpoint there is.
type only endpoint.Live

func (o only) Live(string) (endpoint.Live, bool) { return endpoint.Live(o), true }

var body = bytes.Repeat([]byte("x"), 580)

func job() relay.Job {
	return relay.Job{
		Message:  relay.Message{ID: "msg_01ARZ3NDEKTSV4RRFFQ69G5FAV", Type: "order.completed", Body: body},
		Delivery: relay.Delivery{ID: "dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV", TargetID: "ep_1", Attempts: 1},
	}
}

// each runs one from 32 workers, and reports the CPU time of this process for each run.
func each(b *testing.B, do func() error) {
	b.Helper()
	const workers = 32
	work := make(chan struct{}, workers)
	var group sync.WaitGroup
	errs := make(chan error, workers)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for range workers {
		group.Go(func() {
			for range work {
				if err := do(); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for range b.N {
		select {
		case work <- struct{}{}:
		case err := <-errs:
			b.Fatal(err)
		}
	}
	close(work)
	group.Wait()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAttempt is what one delivery costs besides the engine, over loopback: with net/http, and as it is done.
func BenchmarkAttempt(b *testing.B) {
	url := startSink(b)
	signer, err := signature.NewSigner("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		b.Fatal(err)
	}
	allow, err := egress.ParseAllowList("127.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	net, direct := egress.NewGuard(allow).Transport(), http1.New(egress.NewGuard(allow).Transport())
	for _, with := range []struct {
		name      string
		transport http.RoundTripper
	}{{"net-http", net}, {"http1", direct}} {
		b.Run(with.name, func(b *testing.B) {
			sender := webhook.NewSender(&http.Client{Transport: with.transport}, "Signet/1")
			to := only{URL: url, Scheme: "standard", Signer: signer}
			runner := deliver.New(to, sender, nil)
			each(b, func() error {
				ctx, cancel := context.WithTimeout(b.Context(), webhook.DefaultTimeout) // the engine does for less
				defer cancel()
				return deliver.Run(ctx, runner, job()).Err
			})
		})
	}
	net.CloseIdleConnections()
	direct.CloseIdleConnections()
}
