// Package process starts the programs that are measured, each in a process of its own, and reads what they cost
// from the kernel.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one running program.
type Process struct {
	cmd    *exec.Cmd
	name   string
	output *tail
	ended  chan error
	// Started is when it was started, Ready when it first answered.
	Started, Ready time.Time
}

// Spec describes a program to start.
type Spec struct {
	Name  string
	Path  string
	Args  []string
	Env   []string // added to an environment that has nothing of this process's but PATH and HOME
	Dir   string
	Ready string // a URL that answers 200 when the program is ready
}

// Start starts a program and waits until it is ready.
func Start(ctx context.Context, s Spec) (*Process, error) {
	p := &Process{name: s.Name, output: &tail{}, ended: make(chan error, 1)}
	p.cmd = exec.Command(s.Path, s.Args...) //nolint:noctx // it is stopped with a signal, and killed only after that
	p.cmd.Dir = s.Dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, s.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	if err := p.await(ctx, s.Ready); err != nil {
		_ = p.cmd.Process.Kill()
		return nil, fmt.Errorf("%s: %w\n%s", s.Name, err, p.output)
	}
	p.Ready = time.Now()
	return p, nil
}

func (p *Process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if ok(ctx, url) {
			return nil
		}
		select {
		case err := <-p.ended:
			return fmt.Errorf("ended before it was ready: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

func ok(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode == http.StatusOK
}

// Stop asks the program to stop and waits for it, for at most 20 seconds.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", p.name, err, p.output)
		}
		return nil
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("%s did not stop\n%s", p.name, p.output)
	}
}

// Kill ends the program at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	if err := <-p.ended; err == nil {
		_, _ = p.output.Write([]byte("it had ended by itself"))
	}
}

// clockTicks is how the kernel counts CPU time, in ticks a second: 100 on every Linux that Go runs on.
const clockTicks = 100

// CPU is the processor time the program has used so far, of all its threads.
func (p *Process) CPU() (time.Duration, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in brackets, which may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected /proc stat: %q", data)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / clockTicks, err
}

// Rest waits until the program has next to nothing to do for a second, for at most a minute.
func (p *Process) Rest(ctx context.Context) error {
	const at, busy, patience = time.Second, 20 * time.Millisecond, time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		before, err := p.CPU()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come to rest: %w", filepath.Base(p.cmd.Path), ctx.Err())
		case <-time.After(at):
		}
		switch used, err := p.CPU(); {
		case err != nil:
			return err
		case used-before <= busy:
			return nil
		}
	}
}

// Memory is the program's resident memory in bytes: now, and the most it has been.
func (p *Process) Memory() (now, most int64, err error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		switch name {
		case "VmRSS":
			now, err = kibibytes(kib)
		case "VmHWM":
			most, err = kibibytes(kib)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return now, most, nil
}

func kibibytes(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n << 10, err
}

// FreePort is an address on loopback that nobody listens on right now.
func FreePort() (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tail keeps the end of what a program wrote.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*tailSize {
		t.text = append(t.text[:0], t.text[len(t.text)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// Output is the end of what the program wrote.
func (p *Process) Output() string { return p.output.String() }
