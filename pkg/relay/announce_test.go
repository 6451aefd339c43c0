package relay_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"example.com/signet/pkg/relay"
)

// news is the type of what announces that a target is disabled.
const news = "target.disabled"

// announced makes the store refuse news while fault.on_completion is 3.
var announced = relay.Migrations{Name: "announced", Files: fstest.MapFS{
	"0001_refuse.sqlite.sql": {Data: []byte(`
CREATE TRIGGER refuse_news BEFORE INSERT ON messages WHEN NEW.type = 'target.disabled' AND (SELECT on_completion FROM fault) = 3
  BEGIN SELECT RAISE(FAIL, 'fault: no news'); END;
CREATE TRIGGER refuse_journal BEFORE INSERT ON journal WHEN (SELECT on_completion FROM fault) = 3
  BEGIN SELECT RAISE(FAIL, 'fault: no news'); END;`)},
	"0001_refuse.postgres.sql": {Data: []byte(`
CREATE FUNCTION refuse_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.type = 'target.disabled' AND (SELECT on_completion FROM fault) = 3 THEN RAISE 'fault: no news'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse_news BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse_news();`)},
}}

func withNews(c *relay.Config) { c.Migrations = append(c.Migrations, announced) }

// tell announces a change to the target "told".
func tell(c relay.TargetChange) []relay.Draft {
	return []relay.Draft{{
		Source: "news", Type: news, DedupeKey: c.TargetID + c.At.String(), Body: []byte(string(c.Event) + ": " + c.Reason), Targets: []string{"told"},
	}}
}

// disabledOnce fails the test unless the target is disabled and one message says so, which was delivered.
func (f *fixture) disabledOnce(change relay.TargetChange) {
	t := f.t
	t.Helper()
	if target := must(f.Target(t.Context(), change.TargetID))(t); target.Enabled || target.DisabledReason != change.Reason || change.Event != relay.TargetDisabled {
		t.Errorf("change %+v, target %+v", change, target)
	}
	var messages []relay.Message
	eventually(t, "the news is delivered", func() bool {
		messages, _, _ = f.Messages(t.Context(), relay.MessageFilter{Type: news}, relay.Page{})
		return len(messages) > 0 && messages[0].Deliveries[0].State == relay.Done
	})
	if len(messages) != 1 {
		t.Fatalf("told %d times", len(messages))
	}
	if m := must(f.Message(t.Context(), messages[0].ID))(t); string(m.Body) != "disabled: "+change.Reason || m.Deliveries[0].TargetID != "told" {
		t.Errorf("told %q: %+v", m.Body, m.Deliveries)
	}
	f.balanced()
}

// TestDispatcher_AnnouncesWhatItDisables once, in whichever way it comes to that, however many outcomes ask for it.
func TestDispatcher_AnnouncesWhatItDisables(t *testing.T) {
	gone := relay.Permanent(errors.New("gone"))
	gone.Disable = "it answered 410"
	eachEngine(t, func(t *testing.T, e engine) {
		t.Run("as its target asks for it", func(t *testing.T) {
			t.Parallel()
			f := open(t, e)
			f.target("a", "told")
			for range 20 {
				f.append(relay.Draft{Targets: []string{"a"}})
			}
			_, _, changes := f.dispatchWith(relay.DispatcherConfig{Resolver: runners{"a": answer(gone), "told": answer(relay.Delivered(""))}, Announce: tell})
			f.disabledOnce(next(t, changes))
			nothing(t, "it is disabled again", changes)
		})
		t.Run("as it fails for too long", func(t *testing.T) {
			t.Parallel()
			f := open(t, e, func(c *relay.Config) {
				c.Schedule, c.DisableAfter = relay.Schedule{0, 48 * time.Minute, time.Hour}, 30*time.Minute
			})
			f.target("a", "told")
			f.append(relay.Draft{Targets: []string{"a"}})
			failing := runners{"a": answer(relay.Retry(errDown)), "told": answer(relay.Delivered(""))}
			_, seen, changes := f.dispatchWith(relay.DispatcherConfig{Resolver: failing, Announce: tell})
			f.failFor(seen, 1)
			f.disabledOnce(next(t, changes))
		})
		t.Run("by an effect", func(t *testing.T) {
			t.Parallel()
			f := open(t, e)
			f.target("a", "told")
			f.append(relay.Draft{Targets: []string{"a"}})
			_, _, changes := f.dispatchWith(relay.DispatcherConfig{
				Resolver: runners{"a": relay.Effect(func(context.Context, relay.Tx, relay.Job) relay.Outcome { return gone }), "told": answer(relay.Delivered(""))},
				Announce: tell,
			})
			f.disabledOnce(next(t, changes))
		})
	})
}

