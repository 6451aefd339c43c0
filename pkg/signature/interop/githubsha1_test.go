package interop_test

import (
	"testing"

	"example.com/signet/pkg/signature"
)

func TestGitHub_SHA1(t *testing.T) { exchange(t, library{scheme: "github-sha1", verify: githubVerify}) }

// TestDifference_GitHubSHA1: their library takes the old header where the new
// one is absent. Here that is a scheme of its own.
func TestDifference_GitHubSHA1(t *testing.T) {
	t.Parallel()
	out := message()
	h := signed(t, "github-sha1", out, "secret")
	wantError(t, githubVerify("secret", out, h), nil)
	wantError(t, verify(t, "github", "secret", out, h), signature.ErrMissing)
}
