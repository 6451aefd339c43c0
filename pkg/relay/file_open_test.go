package relay_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// crashed is the files that a killed process left, and what it had acknowledged.
type crashed struct {
	w     *wreck
	life  *life
	path  string
	files map[string][]byte // by the ending of their name
}

func crash(t *testing.T) *crashed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crashed.db")
	w := &wreck{t: t, url: "sqlite:" + path, engine: sqlite, answered: map[string]map[string]string{}, called: map[string]bool{}, kills: map[string]int{}}
	w.killAt("life", "after the commit of an append, before its answer", 50) // by then some were answered
	c := &crashed{w: w, life: w.lives[0], path: path, files: map[string][]byte{}}
	for _, ending := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(path + ending)
		if err != nil {
			t.Fatal(err)
		}
		c.files[ending] = content
	}
	return c
}

// restore puts the files back as they were, with changes.
func (c *crashed) restore(changes map[string][]byte) {
	c.w.t.Helper()
	files := maps.Clone(c.files)
	maps.Copy(files, changes)
	for ending, content := range files {
		var err error
		if content == nil {
			err = os.RemoveAll(c.path + ending)
		} else {
			err = os.WriteFile(c.path+ending, content, 0o600)
		}
		if err != nil {
			c.w.t.Fatal(err)
		}
	}
}

// frames is the log up to its n-th frame.
func (c *crashed) frames(n int) []byte { return bytes.Clone(c.files["-wal"][:32+n*(24+4096)]) }

// flipped is a file of which one byte is another.
func flipped(content []byte, at int) []byte {
	changed := bytes.Clone(content)
	changed[at] ^= 0x40
	return changed
}

// TestOpen_OfADamagedLog: what a killed process may leave is taken up; a log that has lost what was committed is
// refused, and nothing is done to it.
func TestOpen_OfADamagedLog(t *testing.T) {
	t.Parallel()
	c := crash(t)
	wal := c.files["-wal"]
	all := (len(wal) - 32) / (24 + 4096)
	if all < 20 || len(c.life.answered) == 0 {
		t.Fatalf("%d frames and %d messages: this proves nothing", all, len(c.life.answered))
	}
	for name, tt := range map[string]struct {
		changes map[string][]byte
		refused bool
	}{
		"as it was":                          {nil, false},
		"without its index":                  {map[string][]byte{"-shm": nil}, false},
		"a write that was cut off":           {map[string][]byte{"-wal": append(bytes.Clone(wal), wal[32:32+3000]...)}, false},
		"an index cut off":                   {map[string][]byte{"-shm": c.files["-shm"][:40]}, false},
		"truncated":                          {map[string][]byte{"-wal": wal[:len(wal)*6/10]}, true},
		"truncated between frames":           {map[string][]byte{"-wal": c.frames(all / 2)}, true},
		"empty":                              {map[string][]byte{"-wal": {}}, true},
		"gone":                               {map[string][]byte{"-wal": nil}, true},
		"a frame changed":                    {map[string][]byte{"-wal": flipped(wal, len(wal)/2)}, true},
		"a frame changed, without its index": {map[string][]byte{"-wal": flipped(wal, len(wal)/2), "-shm": nil}, true},
		"the last frame changed":             {map[string][]byte{"-wal": flipped(wal, len(wal)-100)}, true},
		"the header changed":                 {map[string][]byte{"-wal": flipped(wal, 14)}, true},
		"the header is another":              {map[string][]byte{"-wal": flipped(wal, 1)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.restore(tt.changes)
			s, err := relay.Open(t.Context(), crashConfig(c.w.url))
			if err == nil {
				c.complete(t, s)
			}
			if refused := err != nil; refused != tt.refused {
				t.Fatalf("opened with %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), c.path+"-wal is damaged") {
				t.Errorf("the error does not tell: %v", err)
			}
			if left, readErr := os.ReadFile(c.path + "-wal"); err != nil && (readErr != nil && tt.changes["-wal"] != nil || !bytes.Equal(left, tt.changes["-wal"])) {
				t.Error("what was refused has been changed:", readErr)
			}
		})
	}
	c.restore(nil)
	c.w.inspect()
}

// complete finds everything that was acknowledged, and closes the store.
func (c *crashed) complete(t *testing.T, s *relay.Store) {
	t.Helper()
	f := &fixture{Store: s, t: t}
	found := map[string]bool{}
	f.each(`SELECT id FROM messages`, func(id string) { found[id] = true })
	for key, id := range c.life.answered {
		if !found[id] {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpen_OfAForeignFile: what is not ours is refused, named, and left as it is.
func TestOpen_OfAForeignFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(t *testing.T, path string)
		says string
	}{
		"text": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("this is not a database\n"), 500), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		"another application's": {func(t *testing.T, path string) {
			foreign(t, path, `CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('https://example.com')`)
		}, "another application's"},
		"another application's with migrations": {func(t *testing.T, path string) {
			foreign(t, path, `CREATE TABLE schema_migrations (version INTEGER); CREATE TABLE messages (id TEXT)`)
		}, "another application's"},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "foreign.db")
			tt.make(t, path)
			before, _ := os.ReadFile(path) // of a folder: nothing
			s, err := relay.Open(t.Context(), relay.Config{URL: "sqlite:" + path})
			if err == nil {
				t.Fatal("it was opened", s.Close())
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error does not tell: %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func foreign(t *testing.T, path, script string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpen_OfWhatCannotBeWritten names what it is that cannot be written, and opens when it can.
func TestOpen_OfWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := open(t, sqlite)
	id := f.append(relay.Draft{}).ID
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(f.cfg.URL, "sqlite:")
	for name, fixed := range map[string][]string{
		"a file": {path}, "its folder": {filepath.Dir(path)},
	} {
		began := time.Now()
		if name == "its folder" { // a lock that exists needs no folder
			if err := os.Remove(path + ".lock"); err != nil {
				t.Fatal(err)
			}
		}
		undo := relaytest.Immutable(t, fixed...)
		s, err := relay.Open(t.Context(), f.cfg)
		undo()
		if err == nil {
			t.Errorf("%s: it was opened; %v", name, s.Close())
		} else if !strings.Contains(err.Error(), path) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: after %v the error does not tell: %v", name, time.Since(began), err)
		}
		f.reopen()
		if m := must(f.Message(t.Context(), id))(t); m.ID != id {
			t.Errorf("%s: %+v", name, m)
		}
		if err := f.Close(); err != nil {
			t.Error(fmt.Sprint(name, ": ", err))
		}
	}
}
