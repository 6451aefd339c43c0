package source_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
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

func TestSource_MediaOfOneScheme(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for scheme, want := range map[string]source.Media{
		"github": source.Payload, "github-sha1": source.Payload, "slack": source.Fields, "twilio": source.Fields,
		"stripe": source.Refused, "bitbucket": source.Refused, "mailgun": source.Refused,
	} {
		s, err := source.New(source.Spec{Name: "a", Schemes: []string{scheme}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Media(form, scheme); got != want {
			t.Errorf("%s: Media = %d, want %d", scheme, got, want)
		}
		if got := s.Media("multipart/form-data; boundary=x", scheme); got != source.Refused {
			t.Errorf("%s takes multipart: %d", scheme, got)
		}
	}
	two, err := source.New(source.Spec{Name: source.Default, Schemes: []string{"slack", "github"}})
	if err != nil {
		t.Fatal(err)
	}
	if slack, github := two.Media(form, "slack"), two.Media(form, "github"); slack != source.Refused || github != source.Payload {
		t.Errorf("detecting, forms of Slack are %d and of GitHub %d", slack, github)
	}
}

func TestSource_BodyID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schemes      []string
		scheme, want string
	}{
		{[]string{"stripe"}, "stripe", "id"},
		{[]string{"square"}, "square", "event_id"},
		{[]string{"generic"}, "generic", ""},
		{[]string{"mailgun"}, "mailgun", ""},
		{[]string{"stripe"}, "square", ""}, // not the source's
		{nil, "slack", "event_id"},
		{nil, "square", ""}, // not detected
		{nil, "", ""},
	} {
		s, err := source.New(source.Spec{Name: "a", Schemes: c.schemes})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.BodyID(c.scheme); got != c.want {
			t.Errorf("BodyID(%q) of %v = %q, want %q", c.scheme, c.schemes, got, c.want)
		}
	}
}

func TestSource_Caution(t *testing.T) {
	t.Parallel()
	whsec := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, c := range map[string]struct {
		spec source.Spec
		says string
	}{
		"mailgun":              {source.Spec{Schemes: []string{"mailgun"}, Secrets: []string{"geheim"}}, "does not cover the body"},
		"mailgun, no secret":   {source.Spec{Schemes: []string{"mailgun"}}, ""},
		"gitlab, a token":      {source.Spec{Schemes: []string{"gitlab"}, Secrets: []string{whsec, "geheim"}}, "signs nothing"},
		"gitlab, signing only": {source.Spec{Schemes: []string{"gitlab"}, Secrets: []string{whsec}}, ""},
		"stripe":               {source.Spec{Schemes: []string{"stripe"}, Secrets: []string{"geheim"}}, ""},
		"detected":             {source.Spec{Secrets: []string{"geheim"}}, ""},
		"unsigned":             {source.Spec{Unsigned: true}, ""},
	} {
		s, err := source.New(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Caution()
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) || strings.Contains(got, "geheim") {
			t.Errorf("%s: Caution() = %q, want %q", name, got, c.says)
		}
	}
}

func TestSource_Handshake(t *testing.T) {
	t.Parallel()
	r := signature.Request{Method: http.MethodGet, URL: "/webhook/a?challenge=x", Header: http.Header{}}
	for name, c := range map[string]struct {
		spec source.Spec
		want bool
	}{
		"a scheme with one":    {source.Spec{Schemes: []string{"dropbox"}, Secrets: []string{"s"}}, true},
		"without a secret":     {source.Spec{Schemes: []string{"dropbox"}}, false},
		"unsigned":             {source.Spec{Unsigned: true}, false},
		"a scheme without one": {source.Spec{Schemes: []string{"github"}, Secrets: []string{"s"}}, false},
	} {
		s, err := source.New(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := s.Handshake(r, time.Now()); ok != c.want || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
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
		"an unknown scheme":                     {Name: "a", Schemes: []string{"nope"}, Secrets: []string{"s"}},
		"an unusable secret":                    {Name: "a", Schemes: []string{"standard"}, Secrets: []string{"whsec_!"}},
		"an unknown scheme without a secret":    {Name: "a", Schemes: []string{"nope"}},
		"two schemes that cannot be told apart": {Name: "a", Schemes: []string{"github", "bitbucket"}, Secrets: []string{"s"}},
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

func TestSet_Sharing(t *testing.T) {
	t.Parallel()
	set, err := source.NewSet([]source.Spec{
		{Name: source.Default, Secrets: []string{"own"}},
		{Name: "github", Schemes: []string{"github"}, Secrets: []string{"new", "shared"}},
		{Name: "bitbucket", Schemes: []string{"bitbucket"}, Secrets: []string{"shared"}},
		{Name: "square", Schemes: []string{"square"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Sharing(); len(got) != 1 || got[0] != [2]string{"bitbucket", "github"} {
		t.Errorf("Sharing() = %v", got)
	}
}

func TestSource_Untidy(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]bool{
		"plain": false, "in'side": false, `"`: false, "line\n": true, " space": true, `"quoted"`: true, "'quoted'": true, `"one end`: false,
	} {
		s, err := source.New(source.Spec{Name: "github", Schemes: []string{"github"}, Secrets: []string{"other", secret}})
		if err != nil {
			t.Fatal(err)
		}
		if s.Untidy() != want {
			t.Errorf("%q: %t, want %t", secret, !want, want)
		}
	}
}
