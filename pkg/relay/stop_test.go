package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// inRemote is the point at which a worker is in the middle of a call.
const inRemote = "in the remote target"

// workerConfig is a store whose leases run out soon. idle is after how long the server ends a transaction that says
// nothing.
func workerConfig(url string, idle time.Duration) relay.Config {
	cfg := relay.Config{URL: url}
	live(&cfg)
	cfg.Lease, cfg.EffectTimeout, cfg.AppendWait = time.Second, idle/2, idle/2
	relay.ShortLease(&cfg) // the server leaves a stopped process its transaction for longer than its lease
	return cfg
}

// workerRunners are targets whose effects tell who made them.
func workerRunners(who string, remote func()) runners {
	return runners{
		"effect": relay.Effect(func(ctx context.Context, tx relay.Tx, _ relay.Job) relay.Outcome {
			if _, err := tx.Exec(ctx, increment, who); err != nil {
				return relay.Retry(err)
			}
			return relay.Delivered(who)
		}),
		"remote": relay.Remote(func(context.Context, relay.Job) relay.Outcome {
			remote()
			return relay.Delivered(who)
		}),
	}
}

// workerChild delivers, and stops itself when it first comes to a point. It tells what became of its work.
func workerChild() error {
	idle, err := time.ParseDuration(os.Getenv("RELAY_CHILD_IDLE"))
	if err != nil {
		return err
	}
	var stopped atomic.Bool
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	stopAt := func(point string) {
		if point == os.Getenv("RELAY_CHILD_POINT") && stopped.CompareAndSwap(false, true) {
			say("stopping")
			if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
				panic(err)
			}
			<-resumed // another thread may have got the signal, and this one goes on for a moment
			say("resumed")
		}
	}
	s, err := relay.Open(context.Background(), relay.WithPoints(workerConfig(os.Getenv("RELAY_CHILD_URL"), idle), stopAt))
	if err != nil {
		return err
	}
	relay.NewDispatcher(s, relay.DispatcherConfig{
		Resolver: workerRunners("child", func() { stopAt(inRemote) }), Poll: 50 * time.Millisecond,
		Log:     func(what string, err error) { say("fault", what, strings.ReplaceAll(err.Error(), "\n", " ")) },
		Observe: func(o relay.Observation) { say("observed", o.State, o.Job.Delivery.Attempts) },
	}).Start()
	select {}
}

// worker is a child that delivers.
type worker struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

func startWorker(t *testing.T, url, point string, idle time.Duration) *worker {
	t.Helper()
	w := &worker{t: t, cmd: child(t, "worker", "RELAY_CHILD_URL="+url, "RELAY_CHILD_POINT="+point, "RELAY_CHILD_IDLE="+idle.String()), lines: make(chan string, 1024)}
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(w.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { w.kill(); <-ended })
	return w
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill() // it may have ended
	_ = w.cmd.Wait()
}

// says waits until the child says something that begins so.
func (w *worker) says(beginning string) string {
	w.t.Helper()
	patience := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("the child ended without saying %q", beginning)
			}
			if strings.HasPrefix(line, beginning) {
				return line
			}
		case <-patience:
			w.t.Fatalf("the child did not say %q", beginning)
		}
	}
}

// stops waits until the child has stopped itself.
func (w *worker) stops() {
	w.t.Helper()
	w.says("stopping")
	eventually(w.t, "the child has stopped", func() bool { return processState(w.t, w.cmd.Process.Pid) == "T" })
}

func (w *worker) resume() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		w.t.Fatal(err)
	}
	w.says("resumed")
}

// processState is the letter that Linux has for it: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func processState(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1]
}

