package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"strings"
)

// The family of X-Hub-Signature: HMAC over the body and nothing else, written
// with the algorithm's name before hexadecimal. A secret is used as its bytes.

//
// Several providers send X-Hub-Signature, and only the algorithm's name tells some
// of them apart. None of those is detected, each has to be named.

const (
	hubHeader     = "X-Hub-Signature"
	hubPrefix     = "sha256="
	hubSHA1Prefix = "sha1="

	githubEvent    = "X-Github-Event"
	githubDelivery = "X-Github-Delivery"
)

// github is GitHub's format:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func github() scheme {
	s := bodySignature{
		header: "X-Hub-Signature-256",
		hash:   sha256.New,
		prefix: hubPrefix,
		event:  githubEvent,
		id:     githubDelivery,
	}.scheme("github")
	s.detected = true
	s.forms = true
	s.maxBody = githubMaxBody
	return s
}

// githubMaxBody is GitHub's limit on a payload, in bytes.
const githubMaxBody = 25 << 20

// githubSHA1 is GitHub's older header, for senders that have no other. Beside
// X-Hub-Signature-256 it says nothing: name github there. HMAC with SHA-1 is not
// broken as SHA-1 is, but GitHub keeps it for old receivers only.
func githubSHA1() scheme {
	s := bodySignature{
		header: hubHeader,
		hash:   sha1.New,
		prefix: hubSHA1Prefix,
		event:  githubEvent,
		id:     githubDelivery,
	}.scheme("github-sha1")
	s.forms = true
	s.maxBody = githubMaxBody
	return s
}

// bitbucket is Bitbucket Cloud's format. Bitbucket Data Center's is the same but
// for the id, which it has in X-Request-Id:
// https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
func bitbucket() scheme {
	cloud := bodySignature{
		header: hubHeader,
		hash:   sha256.New,
		prefix: hubPrefix,
		event:  "X-Event-Key",
		id:     "X-Request-Uuid",
		size:   sha256.Size,
	}
	s := cloud.scheme("bitbucket")
	s.read = eitherID{cloud, "X-Request-Id"}.read
	return s
}

// eitherID is a form whose id stands in one of two headers.
type eitherID struct {
	bodySignature

	second string // read where the first is absent
}

func (e eitherID) read(r Request, c *claim) error {
	if len(valuesOf(r.Header, e.id)) == 0 {
		e.id = e.second
	}
	return e.bodySignature.read(r, c)
}

// intercom has its type ("topic") and id in the body only:
// https://developers.intercom.com/docs/webhooks/webhook-notifications
func intercom() scheme {
	s := bodySignature{header: hubHeader, hash: sha1.New, prefix: hubSHA1Prefix}.scheme("intercom")
	s.bodyID = "id"
	return s
}

// generic is the same signature under the names that hand-written senders use,
// with or without the prefix.
func generic() scheme {
	first := bodySignature{header: "X-Signature-256", hash: sha256.New, prefix: hubPrefix}
	s := first.scheme("generic")
	s.detected = true
	s.headers = []string{first.header, "Signature"}
	s.read = func(r Request, c *claim) error {
		name := s.headers[0]
		if len(valuesOf(r.Header, name)) == 0 {
			name = s.headers[1]
		}
		value, err := required(r.Header, name)
		if err != nil {
			return err
		}
		c.message = append(c.message, r.Body)
		return c.readSignature(name, strings.TrimPrefix(value, hubPrefix), hexadecimal, sha256.Size)
	}
	return s
}
