package signature_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/signet/pkg/signature"
)

// noVector is what the README's table says of a scheme that was never checked
// against somebody else's signature.
const noVector = "Format from documentation, no outside vector"

// TestRegistry_Proven makes sure that nobody adds a scheme without its proof: a
// fuzz target, a row in the documentation, and a signature made by others, or
// the admission that there is none.
func TestRegistry_Proven(t *testing.T) {
	t.Parallel()
	targets, rows := testFunctions(t), readmeRows(t)
	proven := map[string]bool{}
	for _, v := range vectors(t) {
		proven[v.Scheme] = true
	}
	for _, scheme := range signature.Schemes() {
		if target := "FuzzVerify" + camel(scheme); !targets[target] {
			t.Errorf("%s has no %s", scheme, target)
		}
		row, documented := rows[scheme]
		if !documented {
			t.Errorf("%s has no row in README.md", scheme)
		}
		if admitted := strings.Contains(row, noVector); admitted == proven[scheme] {
			t.Errorf("%s: vectors of others: %t, but the row says there are none: %t", scheme, proven[scheme], admitted)
		}
	}
	for scheme := range rows {
		if _, err := signature.Describe(scheme); err != nil {
			t.Errorf("README.md has a row for %s: %v", scheme, err)
		}
	}
}

// camel turns a scheme's name into the form that test functions have.
func camel(scheme string) string {
	var name string
	for part := range strings.SplitSeq(scheme, "-") {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return name
}

func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}

// readmeRows finds the table's rows, by the scheme's name in its first column.
func readmeRows(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, found := strings.CutPrefix(line, "| `")
		if name, rest, ok := strings.Cut(name, "` |"); found && ok {
			rows[name] = rest
		}
	}
	return rows
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	github := describe(t, "github")
	if !github.Detected || !github.CanSign || !github.SignsBody || !github.Forms || github.SignsURL || github.PublicKey || github.Handshake ||
		github.Tolerance != 0 || github.MaxBody != 25<<20 || len(github.Headers) != 1 {
		t.Errorf("%+v", github)
	}
	github.Headers[0] = "changed"
	if describe(t, "github").Headers[0] == "changed" {
		t.Error("callers share the list of headers")
	}
	_, err := signature.Describe("gitbub")
	wantError(t, err, signature.ErrUnknownScheme)
	for _, scheme := range signature.Schemes() {
		if info := describe(t, scheme); info.Detected && (info.SignsURL || !info.SignsBody || info.PublicKey) {
			t.Errorf("%s is detected, but signs something else than a body: %+v", scheme, info)
		}
	}
}

func TestPublicKey_Shared(t *testing.T) {
	t.Parallel()
	_, err := signature.PublicKey("github", plainSecret)
	wantError(t, err, signature.ErrInvalidSecret)
	_, err = signature.PublicKey("gitbub", plainSecret)
	wantError(t, err, signature.ErrUnknownScheme)
}

// TestRegistry_NilRequest: nothing that a caller forgot makes anything panic.
func TestRegistry_NilRequest(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		v := verifier(t, scheme, newKeys(t, scheme).verifying)
		for _, request := range []signature.Request{{}, {Header: http.Header{}}, {Method: http.MethodGet, URL: "/"}} {
			if _, err := v.Verify(request, testTime); err == nil {
				t.Errorf("%s verifies %+v", scheme, request)
			}
			if _, ok, _ := v.Handshake(request, testTime); ok {
				t.Errorf("%s greets %+v", scheme, request)
			}
			if _, err := signature.Explain(request, scheme, []string{"x"}, testTime); err != nil {
				t.Errorf("%s: %v", scheme, err)
			}
		}
	}
	_, err := signature.Describe("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err == nil || strings.Contains(err.Error(), "MfKQ") {
		t.Errorf("%v shows what may be a secret", err)
	}
}

// TestRegistry_HostileHeaders: a signature header that is repeated, joined, empty,
// enormous or no text does not verify, and a crowd of other headers changes
// nothing.
func TestRegistry_HostileHeaders(t *testing.T) {
	t.Parallel()
	list := map[string]bool{"gitlab": true, "paddle": true, "standard": true, "standard-ed25519": true, "svix": true}
	for _, scheme := range signature.Schemes() {
		k := newKeys(t, scheme)
		request := genuine(t, scheme, k.signing, compose(scheme, testID, testTime, testBody))
		v := verifier(t, scheme, k.verifying)
		for name := range cloneOf(request) {
			if name == "Content-Type" {
				continue
			}
			value := firstValue(request.Header, name)
			for what, values := range map[string][]string{
				"twice": {value, value}, "ten thousand times": slices.Repeat([]string{value}, 10_000), "joined": {value + ", " + value},
				"joined closely": {value + "," + value}, "empty": {""}, "enormous": {value + strings.Repeat("0", 1<<20)}, "not UTF-8": {value + "\xff\xfe"},
			} {
				if strings.HasPrefix(what, "joined") && (list[scheme] || !slices.Contains(describe(t, scheme).Headers, name)) {
					continue // a genuine signature in a longer list, or an unsigned id that is another one
				}
				if _, err := v.Verify(with(request, name, values...), testTime); err == nil {
					t.Errorf("%s verifies with %s %s", scheme, name, what)
				}
			}
		}
		h := cloneOf(request)
		for i := range 10_000 {
			h.Add(fmt.Sprintf("X-Other-%d", i), strings.Repeat("x", 100))
		}
		request.Header = h
		if _, err := v.Verify(request, testTime); err != nil {
			t.Errorf("%s: among other headers: %v", scheme, err)
		}
	}
}

// asked is a header block that remembers what it was asked for.
type asked struct {
	http.Header

	names map[string]bool
}

func (a asked) Values(name string) []string {
	a.names[name] = true
	return a.Header.Values(name)
}

// TestRegistry_CanonicalNames: headers are asked for by their canonical names
// only, because http.Header is read without a second look at them.
func TestRegistry_CanonicalNames(t *testing.T) {
	t.Parallel()
	for _, scheme := range signature.Schemes() {
		k := newKeys(t, scheme)
		request := genuine(t, scheme, k.signing, compose(scheme, testID, testTime, testBody))
		reader := asked{request.Header.(http.Header), map[string]bool{}}
		request.Header = reader
		v := verifier(t, scheme, k.verifying)
		if _, err := v.Verify(request, testTime); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
		if _, _, err := v.Handshake(request, testTime); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
		for name := range reader.names {
			if http.CanonicalHeaderKey(name) != name {
				t.Errorf("%s asks for %s", scheme, name)
			}
		}
	}
}
