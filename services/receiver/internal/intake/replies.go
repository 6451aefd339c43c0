package intake

import (
	"github.com/gofiber/fiber/v2"

	"example.com/signet/pkg/signature"
)

// code is the machine-readable reason in an error reply.
type code string

const (
	codeInvalidSignature code = "invalid_signature"
	codeInvalidJSON      code = "invalid_json"
	codeUnknownSource    code = "unknown_source"
	codeBodyTooLarge     code = "body_too_large"
	codeUnsupportedMedia code = "unsupported_media_type"
	codeUnavailable      code = "unavailable"
	codeInternal         code = "internal"
	codeNotFound         code = "not_found"
	codeMethodNotAllowed code = "method_not_allowed"
	codeHeadersTooLarge  code = "headers_too_large"
	codeTimeout          code = "request_timeout"
	codeNotImplemented   code = "not_implemented"
	codeBadRequest       code = "bad_request"
)

// retryAfter is how many seconds a sender is asked to wait when the store cannot write.
const retryAfter = "1"

// wording is the status and the text that go with a code. The texts have no character that JSON escapes.
func (k code) wording() (status int, message string) {
	switch k {
	case codeInvalidSignature:
		return fiber.StatusUnauthorized, "Invalid signature"
	case codeInvalidJSON:
		return fiber.StatusBadRequest, "Invalid JSON"
	case codeUnknownSource:
		return fiber.StatusNotFound, "Unknown source"
	case codeBodyTooLarge:
		return fiber.StatusRequestEntityTooLarge, "Body too large"
	case codeUnsupportedMedia:
		return fiber.StatusUnsupportedMediaType, "Unsupported media type"
	case codeUnavailable:
		return fiber.StatusServiceUnavailable, "Temporarily unavailable"
	case codeNotFound:
		return fiber.StatusNotFound, "Not found"
	case codeMethodNotAllowed:
		return fiber.StatusMethodNotAllowed, "Method not allowed"
	case codeHeadersTooLarge:
		return fiber.StatusRequestHeaderFieldsTooLarge, "Headers too large"
	case codeTimeout:
		return fiber.StatusRequestTimeout, "Request timeout"
	case codeNotImplemented:
		return fiber.StatusNotImplemented, "Not implemented"
	case codeBadRequest:
		return fiber.StatusBadRequest, "Bad request"
	default:
		return fiber.StatusInternalServerError, "Internal error"
	}
}

// codeOf finds the code for a status that the server itself arrived at.
func codeOf(status int) code {
	for _, k := range []code{
		codeNotFound, codeMethodNotAllowed, codeBodyTooLarge, codeUnsupportedMedia, codeHeadersTooLarge,
		codeTimeout, codeNotImplemented, codeUnavailable,
	} {
		if s, _ := k.wording(); s == status {
			return k
		}
	}
	if status >= fiber.StatusBadRequest && status < fiber.StatusInternalServerError {
		return codeBadRequest
	}
	return codeInternal
}

// accepted is the reply to what is stored, now or earlier.
func accepted(c *fiber.Ctx, id string, duplicate bool) error {
	r := c.Response()
	r.Header.SetContentType(fiber.MIMEApplicationJSON)
	r.AppendBodyString(`{"status":"success","message":"Webhook accepted","id":"`)
	r.AppendBodyString(id)
	if duplicate {
		r.AppendBodyString(`","duplicate":true}`)
	} else {
		r.AppendBodyString(`","duplicate":false}`)
	}
	return nil
}

// greeting is the reply to a handshake. It repeats what the sender chose, so no browser may guess its type.
func greeting(c *fiber.Ctx, r signature.Reply) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderCacheControl, "no-store")
	if r.ContentType != "" {
		c.Set(fiber.HeaderContentType, r.ContentType)
	}
	return c.Status(r.Status).Send(r.Body)
}

// reply is the reply to everything else.
func reply(c *fiber.Ctx, k code) error {
	status, message := k.wording()
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if k == codeUnavailable {
		c.Set(fiber.HeaderRetryAfter, retryAfter)
	}
	return c.Status(status).SendString(`{"status":"error","code":"` + string(k) + `","message":"` + message + `"}`)
}

func methodNotAllowed(c *fiber.Ctx) error {
	c.Set(fiber.HeaderAllow, fiber.MethodPost)
	return reply(c, codeMethodNotAllowed)
}
