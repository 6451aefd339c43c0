package config

import (
	"fmt"
	"slices"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
)

// Retention is how long what is over is kept.
type Retention struct {
	Delivered    time.Duration `env:"RECEIVER_RETENTION" envDefault:"720h"` // 0: for ever
	Failed       time.Duration `env:"RECEIVER_RETENTION_FAILED"`            // 0: until somebody retries or cancels it
	DedupeWindow time.Duration `env:"RECEIVER_DEDUPE_WINDOW"`               // 0: as long as Delivered
}

// Policy is the same for the engine.
func (r Retention) Policy() relay.RetentionPolicy {
	return relay.RetentionPolicy{Delivered: r.Delivered, Failed: r.Failed, Dedupe: r.DedupeWindow}
}

// check finds what is wrong, by variable. What could not be read (before) is compared with nothing.
func (r Retention) check(before service.Faults) (faults service.Faults) {
	add := func(variable, problem string) {
		faults = append(faults, service.Fault{Variable: variable, Problem: problem})
	}
	for _, f := range []struct {
		variable string
		d        time.Duration
	}{{"RECEIVER_RETENTION", r.Delivered}, {"RECEIVER_RETENTION_FAILED", r.Failed}, {"RECEIVER_DEDUPE_WINDOW", r.DedupeWindow}} {
		if f.d < 0 {
			add(f.variable, "must be a duration such as 720h, or 0")
		}
	}
	unread := slices.ContainsFunc(before, func(f service.Fault) bool { return f.Variable == "RECEIVER_RETENTION" })
	switch {
	case unread || r.DedupeWindow <= 0:
	case r.Delivered == 0:
		add("RECEIVER_DEDUPE_WINDOW", "means nothing while RECEIVER_RETENTION keeps everything for ever")
	case r.DedupeWindow < r.Delivered:
		add("RECEIVER_DEDUPE_WINDOW", fmt.Sprintf("must not be shorter than RECEIVER_RETENTION (%v)", r.Delivered))
	}
	return faults
}
