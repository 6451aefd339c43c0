package service

import "strings"

// Fault is one thing wrong with one environment variable.
type Fault struct {
	Variable string // the variable's name, as the operator wrote it
	Problem  string // a phrase that follows the name, such as "must be set"
}

// String is "VARIABLE: problem".
func (f Fault) String() string { return f.Variable + ": " + f.Problem }

// Faults are all the things wrong with an environment. They are collected rather than returned one by one, so
// that an operator mends a configuration in one go.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Err is the faults as an error, and nil when there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
