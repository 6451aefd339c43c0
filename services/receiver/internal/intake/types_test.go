package intake_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"example.com/signet/services/receiver/internal/event"
	"example.com/signet/services/receiver/internal/intake"
)

// counting is a router that counts how often it is asked.
type counting struct {
	mu    sync.Mutex
	asked map[string]int
}

func (c *counting) Targets(eventType string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[eventType]++
	return []string{"handler:" + eventType}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	router := &counting{asked: map[string]int{}}
	route := intake.NewTypes(router)
	for range 3 {
		for stated, want := range map[string]string{"a.b": "a.b", event.Unknown: event.Unknown, "a\nb": event.Unknown, strings.Repeat("x", 300): event.Unknown} {
			kept, targets, ok := route(stated)
			if kept != want || ok != (stated == want) || !slices.Equal(targets, []string{"handler:" + want}) {
				t.Errorf("%.20q goes as %q to %q, %t", stated, kept, targets, ok)
			}
		}
	}
	if n := router.asked["a.b"]; n != 1 {
		t.Errorf("the router was asked %d times about one type", n)
	}
}

// TestTypes_bounded: senders can make types without end, and each still goes its own way.
func TestTypes_bounded(t *testing.T) {
	t.Parallel()
	router := &counting{asked: map[string]int{}}
	route := intake.NewTypes(router)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 2 * intake.MaxTypes {
				stated := fmt.Sprint("type", n)
				if kept, targets, ok := route(stated); kept != stated || !ok || targets[0] != "handler:"+stated {
					t.Errorf("%s goes as %s to %s", stated, kept, targets)
				}
			}
		})
	}
	group.Wait()
	forgotten := 0
	for n := range 2 * intake.MaxTypes {
		stated := fmt.Sprint("type", n)
		before := router.asked[stated]
		route(stated)
		forgotten += router.asked[stated] - before
	}
	if forgotten != intake.MaxTypes {
		t.Errorf("%d types are not remembered, want %d", forgotten, intake.MaxTypes)
	}
}

func TestTypes_ownMemory(t *testing.T) {
	t.Parallel()
	route := intake.NewTypes(&counting{asked: map[string]int{}})
	request := []byte("aaaa")
	stated := unsafe.String(&request[0], len(request))
	first, _, _ := route(stated)
	copy(request, "bbbb") // as the next request does
	again, _, _ := route("aaaa")
	other, targets, _ := route(stated)
	if first != "aaaa" || again != "aaaa" || other != "bbbb" || targets[0] != "handler:bbbb" {
		t.Errorf("%q, %q, %q to %q", first, again, other, targets)
	}
}
