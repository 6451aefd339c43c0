package service

import (
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// ErrBodyTooLarge says that a request's body is over its limit. A handler may return it: the reply is 413.
var ErrBodyTooLarge = errors.New("request body is too large")

// smallBody is the size up to which bodies are read into memory that is used again.
const smallBody = 16 << 10

// ReadBody is the request's body as it was sent, never decompressed, of at most limit bytes; a longer one is
// [ErrBodyTooLarge]. It serves where one route's limit is below the server's ([ServerOptions].BodyLimit), which
// has been applied before the handler runs. The bytes belong to the server and are valid until the handler
// returns.
func ReadBody(c *fiber.Ctx, limit int) ([]byte, error) {
	body := c.Request().Body()
	if len(body) > limit {
		return nil, ErrBodyTooLarge
	}
	return body, nil
}

// bodies reads requests' bodies before their handlers run.
//
// fasthttp can do that too, but then memory for the whole declared length is taken before the first byte has
// come, and after a body over the limit the request's path is lost to whoever words the reply. So the server
// streams bodies, and they are read here: memory grows with what has arrived, up to the limit.
type bodies struct {
	limit   int
	buffers sync.Pool // of *[]byte with smallBody bytes
}

func newBodies(limit int) *bodies {
	return &bodies{limit: limit, buffers: sync.Pool{New: func() any {
		buffer := make([]byte, smallBody)
		return &buffer
	}}}
}

// receive reads the request's whole body, so that the handler finds it in memory.
func (b *bodies) receive(ctx *fasthttp.RequestCtx) error {
	req := &ctx.Request
	if !req.IsBodyStream() {
		return nil
	}
	length := req.Header.ContentLength() // negative: chunked
	if length > b.limit {
		return ErrBodyTooLarge
	}
	buffer := b.buffers.Get().(*[]byte)
	defer b.buffers.Put(buffer)
	body, err := readAtMost(req.BodyStream(), *buffer, b.limit)
	if err != nil {
		return err
	}
	// The stream also ends without an error when the client hangs up, at any byte of a body of declared length
	// and between two chunks.
	if length >= 0 && len(body) != length || length < 0 && hungUp(ctx) {
		return io.ErrUnexpectedEOF
	}
	if len(body) <= len(*buffer) {
		req.SetBody(body) // copies: a reply may still refer to the body after the handler has returned
	} else {
		req.SetBodyRaw(body)
	}
	return nil
}

// readAtMost reads r to its end, first into buffer and then into memory of its own.
func readAtMost(r io.Reader, buffer []byte, limit int) ([]byte, error) {
	body := buffer[:0:len(buffer)]
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, max(1, min(len(body), limit+1-len(body))))
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return nil, ErrBodyTooLarge
		case err == io.EOF: //nolint:errorlint // a wrapped one is the end in the middle of a chunk
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// hungUp says whether the client's input has ended. Reading a whole request never meets that end.
func hungUp(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*connection)
	return ok && c.hungUp.Load()
}
