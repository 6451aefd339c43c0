package service

import (
	"reflect"
	"slices"
	"strings"
)

const fileSuffix = "_FILE"

// Environment holds environment variables by name. One from [ReadEnvironment] holds no empty values: an empty
// variable counts as absent.
type Environment map[string]string

// ReadEnvironment turns lines such as [os.Environ] gives ("NAME=value") into an Environment. When
// fileable(NAME) holds, NAME_FILE names a file whose content is NAME's value, less one trailing newline ("\n"
// or "\r\n"); that is how Docker and Kubernetes hand out secrets. NAME itself wins over NAME_FILE, and an empty
// value, in either place, counts as absent. Of two lines with one name the first counts, as for [os.Getenv].
//
// A file that cannot be read or is over 64 KiB is a Fault of NAME_FILE; file contents never stand in a fault.
func ReadEnvironment(environ []string, fileable func(name string) bool) (Environment, Faults) {
	env := Environment{}
	seen := map[string]bool{}
	for _, line := range environ {
		name, value, found := strings.Cut(line, "=")
		if !found || name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if value != "" {
			env[name] = value
		}
	}
	return env, env.resolveFiles(fileable)
}

// resolveFiles replaces each NAME_FILE of a fileable NAME by NAME.
func (e Environment) resolveFiles(fileable func(name string) bool) Faults {
	var faults Faults
	for _, variable := range e.names() {
		name, isFile := strings.CutSuffix(variable, fileSuffix)
		if !isFile || name == "" || !fileable(name) {
			continue
		}
		path := e[variable]
		delete(e, variable)
		if e[name] != "" {
			continue
		}
		value, err := readLine(path)
		if err != nil {
			faults = append(faults, Fault{variable, "cannot be used: " + err.Error()})
			continue
		}
		if value != "" {
			e[name] = value
		}
	}
	return faults
}

// Unknown lists, sorted, the variables that start with one of the prefixes but belong to no field of into (a
// struct or a pointer to one, as for [Parse]) and are not among also. They are most likely typing errors, which
// a service mentions in a warning when it starts.
func (e Environment) Unknown(prefixes []string, into any, also ...string) []string {
	known := map[string]bool{}
	for _, name := range also {
		known[name] = true
	}
	for _, s := range settingsOf(reflect.TypeOf(into), "") {
		known[s.variable] = true
	}
	var unknown []string
	for _, name := range e.names() {
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if ours && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// names lists the variables, sorted, so that faults and warnings come in the same order every time.
func (e Environment) names() []string {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