// TestDispatcher_DisablesNothingThatItCannotAnnounce: while the news cannot be appended the target stays as it is, and its
// attempt is made again until both happen.
func TestDispatcher_DisablesNothingThatItCannotAnnounce(t *testing.T) {
	gone := relay.Permanent(errors.New("gone"))
	gone.Disable = "it answered 410"
	eachEngine(t, func(t *testing.T, e engine) {
		f := open(t, e, withNews)
		f.target("a", "told")
		f.append(relay.Draft{Targets: []string{"a"}})
		f.exec(`UPDATE fault SET on_completion = 3`)
		var asked, failed atomic.Int64
		d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
			Resolver: runners{"a": answer(gone), "told": answer(relay.Delivered(""))}, Poll: 20 * time.Millisecond,
			Announce: func(c relay.TargetChange) []relay.Draft { asked.Add(1); return tell(c) },
			Log: func(what string, err error) {
				if what == "record outcome" && strings.Contains(err.Error(), "fault: no news") {
					failed.Add(1)
				}
			},
		})
		d.Start()
		defer f.stop(d)
		eventually(t, "the outcome cannot be recorded", func() bool { return failed.Load() > 0 })
		if target := must(f.Target(t.Context(), "a"))(t); !target.Enabled || asked.Load() == 0 {
			t.Errorf("after %d announcements that failed: %+v", asked.Load(), target)
		}
		if stats := must(f.Stats(t.Context()))(t); stats.Messages != 1 {
			t.Errorf("stats: %+v", stats)
		}
		f.exec(`UPDATE fault SET on_completion = 0`)
		f.clock.advance(2 * time.Minute) // its lease runs out
		eventually(t, "it is disabled", func() bool { return !must(f.Target(t.Context(), "a"))(t).Enabled })
		f.disabledOnce(relay.TargetChange{TargetID: "a", Event: relay.TargetDisabled, Reason: gone.Disable})
	})
}

// TestDispatcher_DisablesInSpiteOfInvalidNews, which would never become valid.
func TestDispatcher_DisablesInSpiteOfInvalidNews(t *testing.T) {
	t.Parallel()
	gone := relay.Permanent(errors.New("gone"))
	gone.Disable = "it answered 410"
	for name, announce := range map[string]func(relay.TargetChange) []relay.Draft{
		"invalid":   func(relay.TargetChange) []relay.Draft { return []relay.Draft{{Type: news}} },
		"panicking": func(relay.TargetChange) []relay.Draft { panic("invalid") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, sqlite)
			f.target("a")
			f.append(relay.Draft{Targets: []string{"a"}})
			told := make(chan error, 16)
			d := relay.NewDispatcher(f.Store, relay.DispatcherConfig{
				Resolver: runners{"a": answer(gone)}, Announce: announce, Log: func(_ string, err error) { told <- err },
			})
			d.Start()
			defer f.stop(d)
			if err := next(t, told); !strings.Contains(err.Error(), "invalid") {
				t.Error(err)
			}
			eventually(t, "it is disabled", func() bool { return !must(f.Target(t.Context(), "a"))(t).Enabled })
		})
	}
}
