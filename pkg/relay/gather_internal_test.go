package relay

import "testing"

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
