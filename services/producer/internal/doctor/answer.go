package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/signet/services/producer/internal/unanswered"
)

// readAnswer is the most that is read of an answer, in bytes.
const readAnswer = 64 << 10

// answer is what came of a request: a status, or the reason why there is none.
type answer struct {
	status int
	reason string
	body   []byte // never shown: it is the receiver's, which may repeat anything
	took   time.Duration
}

// send sends a message on a connection of its own.
func (e *examination) send(ctx context.Context, m message) answer {
	return e.exchange(ctx, m, bytes.NewReader(m.body), e.cfg.Timeout)
}

func (e *examination) exchange(ctx context.Context, m message, body io.Reader, timeout time.Duration) answer {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, body)
	if err != nil {
		return answer{reason: unanswered.Unclassified}
	}
	request.Header, request.ContentLength = m.header, int64(len(m.body))
	if m.chunked {
		request.ContentLength = -1
	}
	response, err := e.client.Do(request)
	if err != nil {
		return answer{reason: unanswered.Reason(err), took: time.Since(began)}
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(response.Body, readAnswer)) // the status has decided by then
	return answer{status: response.StatusCode, body: text, took: time.Since(began)}
}

// accepted reports whether the receiver took the request.
func (a answer) accepted() bool { return a.status >= 200 && a.status < 300 }

// refused reports whether the receiver refused the request for good. Some statuses of the client's faults ask for
// another attempt.
func (a answer) refused() bool {
	switch a.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return a.status >= 400 && a.status < 500
}

// dropped reports whether the receiver ended the connection instead of answering.
func (a answer) dropped() bool { return a.reason == unanswered.Closed || a.reason == unanswered.Reset }

// String says what was answered, after a subject.
func (a answer) String() string {
	switch {
	case a.status == 0:
		return "got no answer (" + a.reason + ")"
	case a.accepted():
		return fmt.Sprintf("was accepted (%d)", a.status)
	case a.refused():
		return fmt.Sprintf("was refused (%d)", a.status)
	case a.status >= 300 && a.status < 400:
		return fmt.Sprintf("was redirected (%d), which senders do not follow", a.status)
	case a.status < 500:
		return fmt.Sprintf("was answered %d, which asks the sender to try again", a.status)
	}
	return fmt.Sprintf("broke the receiver (%d)", a.status)
}

// meaning says what it means when this is the answer to a request that was to be refused; empty when it was accepted.
func (a answer) meaning() string {
	switch {
	case a.accepted():
		return ""
	case a.status == 0:
		return "a refusal is an answer; a request that needs no secret must not be able to take a connection, or a process, away"
	case a.status >= 500:
		return "anybody can break it without a secret, and what is refused looks like what is to be tried again"
	}
	return "what is wrong for good is not refused for good, so it comes again and again"
}

// told is what an answer may say of the event.
type told struct {
	id        string
	duplicate bool
}

// tells reads a JSON answer; nothing stands for nothing said.
func (a answer) tells() told {
	var fields map[string]any
	if json.Unmarshal(a.body, &fields) != nil {
		return told{}
	}
	id, _ := fields["id"].(string)
	duplicate, _ := fields["duplicate"].(bool)
	return told{id, duplicate || a.status == http.StatusAlreadyReported}
}

// recognises reports whether an answer shows that the event was known from an earlier answer.
func (a answer) recognises(earlier answer) bool {
	now, before := a.tells(), earlier.tells()
	return now.duplicate || a.status == http.StatusAlreadyReported || now.id != "" && now.id == before.id
}
