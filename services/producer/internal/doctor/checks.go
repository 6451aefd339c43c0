package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/producer/internal/sample"
)

// checks are all cases, in the order they are reported.
func checks() []check {
	return []check{
		valid(), rawBytes(),
		tamperedBody(), tamperedSignature(), tamperedTime(), tamperedID(), missingHeader(), wrongSecret(),
		expired(), fromTheFuture(),
		replayed(), duplicateID(), spentID(),
		rotation(),
		oversized(), mediaType(), slowBody(),
	}
}

func valid() check {
	return check{
		"valid", "a valid request is taken",
		"genuine events are lost, and nothing else can be judged",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			got := e.send(ctx, m)
			said := got.String()
			if got.accepted() && got.tells().duplicate {
				said = "was called a duplicate, though its id is new"
			} else if got.accepted() {
				return passed(fmt.Sprintf("accepted (%d)", got.status))
			}
			e.silent, e.doubt = got.status == 0, "a valid request "+said
			return failed(said)
		},
	}
}

func rawBytes() check {
	return check{
		"raw-bytes", "a valid request in another spelling of JSON is taken",
		"the signature is checked over a body that was parsed and written again instead of the bytes that arrived, so genuine events are lost",
		func(ctx context.Context, e *examination) verdict {
			d := e.draft()
			d.body = sample.Respell(d.body)
			m, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			return e.accept(ctx, variant{"a body with space around it, signed as it is,", m})
		},
	}
}

func tamperedBody() check {
	return check{
		"tampered-body", "a body changed after it was signed is refused",
		"whoever can change a request on its way decides what it says",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			other, space := m, m
			other.body = e.cfg.Template.Fill(sample.NewID(), m.at)
			space.body = sample.Respell(m.body)
			return e.refuse(ctx, e.cfg.Scheme+" does not sign the body with this secret",
				variant{"another event under this signature", other}, variant{"the same event in other bytes", space})
		},
	}
}

func tamperedSignature() check {
	return check{
		"tampered-signature", "a signature with one digit changed, or cut in half, is refused",
		"the signature is not compared whole, so one can be guessed piece by piece",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			var variants []variant
			for _, name := range e.signatureHeaders(m) {
				for _, change := range []struct {
					what string
					to   string
				}{
					{"a signature with a digit changed near its beginning", altered(m.header.Get(name), 1, 8)},
					{"a signature with a digit changed near its end", altered(m.header.Get(name), 7, 8)},
					{"the first half of a signature", cut(m.header.Get(name))},
				} {
					variants = append(variants, variant{change.what, m.with(func(h http.Header) { h.Set(name, change.to) })})
				}
			}
			return e.refuse(ctx, "there is nothing to change", variants...)
		},
	}
}

func tamperedTime() check {
	return check{
		"tampered-time", "a time changed after it was signed is refused",
		"whoever captured a request can make it look new, and send it for ever",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			other, ok := e.retimed(m, m.at.Add(-2*time.Second))
			if !ok {
				return notApplicable(e.cfg.Scheme + " has no time in a header")
			}
			return e.refuse(ctx, e.cfg.Scheme+" does not sign the time", variant{"another time under this signature", other})
		},
	}
}

func tamperedID() check {
	return check{
		"tampered-id", "an id changed after it was signed is refused",
		"whoever captured a request can send it under new ids, and each counts as another event",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			return e.refuse(ctx, e.cfg.Scheme+" does not sign an id in a header", variant{"another id under this signature", renamed(m, sample.NewID())})
		},
	}
}

// renamed has another id wherever the headers have it.
func renamed(m message, id string) message {
	return m.with(func(h http.Header) {
		for _, name := range m.named(m.id) {
			h.Set(name, id)
		}
	})
}

func missingHeader() check {
	return check{
		"missing-header", "a request that lacks a header of the scheme, or all, is refused",
		"a signature is checked only when there is one, so leaving it out is enough to send anything",
		func(ctx context.Context, e *examination) verdict {
			m, err := e.compose(e.draft())
			if err != nil {
				return uncomposed(err)
			}
			added := e.added(m)
			variants := []variant{{"a request without any signature", m.with(func(h http.Header) {
				for _, name := range added {
					h.Del(name)
				}
			})}}
			for _, name := range added {
				variants = append(variants, variant{"a request without " + name, m.with(func(h http.Header) { h.Del(name) })})
			}
			return e.refuse(ctx, "there is no header to leave out", variants...)
		},
	}
}

func wrongSecret() check {
	return check{
		"wrong-secret", "a request signed with another secret is refused",
		"the signature proves nothing: anybody can send anything",
		func(ctx context.Context, e *examination) verdict {
			secret, err := signature.NewSecret(e.cfg.Scheme)
			if err != nil {
				return uncomposed(err)
			}
			d := e.draft()
			if d.signer, err = signature.NewSigner(e.cfg.Scheme, secret); err != nil {
				return uncomposed(err)
			}
			m, err := e.compose(d)
			if err != nil {
				return uncomposed(err)
			}
			return e.refuse(ctx, "the scheme takes any secret", variant{"a request signed with another secret", m})
		},
	}
}

// beyond is how far outside of the tolerance a time is that must be refused: clocks differ.
const beyond = time.Minute

func expired() check {
	return check{
		"expired", "a request signed too long ago is refused",
		"whoever captured a request once can send it again for ever",
		func(ctx context.Context, e *examination) verdict { return e.atAnotherTime(ctx, -e.tolerance-beyond) },
	}
}

func fromTheFuture() check {
	return check{
		"future", "a request signed for a time to come is refused",
		"the time is checked on one side only, so a request signed by a wrong clock stays good until then",
		func(ctx context.Context, e *examination) verdict { return e.atAnotherTime(ctx, e.tolerance+beyond) },
	}
}

func (e *examination) atAnotherTime(ctx context.Context, off time.Duration) verdict {
	without := e.cfg.Scheme + " signs no time, so nothing expires"
	if e.tolerance == 0 {
		return notApplicable(without)
	}
	m, err := e.compose(e.draftAt(time.Now().Add(off)))
	if err != nil {
		return uncomposed(err)
	}
	what := "a request signed " + (-off).String() + " ago"
	if off > 0 {
		what = "a request signed for in " + off.String()
	}
	return e.refuse(ctx, without, variant{what, m})
}

func rotation() check {
	return check{
		"rotation", "both secrets are taken while one replaces the other",
		"changing the secret loses events, so nobody will change it when it leaks",
		func(ctx context.Context, e *examination) verdict {
			if e.cfg.OldSecret == "" {
				return notApplicable("no old secret was given (--old-secret, or a second --secret)")
			}
			var variants []variant
			for _, with := range []struct {
				what    string
				secrets []string
			}{
				{"a request signed with the old secret", []string{e.cfg.OldSecret}},
				{"a request signed with the new secret", []string{e.cfg.Secret}},
				{"a request signed with both secrets", []string{e.cfg.Secret, e.cfg.OldSecret}},
			} {
				signer, err := signature.NewSigner(e.cfg.Scheme, with.secrets...)
				if err != nil {
					return uncomposed(err)
				}
				d := e.draft()
				d.signer = signer
				m, err := e.compose(d)
				if err != nil {
					return uncomposed(err)
				}
				variants = append(variants, variant{with.what, m})
			}
			return e.accept(ctx, variants...)
		},
	}
}
