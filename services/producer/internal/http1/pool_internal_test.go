package http1

import (
	"testing"
	"time"
)

// TestPool_KeepsNoConnectionForEver: one that was used for long is not put back, however busy it is.
func TestPool_KeepsNoConnectionForEver(t *testing.T) {
	t.Parallel()
	var p pool
	p.init(10, 10, time.Minute)
	defer p.closeAll()
	to := place{scheme: "http", hostPort: "a:80"}
	young, old := &conn{to: to, born: time.Now()}, &conn{to: to, born: time.Now().Add(-maxAge)}
	if p.put(old) || p.take(to) != nil {
		t.Error("an old connection was kept")
	}
	if !p.put(young) || p.take(to) != young {
		t.Error("a young connection was not kept")
	}
}
