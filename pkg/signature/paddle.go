package signature

import "time"

// paddle is Paddle Billing's format:
// https://developer.paddle.com/webhooks/signature-verification
//
// A secret is used whole, its prefix pdl_ntfset_ included. The tolerance is that
// of Paddle's libraries. It leaves little room for a clock that is wrong: where
// genuine requests fail with ErrTooOld or ErrTooNew, widen it with WithTolerance
// and remember the signed event_id. Some of those libraries bound the past only;
// here the future is bounded alike.
func paddle() scheme {
	s := timedList{
		header:    "Paddle-Signature",
		separator: ";",
		time:      "ts",
		signature: "h1",
		joint:     ":",
	}.scheme("paddle", 5*time.Second)
	s.bodyID = "event_id"
	return s
}
