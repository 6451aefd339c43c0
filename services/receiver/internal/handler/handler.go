package handler

import (
	"fmt"
	"strings"

	"example.com/signet/pkg/relay"
)

// targetPrefix sets the targets that are handlers apart from those that are not.
const targetPrefix = "handler:"

// Handler is one thing to do with the events of some types.
type Handler struct {
	Name     string           // unique; "handler:" and this is the target its deliveries go to
	Pattern  string           // which types it takes, see Match
	Fallback bool             // takes only what no other handler takes
	Apply    relay.EffectFunc // applies one event

	// ApplyAll, where there is one, applies several events with fewer statements, and takes the place of Apply.
	ApplyAll relay.EffectsFunc
}

// runner is how the dispatcher runs the handler.
func (h Handler) runner() relay.Runner {
	if h.ApplyAll != nil {
		return relay.Effects(h.ApplyAll)
	}
	return relay.Effect(h.Apply)
}

// Target is the id of the handler's deliveries' target.
func (h Handler) Target() string { return targetPrefix + h.Name }

// Match reports whether a pattern takes an event type. "*" takes every type, "order.*" every type that begins
// with "order." and goes on after it, and any other pattern exactly itself.
func Match(pattern, eventType string) bool {
	if pattern == "*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(eventType) > len(prefix) && strings.HasPrefix(eventType, prefix)
	}
	return pattern == eventType
}

// ValidPattern reports whether a pattern is one that Match knows: a star stands alone or after a dot, at the
// end.
func ValidPattern(pattern string) bool {
	star := strings.IndexByte(pattern, '*')
	switch {
	case pattern == "" || pattern == "*":
		return pattern == "*"
	case star < 0:
		return true
	}
	return star == len(pattern)-1 && len(pattern) > 2 && strings.HasSuffix(pattern, ".*")
}

// Router knows which handlers take an event, and runs them for the dispatcher. It never changes and is safe for
// concurrent use.
type Router struct {
	specific  []Handler
	fallbacks []Handler
	runners   map[string]relay.Runner
	targets   []string
}

// NewRouter makes a router. Names must be unique and patterns valid.
func NewRouter(handlers []Handler) (*Router, error) {
	r := &Router{runners: make(map[string]relay.Runner, len(handlers))}
	for _, h := range handlers {
		if !ValidPattern(h.Pattern) {
			return nil, fmt.Errorf("handler %s: pattern %q is neither a type, nor *, nor a prefix that ends in .*", h.Name, h.Pattern)
		}
		if _, taken := r.runners[h.Target()]; taken {
			return nil, fmt.Errorf("handler %s is registered twice", h.Name)
		}
		r.runners[h.Target()] = h.runner()
		r.targets = append(r.targets, h.Target())
		if h.Fallback {
			r.fallbacks = append(r.fallbacks, h)
		} else {
			r.specific = append(r.specific, h)
		}
	}
	return r, nil
}

// Targets returns where an event of this type goes: every handler whose pattern takes it, or else the
// fallbacks.
func (r *Router) Targets(eventType string) []string {
	targets := matching(r.specific, eventType)
	if len(targets) == 0 {
		targets = matching(r.fallbacks, eventType)
	}
	return targets
}

func matching(handlers []Handler, eventType string) []string {
	var targets []string
	for _, h := range handlers {
		if Match(h.Pattern, eventType) {
			targets = append(targets, h.Target())
		}
	}
	return targets
}

// All returns every target, in the order of registration.
func (r *Router) All() []string { return r.targets }

// Resolve finds the runner of a target, for the dispatcher.
func (r *Router) Resolve(targetID string) (relay.Runner, bool) {
	runner, ok := r.runners[targetID]
	return runner, ok
}
