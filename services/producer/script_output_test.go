package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"example.com/signet/pkg/signature"
)

// [!] verifies SCHEME SECRET|@FILE BODY-FILE: what sign printed with --json verifies.
func verifies(ts *testscript.TestScript, neg bool, args []string) {
	var r struct {
		URL, Method string
		Headers     map[string]string
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &r))
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	known := args[1]
	if file, found := strings.CutPrefix(known, "@"); found {
		known = strings.TrimSpace(ts.ReadFile(file))
	}
	if info, err := signature.Describe(args[0]); err == nil && info.PublicKey {
		known, err = signature.PublicKey(args[0], known)
		ts.Check(err)
	}
	verifier, err := signature.NewVerifier(args[0], []string{known})
	ts.Check(err)
	_, err = verifier.Verify(signature.Request{Method: r.Method, URL: r.URL, Header: h, Body: []byte(ts.ReadFile(args[2]))}, time.Now())
	if (err == nil) == neg {
		ts.Fatalf("verified: %v", err)
	}
}

// junit FILE TESTS FAILURES SKIPPED: what a file of JUnit counts.
func junit(ts *testscript.TestScript, _ bool, args []string) {
	var report struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []struct {
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	ts.Check(xml.Unmarshal([]byte(ts.ReadFile(args[0])), &report))
	var tests, failures, skipped int
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	got := []string{strconv.Itoa(tests), strconv.Itoa(failures), strconv.Itoa(skipped)}
	if !slices.Equal(got, args[1:]) || tests != report.Tests || failures != report.Failures {
		ts.Fatalf("tests, failures, skipped: %v, want %v; the head says %d and %d", got, args[1:], report.Tests, report.Failures)
	}
}

// [!] json NAME WANT: a value of the JSON object in stdout; NAME may go down with dots.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for name := range strings.SplitSeq(args[0], ".") {
		object, ok := value.(map[string]any)
		if !ok {
			ts.Fatalf("%s stands in no object", name)
		}
		value = object[name]
	}
	if (fmt.Sprint(value) == args[1]) == neg {
		ts.Fatalf("%s is %v", args[0], value)
	}
}
