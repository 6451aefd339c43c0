package relay

import (
	"context"
	"time"
)

const (
	// The table's own order serves this.
	selectKeysFrom = `SELECT source, key FROM dedupe_keys WHERE (source, key) > (?, ?) ORDER BY source, key LIMIT ?`
	filterPage     = 4096 // keys read at once
	filterShare    = 4    // reading them takes one part in so many of a processor
	filterRetry    = time.Second
)

// keepFilter fills the filter with what is stored, as often as it asks for that, until ctx ends. What goes wrong costs
// nothing but the filter, and is tried again.
func (e *sqliteEngine) keepFilter(ctx context.Context, j *journal, appending *crowd) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.filter.again:
		}
		for {
			b, err := e.readKeys(ctx, j, appending)
			if err == nil {
				j.filter.before.Store(b)
				break
			}
			if pause(ctx, filterRetry) != nil {
				return
			}
		}
	}
}

// readKeys makes a filter of all keys that are stored. A million take about one and a half seconds of a processor.
func (e *sqliteEngine) readKeys(ctx context.Context, j *journal, appending *crowd) (*bloom, error) {
	b, source, key := &bloom{}, "", ""
	for n := filterPage; n == filterPage && !b.full; {
		began := time.Now()
		rows, err := e.forCallers.QueryContext(ctx, selectKeysFrom, source, key, filterPage)
		if err != nil {
			return nil, err
		}
		n = 0
		_, err = collect(rows, func(row scanner) (struct{}, error) {
			n++
			err := row.Scan(&source, &key)
			b.add(j.hash(source, key))
			return struct{}{}, err
		})
		if err != nil {
			return nil, err
		}
		if n == filterPage && appending.left(time.Now()) > 0 {
			if err := pause(ctx, (filterShare-1)*time.Since(began)); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}
