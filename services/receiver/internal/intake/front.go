package intake

import (
	"html"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// Front serves GET /: what this service is and where it takes what, as JSON, or as a short page for those who
// prefer HTML.
func Front(r fiber.Router, name, version string, endpoints []string) {
	page := frontPage(name, version, endpoints)
	r.Get("/", func(c *fiber.Ctx) error {
		c.Vary(fiber.HeaderAccept)
		if c.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) == fiber.MIMETextHTML {
			c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
			c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
			return c.SendString(page)
		}
		return c.JSON(struct {
			Name      string   `json:"name"`
			Version   string   `json:"version"`
			Endpoints []string `json:"endpoints"`
		}{name, version, endpoints})
	})
}

func frontPage(name, version string, endpoints []string) string {
	var list strings.Builder
	for _, e := range endpoints {
		list.WriteString("<li><code>" + html.EscapeString(e) + "</code></li>\n")
	}
	return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>` + html.EscapeString(name) + `</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>` + html.EscapeString(name) + `</h1>
<p>Takes webhooks in: verified, on disk before they are answered, processed once. Version ` + html.EscapeString(version) + `.</p>
<ul>
` + list.String() + `</ul>
</html>
`
}
