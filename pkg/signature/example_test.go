package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/signet/pkg/signature"
)

func ExampleNewVerifier() {
	// The new secret and, until every sender has it, the old one.
	verifier, err := signature.NewVerifier("github", []string{"the new secret", "It's a Secret to Everybody"})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := signature.Request{
		Header: http.Header{
			"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
			"X-Github-Event":      {"ping"},
		},
		Body: []byte("Hello, World!"), // the raw bytes, as they arrived
	}
	match, err := verifier.Verify(request, time.Now())
	fmt.Println(match.Scheme, match.EventType, "secret", match.Secret, err)

	request.Body = []byte("Hello, world!")
	_, err = verifier.Verify(request, time.Now())
	fmt.Println(errors.Is(err, signature.ErrMismatch))
	// Output:
	// github ping secret 1 <nil>
	// true
}

func ExampleNewDetector() {
	detector, err := signature.NewDetector([]string{"github", "standard"}, []string{"It's a Secret to Everybody"})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{}
	header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	request := signature.Request{Header: header, Body: []byte("Hello, World!")}
	match, err := detector.Verify(request, time.Now())
	fmt.Println(match.Scheme, err)

	header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	_, err = detector.Verify(request, time.Now())
	fmt.Println(err)
	// Output:
	// github <nil>
	// signatures of several schemes: github, standard
}

func ExampleNewSigner() {
	signer, err := signature.NewSigner("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{}
	err = signer.Sign(signature.Outgoing{
		ID:   "msg_p5jXN8AQM9LWM0D4loKWxJek",
		Time: time.Unix(1614265330, 0),
		Body: []byte(`{"test": 2432232314}`),
	}, header)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(header.Get("webhook-id"))
	fmt.Println(header.Get("webhook-timestamp"))
	fmt.Println(header.Get("webhook-signature"))
	// Output:
	// msg_p5jXN8AQM9LWM0D4loKWxJek
	// 1614265330
	// v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}
