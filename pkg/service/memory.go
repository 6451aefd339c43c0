package service

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// How much memory is traded for less garbage collection. A service that takes in webhooks keeps little and discards much:
// with Go's default it would collect a heap of a few megabytes dozens of times a second.
const (
	heapGrowth   = 400      // per cent of what lives by which the heap may grow before it is collected
	heapAllowed  = 40 << 20 // bytes; a larger heap is collected at twice what lives, as by default
	heapInterval = time.Second
)

// TuneMemory lets the heap grow further between two collections than Go's default, while it is small, until stop is
// called. An operator's own GOGC or GOMEMLIMIT stands: then it does nothing. https://pkg.go.dev/runtime#hdr-Environment_Variables
func TuneMemory() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { tuneMemory(ctx) })
	return func() { cancel(); running.Wait() }
}

func tuneMemory(ctx context.Context) {
	defer debug.SetGCPercent(debug.SetGCPercent(heapGrowth))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(heapAllowed))
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(heapInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			metrics.Read(live)
			debug.SetMemoryLimit(memoryLimit(live[0].Value.Uint64()))
		}
	}
}

// memoryLimit keeps a heap below heapAllowed as long as a little less than half of that lives, and lets a larger one double.
func memoryLimit(live uint64) int64 { return max(heapAllowed, int64(2*live)+heapAllowed/8) }
