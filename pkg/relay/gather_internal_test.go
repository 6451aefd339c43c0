package relay

import (
	"math"
	"testing"
)

// TestWriter_gatherProcessing: effects of one row of the journal stay together, and a limit of one is no more than that.
func TestWriter_gatherProcessing(t *testing.T) {
	t.Parallel()
	first, second := &group{seq: 1}, &group{seq: 2}
	for name, tt := range map[string]struct {
		limit int
		want  []int // how many each time
	}{
		"room for all":           {limit: 16, want: []int{5}},
		"the next row is kept":   {limit: 4, want: []int{3, 2}},
		"no more than one":       {limit: 1, want: []int{1, 1, 1, 1, 1}},
		"a row that is too long": {limit: 2, want: []int{2, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &writer{processing: make(chan *op, 8)}
			for _, g := range []*group{first, first, first, second, second} {
				w.processing <- &op{group: g}
			}
			for i, want := range tt.want {
				if got := len(w.gatherProcessing(nil, tt.limit)); got != want {
					t.Fatalf("time %d: %d, want %d", i+1, got, want)
				}
			}
			if w.peeked != nil || len(w.processing) > 0 {
				t.Error("something is left")
			}
		})
	}
}

// TestWriter_gatherMessages: while what waits must not grow, a commit takes no more than so many messages, however many
// come in one operation; otherwise as many operations as there is room for.
func TestWriter_gatherMessages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		each, limit int
		want        int // operations
	}{
		"single messages":        {each: 1, limit: 4, want: 4},
		"batches":                {each: 3, limit: 4, want: 2},
		"a batch over the limit": {each: 100, limit: 4, want: 1},
		"no limit":               {each: 100, limit: math.MaxInt, want: 6},
		"other operations":       {each: 0, limit: 4, want: 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := make(chan *op, 8)
			for range 6 {
				queue <- &op{drafts: make([]*prepared, tt.each)}
			}
			if got := len(gatherMessages(nil, queue, tt.limit)); got != tt.want {
				t.Errorf("%d operations, want %d", got, tt.want)
			}
		})
	}
}
