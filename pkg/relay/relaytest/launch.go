package relaytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	readyTime = time.Minute // for a server to answer; an image may have to be pulled first
	stopTime  = 20 * time.Second
)

// process is a server that was started here.
type process struct {
	command func() *exec.Cmd // makes the command that starts it, each time
	cmd     *exec.Cmd
	output  *output
	ended   chan struct{}
	remove  func() error // what is left of it when it has ended
}

func launch() (*process, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("postgres://%s@127.0.0.1:%s/postgres?sslmode=disable", superuser, port)
	p, err := installed(port)
	if errors.Is(err, exec.ErrNotFound) {
		p, err = container(port)
	}
	if err != nil {
		return nil, "", err
	}
	if err := p.ready(address); err != nil {
		return nil, "", errors.Join(err, p.stop())
	}
	return p, address, nil
}

// freePort is a port that was free a moment ago, below those that systems give to connections and to listeners that
// ask for any: tests beside this one do not take it meanwhile.
func freePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(16_384 + mathrand.IntN(16_384))
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", err
}

// installed starts a server from binaries on this machine. exec.ErrNotFound: there are none.
func installed(port string) (*process, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "relaytest")
	if err != nil {
		return nil, err
	}
	p := &process{remove: func() error { return os.RemoveAll(dir) }}
	who, err := unprivileged(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(context.Background(), filepath.Join(bin, "initdb"), "--pgdata="+data, "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	initdb.Dir = dir
	if said, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, said), os.RemoveAll(dir))
	}
	p.command = func() *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "max_connections=300")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		cmd.Dir = dir
		return cmd
	}
	return p, p.run()
}

// binaries finds the folder with initdb and postgres, the newest one where there are several.
func binaries() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, fmt.Errorf("postgres: %w", exec.ErrNotFound))
	}
	return filepath.Dir(slices.Max(found)), nil
}

// unprivileged is who the server runs as, and makes dir his: PostgreSQL refuses to run as root.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("this is root, and there is neither a user postgres nor nobody to run the server as")
}

// container starts a server in Docker.
func container(port string) (*process, error) {
	image := os.Getenv("POSTGRES_IMAGE")
	if image == "" {
		image = "postgres:18"
	}
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, err
	}
	if said, err := exec.CommandContext(context.Background(), docker, "info").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("neither PostgreSQL's binaries nor a Docker engine: %w: %.200s", err, said)
	}
	name := "relaytest-" + port + "-" + strings.ToLower(rand.Text())
	arguments := []string{
		"run", "--name", name, "--publish", "127.0.0.1:" + port + ":5432", "--env", "POSTGRES_HOST_AUTH_METHOD=trust",
		"--label", "relaytest", image, "-c", "max_connections=300",
	}
	p := &process{command: func() *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), docker, arguments...)
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		arguments = []string{"start", "--attach", name} // the next time
		return cmd
	}}
	p.remove = func() error {
		return exec.CommandContext(context.Background(), docker, "rm", "--force", "--volumes", name).Run()
	}
	return p, p.run()
}

// run starts the command, which is interrupted when this process ends, however it ends. The kernel ties that to the
// thread that started it, so a thread is kept for it.
func (p *process) run() error {
	p.cmd, p.output, p.ended = p.command(), &output{}, make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGINT // PostgreSQL's fast shutdown; `docker run` passes it on
	p.cmd.SysProcAttr.Setpgid = true             // a Ctrl-C is for the tests
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.ended)
	}()
	return <-started
}

func (p *process) ready(address string) error {
	deadline := time.Now().Add(readyTime)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			err = errors.Join(conn.Ping(ctx), conn.Close(ctx))
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("PostgreSQL ended: %s", p.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, p.output)
		}
	}
}

// end stops the server by a signal.
func (p *process) end(signal os.Signal) error {
	err := p.cmd.Process.Signal(signal)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTime):
		err = errors.Join(err, p.cmd.Process.Kill())
		<-p.ended
		return err
	}
}

func (p *process) stop() error { return errors.Join(p.end(os.Interrupt), p.remove()) }

// output keeps the end of what a server says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > 64<<10 {
		o.text.Reset()
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
