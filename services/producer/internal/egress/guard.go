// Package egress keeps webhooks from going where the producer's network trusts it but its customers should not
// reach: private, loopback, link-local and other special addresses, and metadata services.
//
// A [Guard] makes the transport deliveries go through. It looks at the address a connection is about to be made
// to, after the name was resolved, so that a name which answers differently the second time (DNS rebinding)
// gains nothing. Operators allow what they need with an [AllowList].
//
// It judges addresses only: which URLs are well-formed is the endpoints' affair.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Refused is the error of a connection that was not made, and of an address that [Guard.CheckHost] refuses.
type Refused struct {
	Addr netip.Addr
	Rule string // what the address is, such as "loopback"
}

// Error names the address and what it is.
func (r *Refused) Error() string {
	return fmt.Sprintf("the address %s is %s and not in PRODUCER_ALLOW_PRIVATE_TARGETS", r.Addr, r.Rule)
}

// Guard decides where connections may go. It is safe for concurrent use.
type Guard struct {
	allow AllowList
	rules []rule
}

// NewGuard makes a guard that refuses every special address but the allowed ones.
func NewGuard(allow AllowList) *Guard { return &Guard{allow: allow, rules: rules()} }

// Check judges one resolved address; nil means that it may be connected to. The error is a [*Refused].
func (g *Guard) Check(addr netip.Addr, port uint16) error {
	inner := innermost(addr)
	for _, r := range g.rules {
		if r.prefix.Contains(inner) {
			if g.allow.addr(addr, port) {
				return nil
			}
			return &Refused{Addr: addr, Rule: r.name}
		}
	}
	return nil
}

// CheckHost judges the host of a URL before anything is sent. Names pass: what they resolve to is judged when
// a connection is made.
func (g *Guard) CheckHost(host string, port uint16) error {
	addr, err := netip.ParseAddr(host)
	if err != nil || g.allow.name(host, strconv.Itoa(int(port))) {
		return nil
	}
	return g.Check(addr, port)
}

// Limits of the transport. A connection that is idle for longer than most servers keep one is dropped here
// first, so that fewer attempts meet a connection that is just being closed.
const (
	dialTimeout       = 10 * time.Second
	idleTimeout       = 60 * time.Second
	idleTotal         = 1024 // all of them may be to one host: it may be sent as many at once
	maxResponseHeader = 64 << 10
)

// Transport makes a transport whose every connection the guard has judged. It takes no proxy from the
// environment: a proxy would resolve and connect out of the guard's sight.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext:            g.dial,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           idleTotal,
		MaxIdleConnsPerHost:    idleTotal,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
	}
}

func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !g.allow.name(host, port) {
		dialer.ControlContext = g.control
	}
	return dialer.DialContext(ctx, network, address)
}

// control runs for each resolved address, before its connection is made.
func (g *Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	place, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s %s: not an address", network, address)
	}
	return g.Check(place.Addr(), place.Port())
}
