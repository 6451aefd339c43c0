package relay

import "sync"

// maxTexts bounds how many statements are remembered.
const maxTexts = 512

// texts remembers what was found out about statements by their text: they are few, and each comes again and again. When
// there are too many, as with values written into their text, all of them are forgotten.
type texts[T any] struct {
	mu    sync.RWMutex
	known map[string]T
}

// get finds what is known of a statement, or finds it out.
func (c *texts[T]) get(query string, find func(string) T) T {
	c.mu.RLock()
	v, ok := c.known[query]
	c.mu.RUnlock()
	if ok {
		return v
	}
	v = find(query)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxTexts {
		c.known = map[string]T{}
	}
	c.known[query] = v
	return v
}

// dialect turns statements into PostgreSQL's and looks at those of foreign code, once for each.
type dialect struct {
	translated      texts[string]
	read, mayChange texts[error]
}

func (d *dialect) translate(query string) string { return d.translated.get(query, toPostgres) }

func (d *dialect) guard(query string, readOnly bool) error {
	known := &d.mayChange
	if readOnly {
		known = &d.read
	}
	return known.get(query, func(query string) error { return guardForeign(query, readOnly) })
}
