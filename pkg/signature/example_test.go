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

func ExampleNewSigner_keyPair() {
	private, err := signature.NewSecret("standard-ed25519") // stays with the sender
	if err != nil {
		fmt.Println(err)
		return
	}
	public, err := signature.PublicKey("standard-ed25519", private) // goes to the receivers
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(private[:5], public[:5])

	signer, err := signature.NewSigner("standard-ed25519", private)
	if err != nil {
		fmt.Println(err)
		return
	}
	header, now := http.Header{}, time.Unix(1700000000, 0)
	if err := signer.Sign(signature.Outgoing{ID: "msg_1", Time: now, Body: []byte(`{}`)}, header); err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := signature.NewVerifier("standard-ed25519", []string{public})
	if err != nil {
		fmt.Println(err)
		return
	}
	match, err := verifier.Verify(signature.Request{Header: header, Body: []byte(`{}`)}, now)
	fmt.Println(match.ID, match.IDSigned, err)
	// Output:
	// whsk_ whpk_
	// msg_1 true <nil>
}

func ExampleNewVerifier_described() {
	verifier, err := signature.NewVerifier("hmac-sha256:header=X-Acme-Signature,prefix=sha256=", []string{"It's a Secret to Everybody"})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := signature.Request{
		Header: http.Header{"X-Acme-Signature": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
		Body:   []byte("Hello, World!"),
	}
	_, err = verifier.Verify(request, time.Now())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleVerifier_Handshake() {
	signer, err := signature.NewSigner("slack", "8f742231b10e8888abcd99yyyzzz85a5")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(1700000000, 0)
	request := signature.Request{
		Method: http.MethodPost, Header: http.Header{},
		Body: []byte(`{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`),
	}
	// What Slack does when somebody enters the address of an endpoint.
	if err := signer.Sign(signature.Outgoing{Time: now, Body: request.Body}, request.Header.(http.Header)); err != nil {
		fmt.Println(err)
		return
	}

	verifier, err := signature.NewVerifier("slack", []string{"8f742231b10e8888abcd99yyyzzz85a5"})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, ok, err := verifier.Handshake(request, now) // before Verify
	fmt.Println(ok, err)
	fmt.Println(reply.Status, reply.ContentType, string(reply.Body))
	// Output:
	// true <nil>
	// 200 text/plain 3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P
}

func ExampleDescribe() {
	for _, name := range []string{"stripe", "twilio", "mailgun"} {
		info, err := signature.Describe(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(info.Name, info.Headers, info.Tolerance, "URL:", info.SignsURL, "body:", info.SignsBody)
	}
	// Output:
	// stripe [Stripe-Signature] 5m0s URL: false body: true
	// twilio [X-Twilio-Signature] 0s URL: true body: true
	// mailgun [] 15m0s URL: false body: false
}