// TestPostgres_StoppedWorkerIsRefused stops a process in the middle of its work for longer than its lease, and resumes
// it after another one has done that work: the late outcome is refused, and the late effect rolled back.
func TestPostgres_StoppedWorkerIsRefused(t *testing.T) {
	t.Parallel()
	const long, short = time.Minute, time.Second
	for name, tt := range map[string]struct {
		point, target string
		idle          time.Duration
		told          string
	}{
		"with an effect claimed":               {"after the commit of a claim", "effect", long, "lease lost"},
		"with an effect in its transaction":    {"after an effect, before its commit", "effect", long, "lease lost"},
		"in a transaction the server ends":     {"after an effect, before its commit", "effect", short, ""},
		"before the commit of its outcome":     {"before the commit of an outcome", "effect", short, ""},
		"in the middle of a call":              {inRemote, "remote", long, "lease lost"},
		"before the commit of a call's answer": {"before the commit of an outcome", "remote", short, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, postgres, relaytest.Postgres(t))
			f.cfg, f.quiet = workerConfig(f.cfg.URL, tt.idle), true
			f.reopen()
			t.Cleanup(func() { _ = f.Close() })
			f.target("effect", "remote")
			id := f.append(relay.Draft{Targets: []string{tt.target}}).ID
			w := startWorker(t, f.cfg.URL, tt.point, tt.idle)
			w.stops()
			seen := f.dispatch(workerRunners("test", func() {}))
			o := next(t, seen)
			if o.State != relay.Done || o.Outcome.Detail != "test" || o.Job.Delivery.Attempts < 2 {
				t.Errorf("taken over: %+v", o)
			}
			w.resume()
			if line := w.says("fault"); !strings.Contains(line, tt.told) {
				t.Errorf("the late holder was told %q", line)
			}
			if mine, late := f.count("test"), f.count("child"); late != 0 || tt.target == "effect" && mine != 1 {
				t.Errorf("the effect is there %d times from the one who took over and %d times from the late one", mine, late)
			}
			d, attempts, err := f.Delivery(t.Context(), f.only(id).ID)
			if err != nil || d.State != relay.Done || d.Attempts != o.Job.Delivery.Attempts || len(attempts) != d.Attempts {
				t.Errorf("%+v with %+v: %v", d, attempts, err)
			}
			f.balanced()
		})
	}
}

// TestSQLite_StoppedProcessGoesOn: the only owner of the file is stopped for longer than its lease. Whatever it was in
// the middle of is done once when it is resumed, even if it takes its own lease for lost.
func TestSQLite_StoppedProcessGoesOn(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after the commit of a claim", "after an effect, before its commit", "before the commit of an outcome", inRemote} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			const idle = time.Minute
			f := newFixture(t, sqlite, sqlite.url(t))
			f.cfg = workerConfig(f.cfg.URL, idle)
			f.reopen()
			f.target("effect", "remote")
			target := "effect"
			if point == inRemote {
				target = "remote"
			}
			id := f.append(relay.Draft{Targets: []string{target}}).ID
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			w := startWorker(t, f.cfg.URL, point, idle)
			w.stops()
			<-time.After(f.cfg.Lease * 3 / 2) // the time that this is about
			w.resume()
			w.says("observed " + string(relay.Done))
			w.kill()
			f.reopen()
			defer f.Close()
			if n := f.count("child"); target == "effect" && n != 1 {
				t.Errorf("the effect is there %d times", n)
			}
			if d := f.only(id); d.State != relay.Done {
				t.Errorf("%+v", d)
			}
			f.balanced()
		})
	}
}

// TestSQLite_StoppedUnderLoad stops a process that has much to do, at any moment, and resumes it.
func TestSQLite_StoppedUnderLoad(t *testing.T) {
	t.Parallel()
	w := &wreck{t: t, url: sqlite.url(t), engine: sqlite, answered: map[string]map[string]string{}, called: map[string]bool{}, kills: map[string]int{}}
	done, stops := 0, 0
	w.lives = append(w.lives, w.live("stopped", nil, func(cmd *exec.Cmd, line string) {
		if !strings.HasPrefix(line, "done") {
			return
		}
		signals := []syscall.Signal{syscall.SIGKILL}
		if done++; done%100 != 0 {
			return
		}
		if stops < 3 {
			stops++
			signals = []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT}
		}
		for _, signal := range signals {
			if err := cmd.Process.Signal(signal); err != nil {
				t.Error(err)
			}
			if signal == syscall.SIGSTOP {
				<-time.After(crashLease * 5 / 4) // longer than a lease
			}
		}
	}))
	w.inspect()
	w.recount()
}
