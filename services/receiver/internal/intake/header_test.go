package intake_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/intake"
)

func headers(pairs ...string) *fasthttp.RequestHeader {
	h := &fasthttp.RequestHeader{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestHeadersJSON(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	raw := intake.HeadersJSON(headers(
		"content-type", "application/json", "X-A", "1", "x-b", "q\"\\\t€", "X-A", "2", "X-Bad", "a\xffb",
		"Authorization", "Bearer geheim", "Cookie", "geheim=1", "Proxy-Authorization", "geheim", "X-Gitlab-Token", "geheim",
		"Connection", "keep-alive", "TE", "trailers", "Transfer-Encoding", "chunked", "Upgrade", "h2c", "Keep-Alive", "5",
	))
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	want := map[string][]string{
		"Content-Type": {"application/json"}, "X-A": {"1", "2"}, "X-B": {"q\"\\\t€"}, "X-Bad": {"a\ufffdb"},
	}
	if !maps.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("headers are %s", raw)
	}
}

// TestHeadersJSON_many: a thousand names fit into a request's head, and nobody signs them. Their cost must not grow
// with their square, which would be a hundred times that of a tenth of them.
func TestHeadersJSON_many(t *testing.T) {
	cost := func(n int) time.Duration {
		h := headers()
		for i := range n {
			h.Add(fmt.Sprintf("X%d", i), "v")
		}
		best := time.Hour
		for range 20 {
			began := time.Now()
			intake.HeadersJSON(h)
			best = min(best, time.Since(began))
		}
		return best
	}
	if few, many := cost(100), cost(1000); many > 40*few {
		t.Errorf("1000 headers take %s, 100 take %s", many, few)
	}
}

// TestHeadersJSON_grouping: however many there are, values keep their order, and names that of their first values.
func TestHeadersJSON_grouping(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 31, 32, 33, 500} {
		h := headers()
		var want strings.Builder
		for i := range n {
			h.Add(fmt.Sprintf("X-%d", i/3%10), fmt.Sprint(i))
		}
		for name := range min(10, (n+2)/3) {
			fmt.Fprintf(&want, `,"X-%d":[`, name)
			sep := ""
			for i := range n {
				if i/3%10 == name {
					fmt.Fprintf(&want, `%s"%d"`, sep, i)
					sep = ","
				}
			}
			want.WriteString("]")
		}
		if got := string(intake.HeadersJSON(h)); got != "{"+want.String()[1:]+"}" {
			t.Errorf("%d headers: %s, want %s", n, got, want.String())
		}
	}
}

// TestHeader reads as net/http does, and copies nothing.
func TestHeader(t *testing.T) {
	raw := headers("x-hub-signature-256", "sha256=00", "X-A", "1", "x-a", "2", "Content-Type", "application/json")
	h := intake.NewHeader(raw)
	for name, want := range map[string][]string{
		"X-Hub-Signature-256": {"sha256=00"}, "X-A": {"1", "2"}, "Content-Type": {"application/json"}, "X-B": {},
	} {
		if got := h.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.Values("X-A"); h.Values("X-B") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDedupeKey(t *testing.T) {
	t.Parallel()
	const digest = ":44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	for name, c := range map[string]struct {
		headers *fasthttp.RequestHeader
		match   signature.Match
		bodyID  string
		guarded bool
		want    string
	}{
		"signed id":              {headers(), signature.Match{Scheme: "standard", ID: "evt_1", IDSigned: true}, "", false, "evt_1"},
		"unsigned id":            {headers(), signature.Match{Scheme: "github", ID: "d1"}, "", false, "d1" + digest},
		"idempotency key":        {headers("Idempotency-Key", "k"), signature.Match{Scheme: "generic"}, "", false, "k" + digest},
		"the scheme's own first": {headers("Idempotency-Key", "k"), signature.Match{Scheme: "github", ID: "d1"}, "", false, "d1" + digest},
		"another scheme's":       {headers("X-GitHub-Delivery", "d", "webhook-id", "w"), signature.Match{Scheme: "generic"}, "", false, ""},
		"unsigned request":       {headers("X-GitHub-Delivery", "d"), signature.Match{}, "", false, "d" + digest},
		"unsigned, several":      {headers("X-GitHub-Delivery", "d", "webhook-id", "w"), signature.Match{}, "", false, "w" + digest},
		"none":                   {headers(), signature.Match{Scheme: "generic"}, "", false, ""},
		"id in the signed body":  {headers("Idempotency-Key", "k"), signature.Match{Scheme: "stripe"}, "evt_2", false, "evt_2"},
		"signed id before it":    {headers(), signature.Match{Scheme: "standard", ID: "evt_1", IDSigned: true}, "evt_2", false, "evt_1"},
		"guarded":                {headers("Idempotency-Key", "k"), signature.Match{Scheme: "github", ID: "d1"}, "", true, "body" + digest},
		"guarded, no id":         {headers(), signature.Match{Scheme: "generic"}, "", true, "body" + digest},
		"guarded, signed id":     {headers(), signature.Match{Scheme: "standard", ID: "evt_1", IDSigned: true}, "", true, "evt_1"},
		"guarded, id in body":    {headers(), signature.Match{Scheme: "stripe"}, "evt_2", true, "evt_2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := intake.DedupeKey(c.headers, c.match, c.bodyID, []byte(`{}`), c.guarded); got != c.want {
				t.Errorf("key = %q, want %q", got, c.want)
			}
		})
	}
}

func TestDedupeKey_fitsTheStore(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, id := range []string{strings.Repeat("a", 447), strings.Repeat("a", 448), strings.Repeat("a", 4000), "a\xff", "a\x01"} {
		key := intake.DedupeKey(headers("Idempotency-Key", id), signature.Match{Scheme: "generic"}, "", nil, false)
		if key == "" || len(key) > relay.MaxDedupeKey || !utf8.ValidString(key) || keys[key] {
			t.Errorf("id of %d bytes: key %q", len(id), key)
		}
		keys[key] = true
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("X-A", "1", "x-a", "2", []byte(`{}`))
	f.Add("Idempotency-Key", "k\xff\x00\"", "Webhook-Id", strings.Repeat("i", 600), []byte(nil))
	f.Add("Content-Type", "a\\b", "Host", "\u2028", []byte(nil))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, body []byte) {
		h := headers(name1, value1, name2, value2)
		kept := map[string][]string{}
		if raw := intake.HeadersJSON(h); json.Unmarshal(raw, &kept) != nil {
			t.Fatalf("%q is not JSON", raw)
		}
		for _, secret := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			if _, found := kept[secret]; found {
				t.Errorf("%s is kept", secret)
			}
		}
		for _, match := range []signature.Match{{}, {Scheme: "generic"}, {Scheme: "standard", ID: value1, IDSigned: true}, {Scheme: "github", ID: value2}} {
			if key := intake.DedupeKey(h, match, "", body, false); len(key) > relay.MaxDedupeKey || !utf8.ValidString(key) {
				t.Errorf("key %q cannot be kept", key)
			}
		}
	})
}
