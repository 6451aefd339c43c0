package source_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/source"
)

func TestSource_Media(t *testing.T) {
	t.Parallel()
	s, err := source.New(source.Spec{Name: source.Default})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		contentType, scheme string
		want                source.Media
	}{
		{"application/json", "generic", source.JSON},
		{"Application/JSON; charset=utf-8", "", source.JSON},
		{" application/json ;x", "", source.JSON},
		{"application/cloudevents+json", "standard", source.JSON},
		{"application/vnd.x+JSON; v=1", "standard", source.JSON},
		{"", "standard", source.Undeclared},
		{"application/x-www-form-urlencoded", "github", source.Payload},
		{"application/x-www-form-urlencoded", "generic", source.Refused},
		{"application/x-www-form-urlencoded", "", source.Refused},
		{"text/plain", "github", source.Refused},
		{"text/json", "github", source.Refused},
		{"+json", "github", source.Refused},
		{"; charset=utf-8", "github", source.Refused},
		{"multipart/form-data; boundary=application/json", "github", source.Refused},
		{"application/jsonp", "github", source.Refused},
	} {
		if got := s.Media(c.contentType, c.scheme); got != c.want {
			t.Errorf("Media(%q, %q) = %d, want %d", c.contentType, c.scheme, got, c.want)
		}
	}
}

func signed(t *testing.T, scheme, secret, body string, at time.Time) signature.Request {
	t.Helper()
	signer, err := signature.NewSigner(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	out := signature.Outgoing{ID: "msg_1", Time: at, Method: http.MethodPost, Body: []byte(body)}
	if err := signer.Sign(out, h); err != nil {
		t.Fatal(err)
	}
	return signature.Request{Method: http.MethodPost, Header: h, Body: []byte(body)}
}

func TestSource_Verify(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	spec := source.Spec{Name: source.Default, Secrets: []string{"new", "plain", "old"}}
	only := source.Spec{Name: "acme", Schemes: []string{"generic"}, Secrets: []string{"plain"}}
	for name, c := range map[string]struct {
		spec   source.Spec
		scheme string
		secret string
		want   error
		index  int
	}{
		"new secret":             {spec, "github", "new", nil, 0},
		"plain secret":           {spec, "generic", "plain", nil, 1},
		"old secret":             {spec, "standard", "old", nil, 2},
		"another secret":         {spec, "github", "other", signature.ErrMismatch, 0},
		"the one scheme":         {only, "generic", "plain", nil, 0},
		"another scheme":         {only, "github", "plain", signature.ErrMissing, 0},
		"no secret":              {source.Spec{Name: source.Default}, "github", "x", source.ErrNoSecret, 0},
		"unsigned takes anybody": {source.Spec{Name: source.Default, Unsigned: true}, "github", "x", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := source.New(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			match, err := s.Verify(signed(t, c.scheme, c.secret, `{"a":1}`, now), now)
			if !errors.Is(err, c.want) || match.Secret != c.index {
				t.Errorf("Verify = %+v, %v; want secret %d, %v", match, err, c.index, c.want)
			}
		})
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]source.Spec{
		"an unknown scheme":  {Name: "a", Schemes: []string{"nope"}, Secrets: []string{"s"}},
		"an unusable secret": {Name: "a", Schemes: []string{"standard"}, Secrets: []string{"whsec_!"}},
	} {
		if _, err := source.New(spec); err == nil {
			t.Errorf("New takes %s", name)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	set, err := source.NewSet([]source.Spec{
		{Name: "github", Schemes: []string{"github"}, Secrets: []string{"s"}, MaxBody: 25},
		{Name: source.Default, MaxBody: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := set.All(); len(all) != 2 || all[0].Path() != "/webhook" || all[1].Path() != "/webhook/github" {
		t.Errorf("All() = %v", all)
	}
	if set.MaxBody() != 25 {
		t.Errorf("MaxBody() = %d", set.MaxBody())
	}
	if s, ok := set.Get(source.Default); !ok || !s.Refuses() {
		t.Error("the default source without a secret does not refuse")
	}
	if _, ok := set.Get("GitHub"); ok {
		t.Error("names are not exact")
	}
	if _, err := source.NewSet([]source.Spec{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("NewSet takes a name twice")
	}
}
