package service

import (
	"net/http/pprof"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

// profiles is where net/http/pprof expects to stand.
const profiles = "/debug/pprof"

// Profiles serves the Go runtime's profiles under /debug/pprof, to those who bring the token: a CPU profile
// costs a few percent while it is taken, and what profiles show is nobody else's business.
func Profiles(app fiber.Router, token string) {
	group := app.Group(profiles, Bearer(token))
	group.Get("/profile", adaptor.HTTPHandlerFunc(pprof.Profile))
	group.Get("/trace", adaptor.HTTPHandlerFunc(pprof.Trace))
	group.Get("/cmdline", adaptor.HTTPHandlerFunc(pprof.Cmdline))
	group.Get("/*", adaptor.HTTPHandlerFunc(pprof.Index))
}
