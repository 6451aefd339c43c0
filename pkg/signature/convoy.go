package signature

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// The formats of Convoy, a webhook gateway:
// https://github.com/frain-dev/convoy/blob/main/pkg/signature/signature.go
//
// Both are HMAC-SHA256 in hexadecimal, Convoy's default. Projects that chose
// SHA-512 or base64 are not covered. Convoy writes JSON anew before it signs, so
// the body to verify is the one it sent and not the one it was given.

const (
	convoyHeader = "X-Convoy-Signature"
	convoyID     = "X-Convoy-Idempotency-Key"
)

// convoy is the simple form: the body alone is signed.
func convoy() scheme {
	return bodySignature{header: convoyHeader, hash: sha256.New, id: convoyID}.scheme("convoy")
}

// convoyAdvanced signs a time as well and carries a signature for every secret
// in use. The number after v counts the hashes and encodings a project has had;
// only the first is read.
func convoyAdvanced() scheme {
	list := timedList{header: convoyHeader, separator: ",", time: "t", signature: "v1", joint: ","}
	s := list.scheme("convoy-advanced", 5*time.Minute)
	s.read = func(r Request, c *claim) error {
		if err := c.readLabels(r.Header, "", convoyID); err != nil {
			return err
		}
		return list.read(r, c)
	}
	s.write = func(out Outgoing, keys []signingKey, h HeaderSetter) error {
		if out.ID != "" && !isToken(out.ID) {
			return fmt.Errorf("%w: its id is not 1 to %d printable characters", ErrUnsignable, maxToken)
		}
		if err := list.write(out, keys, h); err != nil {
			return err
		}
		if out.ID != "" {
			h.Set(convoyID, out.ID)
		}
		return nil
	}
	return s
}
