package verify

import (
	"fmt"
	"net/http"

	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/event"
	"example.com/signet/services/receiver/internal/source"
)

// refusal says what the receiver would answer to a request that was proven under the scheme and that it refuses all
// the same, or is empty. The order of the steps is the intake's.
func refusal(src *source.Source, q Question, scheme string) string {
	body := q.Request.Body
	if len(body) > src.MaxBody() {
		return refused(http.StatusRequestEntityTooLarge, "the body has %d bytes, and the source takes %d", len(body), src.MaxBody())
	}
	_, answered, err := src.Handshake(q.Request, q.At)
	switch {
	case err != nil:
		return refused(http.StatusUnauthorized, "it asks for a handshake that is not answered: %v", err)
	case answered:
		return "" // before anybody reads its body
	}
	if last(q.Request.Header, "Content-Encoding") != "" {
		return "" // the intake judges that first, and may refuse it for that
	}
	return unreadable(src.Media(last(q.Request.Header, "Content-Type"), scheme), body)
}

// unreadable is the refusal of a body that is not what its media type promises.
func unreadable(media source.Media, body []byte) string {
	switch media {
	case source.JSON:
		return invalidJSON("the body", body)
	case source.Undeclared:
		if event.IsJSON(body) {
			return ""
		}
		return refused(http.StatusUnsupportedMediaType, "there is no Content-Type, and the body is not a JSON object or array")
	case source.Payload:
		payload, ok := event.FormPayload(body)
		if !ok {
			return refused(http.StatusUnsupportedMediaType, "the form is not the one field payload")
		}
		return invalidJSON("the form's field payload", payload)
	case source.Fields:
		if !event.IsJSON(body) {
			return ""
		}
		return refused(http.StatusUnsupportedMediaType, "the body is JSON, and its Content-Type calls it a form")
	case source.Refused:
	}
	return refused(http.StatusUnsupportedMediaType, "the source does not take this Content-Type")
}

func invalidJSON(what string, document []byte) string {
	if event.IsJSON(document) {
		return ""
	}
	return refused(http.StatusBadRequest, "%s is not a JSON object or array", what)
}

func refused(status int, format string, args ...any) string {
	return fmt.Sprintf("the receiver would answer %d all the same: ", status) + fmt.Sprintf(format, args...)
}

// last is the last value of a header: of several Content-Types the receiver's server keeps that one.
func last(h signature.Header, name string) string {
	if h == nil {
		return ""
	}
	values := h.Values(name)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
