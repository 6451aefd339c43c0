package relay_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
)

var crashKills = flag.Int("crash.kills", 15, "how often TestStore_SurvivesSIGKILL kills a process, on each engine")

// TestStore_SurvivesSIGKILL kills a process in the middle of its work again and again, at every point of it and at
// random moments, and looks at what each one left: what was acknowledged is there once, what was not is there once when
// its sender asks again, no effect took place twice, everything comes to its end, and the totals are right. Now and
// then the next process dies too, while it recovers.
func TestStore_SurvivesSIGKILL(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		w := &wreck{t: t, url: e.url(t), engine: e, answered: map[string]map[string]string{}, called: map[string]bool{}, kills: map[string]int{}}
		kills := *crashKills
		if testing.Short() {
			kills = len(relay.Points(e.journals()))
		}
		for i := range kills {
			w.kill(fmt.Sprintf("life-%d", i), pointOf(i, e))
			if i%4 == 3 {
				w.killEarly(fmt.Sprintf("life-%d-early", i))
			}
			w.inspect()
		}
		w.recount()
		t.Log(w.report())
	})
}

// pointOf is where the i-th child dies; empty: at a random moment. Each point comes up before the first of those.
func pointOf(i int, e engine) string {
	points := relay.Points(e.journals())
	switch {
	case i < len(points):
		return points[i]
	case i%3 == 0:
		return points[rand.IntN(len(points))]
	}
	return ""
}

// diesWithin is how long a child may take to come to the point at which it dies.
const diesWithin = time.Minute

const (
	anyMoment = "at a random moment"
	recovers  = "while it recovers or begins"
)

// life is one child, and what it said before it died.
type life struct {
	name     string
	begun    map[string]bool   // keys whose append was begun
	answered map[string]string // keys whose append was acknowledged, and the message's id
	called   []string          // deliveries that reached the remote target
}

// kill lets a child work until it dies, at a point or, without one, some time after its first acknowledged append.
func (w *wreck) kill(name, point string) {
	w.t.Helper()
	visits := 100
	if strings.Contains(point, "rows") { // a thousand messages get them in one commit, while appends come first
		visits = 3
	}
	w.killAt(name, point, 1+rand.IntN(visits))
}

// killAt lets a child work until it dies at a visit of a point, the first being 1.
func (w *wreck) killAt(name, point string, visit int) {
	w.t.Helper()
	env := []string{"RELAY_CHILD_POINT=" + point, fmt.Sprint("RELAY_CHILD_VISIT=", visit)}
	die := func(*exec.Cmd, string) {}
	if point == "" {
		point, die = anyMoment, killAfter(w.t, "done", 5, 250)
	}
	l := w.live(name, env, die)
	w.kills[point]++
	w.lives = append(w.lives, l)
}

// killEarly starts a child on what the one before left, and kills it before or soon after that is cleared up.
func (w *wreck) killEarly(name string) {
	w.t.Helper()
	l := w.live(name, nil, killAfter(w.t, "opening", 0, 120))
	w.kills[recovers]++
	w.lives = append(w.lives, l)
}

// killAfter kills a child some milliseconds after it first says a word.
func killAfter(t *testing.T, word string, from, to int) func(*exec.Cmd, string) {
	said := false
	return func(cmd *exec.Cmd, line string) {
		if said || !strings.HasPrefix(line, word) {
			return
		}
		said = true
		time.AfterFunc(time.Duration(from+rand.IntN(to-from))*time.Millisecond, func() {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		})
	}
}

// live runs a child until it was killed. die is shown each line.
func (w *wreck) live(name string, env []string, die func(*exec.Cmd, string)) *life {
	w.t.Helper()
	cmd := child(w.t, "crash", append(env, "RELAY_CHILD_ENGINE="+string(w.engine), "RELAY_CHILD_URL="+w.url, "RELAY_CHILD_LIFE="+name)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	slow := time.AfterFunc(diesWithin, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // it tells where it stands
	defer slow.Stop()
	l := &life{name: name, begun: map[string]bool{}, answered: map[string]string{}}
	l.listen(w.t, stdout, func(line string) { die(cmd, line) })
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		w.t.Fatalf("%s %v ended by itself: %v\n%s", name, env, err, stderr.String())
	}
	return l
}

// child is this binary as a process of its own, which plays a role.
func child(t *testing.T, role string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), "RELAY_CHILD="+role), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// listen takes note of what a child says until it has ended.
func (l *life) listen(t *testing.T, from io.Reader, each func(string)) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		each(lines.Text())
		switch words := strings.Fields(lines.Text()); words[0] {
		case "begin":
			l.begun[words[1]] = true
		case "done":
			if id, ok := l.answered[words[1]]; ok && id != words[2] {
				t.Errorf("%s: %s was acknowledged as %s and as %s", l.name, words[1], id, words[2])
			}
			l.answered[words[1]] = words[2]
		case "called":
			l.called = append(l.called, words[1])
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}
