package service

import (
	"fmt"
	"runtime/debug"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// failure is the key under which a request carries an error that was answered already and is still to be logged.
type failure struct{}

// log records a request that failed for a reason the client is not told.
func (s *Server) log(ctx *fasthttp.RequestCtx, err error) {
	s.options.Log.Error("request failed", append(requestFields(ctx), zap.Error(err))...)
}

// recover turns a panic into a log entry and a 500 reply. It stands outside the routes, so that error handlers
// are covered as well.
func (s *Server) recover(ctx *fasthttp.RequestCtx) {
	value := recover()
	if value == nil {
		return
	}
	if entry := s.options.Log.Check(zap.ErrorLevel, "panic while serving a request"); entry != nil {
		entry.Stack = string(debug.Stack())
		entry.Write(append(requestFields(ctx), zap.String("panic", fmt.Sprint(value)))...)
	}
	ctx.Response.Reset()
	ctx.SetConnectionClose() // the request may not have been read to its end
	defer func() {
		if recover() != nil { // the service's own error reply panics as well
			ctx.Error("", fiber.StatusInternalServerError)
			ctx.SetConnectionClose()
		}
	}()
	c := s.App.AcquireCtx(ctx)
	defer s.App.ReleaseCtx(c)
	if err := s.options.Errors(c, fiber.StatusInternalServerError, fiber.ErrInternalServerError); err != nil {
		ctx.Error("", fiber.StatusInternalServerError)
	}
}

// requestFields are copies: a logger may keep them for longer than the request's memory is its own.
func requestFields(ctx *fasthttp.RequestCtx) []zap.Field {
	return []zap.Field{zap.String("method", string(ctx.Method())), zap.String("path", string(ctx.Path()))}
}
