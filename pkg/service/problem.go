package service

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

const problemType = "application/problem+json"

// Problem replies with an RFC 9457 problem document of type about:blank: the status, its name as the title, and
// detail, which is left out when empty.
func Problem(c *fiber.Ctx, status int, detail string) error {
	document := huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
	return c.Status(status).JSON(document, problemType)
}

// problems is the error reply of a server that has none of its own.
func problems(c *fiber.Ctx, status int, err error) error {
	return Problem(c, status, publicDetail(err))
}

// publicDetail is the part of an error that a client may read: the text of errors made for replies.
func publicDetail(err error) string {
	var known *fiber.Error
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return ErrBodyTooLarge.Error()
	case errors.As(err, &known) && known.Message != http.StatusText(known.Code):
		return known.Message
	default:
		return ""
	}
}
