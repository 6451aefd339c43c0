package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

// crashConfig is the store that the children of TestStore_SurvivesSIGKILL share, one after another.
func crashConfig(url string) relay.Config {
	return relay.Config{
		URL: url, Migrations: []relay.Migrations{ledger},
		Schedule: relay.Schedule{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, EffectTimeout: 5 * time.Second, Lease: time.Second,
	}
}

// crashChild appends and applies effects until it is killed. It prints a key after its append is acknowledged.
func crashChild(url string) {
	s, err := relay.Open(context.Background(), crashConfig(url))
	if err == nil {
		err = s.PutTarget(context.Background(), relay.Target{ID: "a"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d := relay.NewDispatcher(s, relay.DispatcherConfig{Resolver: runners{"a": relay.Effect(counting)}})
	d.Start()
	var out sync.Mutex
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				_, err := s.Append(context.Background(), relay.Draft{Source: "s", Type: "t", DedupeKey: key, Body: []byte(key), Targets: []string{"a"}})
				out.Lock()
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
				} else {
					fmt.Println(key)
				}
				out.Unlock()
			}
		}()
	}
	select {}
}

// TestStore_SurvivesSIGKILL kills a process in the middle of appends and effects, again and again: what it
// acknowledged is there once, and took effect once.
func TestStore_SurvivesSIGKILL(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		url := e.url(t)
		rounds := 6
		if testing.Short() {
			rounds = 2
		}
		acknowledged := map[string]bool{}
		// On a machine that is busy with something else, one kill may find little: then there are more of them.
		for round := 0; round < rounds || len(acknowledged) < 100 && round < 5*rounds; round++ {
			for _, key := range killedChild(t, url) {
				acknowledged[key] = true
			}
		}
		f := &fixture{t: t, engine: e, clock: newClock(), cfg: crashConfig(url)}
		f.reopen()
		t.Cleanup(func() { _ = f.Close() })
		t.Logf("%d acknowledged; the last kill left %d attempts running", len(acknowledged), f.Recovered())
		if len(acknowledged) < 100 {
			t.Errorf("%d appends were acknowledged: this test proved nothing", len(acknowledged))
		}
		f.dispatch(runners{"a": relay.Effect(counting)})
		eventually(t, "everything is delivered", func() bool {
			return f.number(`SELECT count(*) FROM deliveries WHERE state <> 'delivered'`) == 0
		})
		for key := range acknowledged {
			if n := f.count(key); n != 1 {
				t.Errorf("%s was acknowledged and took effect %d times", key, n)
			}
		}
		if n := f.number(`SELECT count(*) FROM counters WHERE n <> 1`); n != 0 {
			t.Errorf("%d effects were applied more than once", n)
		}
		if m, e := f.number(`SELECT count(*) FROM messages`), f.number(`SELECT count(*) FROM counters`); m != e {
			t.Errorf("%d messages and %d effects", m, e)
		}
		f.balanced()
	})
}

// killedChild runs a child for a random time after its first acknowledged append, kills it, and returns what
// it had acknowledged.
func killedChild(t *testing.T, url string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "RELAY_CRASH_URL="+url)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if len(keys) == 0 {
			time.AfterFunc(time.Duration(20+rand.IntN(180))*time.Millisecond, func() {
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			})
		}
		keys = append(keys, lines.Text())
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
	return keys
}
