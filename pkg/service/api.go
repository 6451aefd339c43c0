package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
)

// specPath is open without a token: it describes the API and holds no secrets.
const specPath = "/api/openapi.json"

// NewAPI opens a typed API on app, to which operations are added with huma.Register under their whole paths
// (/api/v1/…). Add every other route of app that begins with /api or /demo after this call.
//
// Everything under /api and /demo then needs the bearer token, except the OpenAPI 3.1 document at
// /api/openapi.json; errors there are RFC 9457 problem documents, also for unknown paths (404) and compressed
// request bodies (415). Of an error that is neither huma's nor Fiber's the client learns nothing; the app's
// [Server] logs it. There is no documentation page and no $schema member in bodies.
func NewAPI(app *fiber.App, title, version, token string) huma.API {
	config := huma.DefaultConfig(title, version)
	config.CreateHooks = nil // the one there is adds $schema members
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"bearer": {}}}
	config.Transformers = append(config.Transformers, hideFailure)

	api := humafiber.New(app, config)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(rawBody{humaContext: ctx}) })
	app.Get(specPath, serveSpec(api))
	for _, prefix := range []string{"/api", "/demo"} {
		app.Use(prefix, asProblems, Bearer(token), refuseEncoded)
	}
	return api
}

// serveSpec serves the OpenAPI document, which is complete once the service has started.
func serveSpec(api huma.API) fiber.Handler {
	spec := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	return func(c *fiber.Ctx) error {
		document, err := spec()
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, "application/openapi+json")
		return c.Send(document)
	}
}

// asProblems words what the routes return as problem documents, whatever the server's own error replies are.
func asProblems(c *fiber.Ctx) error {
	err := c.Next()
	if err == nil {
		return nil
	}
	status, expected := statusOf(err)
	if !expected {
		c.Context().SetUserValue(failure{}, err)
	}
	return Problem(c, status, publicDetail(err))
}

// refuseEncoded answers 415 to compressed bodies: limits count the bytes that were sent.
func refuseEncoded(c *fiber.Ctx) error {
	for _, encoding := range c.Request().Header.PeekAll(fiber.HeaderContentEncoding) {
		if e := strings.TrimSpace(string(encoding)); e != "" && !strings.EqualFold(e, "identity") {
			c.Set(fiber.HeaderAcceptEncoding, "identity")
			return Problem(c, fiber.StatusUnsupportedMediaType, "compressed request bodies are not accepted")
		}
	}
	return c.Next()
}

// hideFailure keeps the text of an unexpected error out of a 500 reply and leaves it for the server's log. From
// other problems it takes the values that were wrong: huma repeats the object around them, which may hold a
// secret, or be megabytes.
func hideFailure(ctx huma.Context, _ string, body any) (any, error) {
	problem, ok := body.(*huma.ErrorModel)
	if !ok || len(problem.Errors) == 0 {
		return body, nil
	}
	if problem.Status != fiber.StatusInternalServerError {
		public := *problem
		public.Errors = make([]*huma.ErrorDetail, len(problem.Errors))
		for i, detail := range problem.Errors {
			public.Errors[i] = &huma.ErrorDetail{Message: detail.Message, Location: detail.Location}
		}
		return &public, nil
	}
	causes := make([]error, len(problem.Errors))
	for i, detail := range problem.Errors {
		causes[i] = detail
	}
	humafiber.Unwrap(ctx).Context().SetUserValue(failure{}, errors.Join(causes...))
	public := *problem
	public.Errors = nil
	return &public, nil
}

// rawBody is a context that reads the body as it was sent: the adapter's own would take the server's stream,
// which has been read by then, or inflate.
type rawBody struct{ humaContext }

// humaContext gives the embedded field a name that does not hide the method Context.
type humaContext huma.Context

// BodyReader reads the body from memory.
func (r rawBody) BodyReader() io.Reader {
	return bytes.NewReader(humafiber.Unwrap(r.humaContext).BodyRaw())
}

// Unwrap is the adapter's context.
func (r rawBody) Unwrap() huma.Context { return r.humaContext }
