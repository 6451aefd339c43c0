package doctor

import (
	"encoding/xml"
	"io"
	"strconv"
	"time"
)

// The elements that readers of JUnit's XML agree on (https://github.com/testmoapp/junitxml).
type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitDetail `xml:"failure"`
	Error   *junitDetail `xml:"error"`
	Skipped *junitDetail `xml:"skipped"`
	Out     string       `xml:"system-out,omitempty"`
}

type junitDetail struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML: a failed case is a failure, one that is not known an error, one that is not
// applicable is skipped.
func (r Report) WriteJUnit(to io.Writer) error {
	suite := junitSuite{
		Name: "producer doctor", Tests: len(r.Findings), Failures: r.Count(Failed), Errors: r.Count(Unknown),
		Skipped: r.Count(NotApplicable), Time: seconds(r.Took), Timestamp: r.Began.UTC().Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{{"url", r.URL}, {"scheme", r.Scheme}},
	}
	for _, f := range r.Findings {
		c := junitCase{Class: "doctor." + r.Scheme, Name: f.Case, Time: seconds(f.Took)}
		detail := &junitDetail{Message: f.Detail, Type: f.Case, Text: f.Title + ": " + f.Detail}
		switch f.Outcome {
		case Failed:
			c.Failure = detail
		case Unknown:
			c.Error = detail
		case NotApplicable:
			c.Skipped = &junitDetail{Message: f.Detail}
		case Passed:
			c.Out = f.Title + ": " + f.Detail
		}
		suite.Cases = append(suite.Cases, c)
	}
	document, err := xml.MarshalIndent(junitSuites{
		Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Skipped: suite.Skipped, Time: suite.Time, Suite: suite,
	}, "", "  ")
	if err != nil {
		return err
	}
	_, err = to.Write([]byte(xml.Header + string(document) + "\n"))
	return err
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
