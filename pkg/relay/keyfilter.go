package relay

import "sync/atomic"

// A Bloom filter (https://en.wikipedia.org/wiki/Bloom_filter) answers for nearly every dedupe key that is new that it is,
// without a look into the table of keys, which costs an append more than anything else, and reads from the disk once the
// table is large.
const (
	filterKeys   = 1 << 19 // of one part; a full one is followed by another
	filterBits   = 10      // for each key: of a hundred new ones about one is looked up in vain, for each part
	filterProbes = 7
	filterParts  = 24 // more keys than fit in so many are not filtered: a part takes 640 KiB
)

// bloom is a filter of hashes that are random numbers. Its zero value is empty.
type bloom struct {
	parts []bloomPart
	full  bool // it knows nothing any more: there were too many
}

type bloomPart struct {
	bits []uint64
	n    int
}

// add takes a hash in.
func (b *bloom) add(hash uint64) {
	if b.full {
		return
	}
	if n := len(b.parts); n == 0 || b.parts[n-1].n == filterKeys {
		if n == filterParts {
			*b = bloom{full: true}
			return
		}
		b.parts = append(b.parts, bloomPart{bits: make([]uint64, filterKeys*filterBits/64)})
	}
	p := &b.parts[len(b.parts)-1]
	p.n++
	probe, step := hash, hash>>32|1
	for range filterProbes {
		at := probe % (filterKeys * filterBits)
		p.bits[at/64] |= 1 << (at % 64)
		probe += step
	}
}

// has says whether a hash may have been taken in; false is certain.
func (b *bloom) has(hash uint64) bool {
	if b.full {
		return true
	}
	for i := range b.parts {
		if b.parts[i].has(hash) {
			return true
		}
	}
	return false
}

func (p *bloomPart) has(hash uint64) bool {
	probe, step := hash, hash>>32|1
	for range filterProbes {
		at := probe % (filterKeys * filterBits)
		if p.bits[at/64]&(1<<(at%64)) == 0 {
			return false
		}
		probe += step
	}
	return true
}

// keyFilter knows which keys may be stored. Only the writer's goroutine uses it, but for what says otherwise.
type keyFilter struct {
	own    bloom                 // keys that were stored since the others began to be read
	before atomic.Pointer[bloom] // the others; nil: they are still being read, by another goroutine
	again  chan struct{}         // has one: they are to be read
}

func newKeyFilter() *keyFilter {
	f := &keyFilter{again: make(chan struct{}, 1)}
	f.read()
	return f
}

// stored takes note of keys that are stored now. False: they are too many by now, and since the window of most of them may
// be over, all of them are to be read again; what is not in the table yet has to be added.
func (f *keyFilter) stored(hashes []uint64) bool {
	for _, h := range hashes {
		f.own.add(h)
	}
	if !f.own.full || f.before.Load() == nil {
		return true
	}
	f.before.Store(nil)
	f.own = bloom{}
	for _, h := range hashes {
		f.own.add(h)
	}
	return false
}

// read has the others read again.
func (f *keyFilter) read() { f.again <- struct{}{} }

// fresh says that a key is certainly not stored.
func (f *keyFilter) fresh(hash uint64) bool {
	before := f.before.Load()
	return before != nil && !before.has(hash) && !f.own.has(hash)
}
