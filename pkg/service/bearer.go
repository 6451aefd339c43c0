package service

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// Bearer lets a request pass only with "Authorization: Bearer <token>" (RFC 6750); any other is answered with a
// 401 problem document. The comparison takes the same time for every token. With an empty token nothing passes.
func Bearer(token string) fiber.Handler {
	want := sha256.Sum256([]byte(token))
	return func(c *fiber.Ctx) error {
		scheme, given, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
		if token != "" && same && strings.EqualFold(scheme, "Bearer") {
			return c.Next()
		}
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
		return Problem(c, fiber.StatusUnauthorized, "a valid bearer token is required")
	}
}
