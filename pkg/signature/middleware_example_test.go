package signature_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"example.com/signet/pkg/signature"
)

func ExampleMiddleware() {
	verifier, err := signature.NewVerifier("github", []string{"It's a Secret to Everybody"})
	if err != nil {
		fmt.Println(err)
		return
	}
	proven := signature.Middleware(verifier, signature.WithRefusal(func(_ *http.Request, reason error) {
		fmt.Println("log:", reason)
	}))
	handler := proven(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		match, _ := signature.MatchFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		fmt.Println(match.EventType, string(body))
	}))

	for _, body := range []string{"Hello, World!", "Hello, world!"} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/webhook", strings.NewReader(body))
		r.Header.Set("X-GitHub-Event", "ping")
		r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Body)
	}
	// Output:
	// ping Hello, World!
	// 200 ""
	// log: github: signature mismatch
	// 401 "{\"status\":\"error\",\"code\":\"invalid_signature\",\"message\":\"Invalid signature\"}"
}
