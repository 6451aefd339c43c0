package relay_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

var outageTime = flag.Duration("outage", 5*time.Second, "how long TestPostgres_AwayUnderLoad keeps the server away")

// TestPostgres_AwayUnderLoad stops the server under load, in either way, and makes it unreachable for a while. Appends
// are refused meanwhile in bounded time; none that was acknowledged is lost, none is there twice, every effect takes
// place once, and all is delivered soon after the server is back.
func TestPostgres_AwayUnderLoad(t *testing.T) {
	t.Parallel()
	server := relaytest.PrivateServer(t)
	w, through := throughWire(t, server.URL)
	f := newFixture(t, postgres, server.URL, live, func(c *relay.Config) {
		c.URL, c.EffectTimeout = through, 500*time.Millisecond
	})
	f.quiet = true
	f.reopen()
	defer f.Close()
	f.target("effect", "remote")
	l := f.load(16, "effect", "remote")
	defer l.stop()
	defer f.run(runners{"effect": relay.Effect(counting), "remote": answer(relay.Delivered(""))})()
	for _, outage := range []struct {
		name       string
		begin, end func()
	}{
		{"stopped", server.Stop, server.Start},
		{"crashed", server.Crash, server.Start},
		{"unreachable", func() { w.cut(true) }, w.up},
		{"silent", func() { w.silent.Store(true) }, func() { w.silent.Store(false); w.cut(false) }},
	} {
		l.more(100)
		refused := l.refused.Load()
		outage.begin()
		over := time.After(*outageTime)
		if err := l.fails(); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("%s: %v", outage.name, err)
		}
		eventually(t, "Ping tells", func() bool { return errors.Is(f.Ping(t.Context()), relay.ErrUnavailable) })
		accepted := l.accepted.Load()
		<-over // the time that this is about
		if n := l.accepted.Load() - accepted; n != 0 {
			t.Errorf("%s: %d appends were accepted meanwhile", outage.name, n)
		}
		outage.end()
		began := time.Now()
		l.more(100)
		t.Logf("%s: for %v, %d appends refused; accepting again after %v", outage.name, *outageTime, l.refused.Load()-refused, time.Since(began).Round(time.Millisecond))
	}
	l.stop()
	l.complete()
	l.settled()
	if slowest := time.Duration(l.slowest.Load()); slowest > 20*time.Second {
		t.Errorf("an append took %v", slowest)
	}
	t.Logf("%d appends accepted, %d refused, the slowest took %v", l.accepted.Load(), l.refused.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond))
}
