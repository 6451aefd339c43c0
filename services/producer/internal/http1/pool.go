package http1

import (
	"sync"
	"time"
)

// net/http's own defaults.
const (
	defaultPerHost = 2
	maxKnown       = 4096 // HTTPS servers remembered; then it begins anew
)

// pool holds idle connections: by place, the latest last, and all of them in a list by age.
type pool struct {
	total   int           // 0: any number
	perHost int           //
	timeout time.Duration // 0: none

	mu             sync.Mutex
	idle           map[place][]*conn
	known          map[place]struct{} // HTTPS servers that speak HTTP/1.1
	count          int
	oldest, newest *conn
	sweeper        *time.Timer // runs while there are any
}

func (p *pool) init(total, perHost int, timeout time.Duration) {
	if perHost <= 0 {
		perHost = defaultPerHost
	}
	p.total, p.perHost, p.timeout = total, perHost, timeout
	p.idle, p.known = map[place][]*conn{}, map[place]struct{}{}
}

func (p *pool) speaks(to place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, yes := p.known[to]
	return yes
}

func (p *pool) learn(to place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[to] = struct{}{}
}

func (p *pool) forget(to place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, to)
}

// take removes the connection to a place that was used last; nil: there is none.
func (p *pool) take(to place) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	stack := p.idle[to]
	if len(stack) == 0 {
		return nil
	}
	c := stack[len(stack)-1]
	p.remove(c, len(stack)-1)
	return c
}

// maxAge is for how long a connection is used. A name is looked up again after that, so that servers which have come to it
// get their part; the ones that are busiest would otherwise be kept for ever.
const maxAge = 20 * time.Second

// put keeps a connection for later, if need be in place of the oldest. False: there are enough to its place, or it is old.
func (p *pool) put(c *conn) bool {
	if time.Since(c.born) >= maxAge {
		return false
	}
	p.mu.Lock()
	stack := p.idle[c.to]
	if len(stack) >= p.perHost {
		p.mu.Unlock()
		return false
	}
	var gone *conn
	if p.total > 0 && p.count >= p.total {
		gone = p.oldest
		p.remove(gone, 0)
		stack = p.idle[c.to]
	}
	p.idle[c.to] = append(stack, c)
	p.count++
	c.since, c.older = time.Now(), p.newest
	if p.newest != nil {
		p.newest.newer = c
	} else {
		p.oldest = c
	}
	p.newest = c
	if p.sweeper == nil && p.timeout > 0 {
		p.sweeper = time.AfterFunc(p.timeout, p.sweep)
	}
	p.mu.Unlock()
	if gone != nil {
		gone.close()
	}
	return true
}

// remove takes the connection out that stands at an index of its place's. The oldest of all stands at 0.
func (p *pool) remove(c *conn, index int) {
	stack := p.idle[c.to]
	copy(stack[index:], stack[index+1:])
	stack[len(stack)-1] = nil
	if len(stack) > 1 {
		p.idle[c.to] = stack[:len(stack)-1]
	} else {
		delete(p.idle, c.to)
	}
	p.count--
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.newest = c.older
	}
	c.older, c.newer = nil, nil
}

// sweep closes what has been idle for too long, and comes again while anything is left.
func (p *pool) sweep() {
	p.mu.Lock()
	now := time.Now()
	var gone []*conn
	for p.oldest != nil && now.Sub(p.oldest.since) >= p.timeout {
		gone = append(gone, p.oldest)
		p.remove(p.oldest, 0)
	}
	p.sweeper = nil
	if p.oldest != nil {
		p.sweeper = time.AfterFunc(p.oldest.since.Add(p.timeout).Sub(now), p.sweep)
	}
	p.mu.Unlock()
	for _, c := range gone {
		c.close()
	}
}

func (p *pool) closeAll() {
	p.mu.Lock()
	var gone []*conn
	for p.oldest != nil {
		gone = append(gone, p.oldest)
		p.remove(p.oldest, 0)
	}
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
	p.mu.Unlock()
	for _, c := range gone {
		c.close()
	}
}
