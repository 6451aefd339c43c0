package service

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Parse fills into, a pointer to a struct with env tags as github.com/caarlos0/env/v11 reads them, from the
// environment, and reports everything that is wrong at once, by variable.
//
// Two things beyond that library: the value of a field with the tag `secret:"true"` never appears in a fault,
// and the text of an UnmarshalText error that starts with "must " is used as the fault's problem as it stands.
// Nested structs may have an envPrefix; slices of structs are not supported.
func Parse(environ Environment, into any) Faults {
	err := env.ParseWithOptions(into, env.Options{Environment: nonNil(environ)})
	if err == nil {
		return nil
	}
	// The library names the struct's field in its errors, and a field of a nested struct may stand for several
	// variables. So each field is tried alone to learn which variable is at fault.
	var faults Faults
	for _, s := range settingsOf(reflect.TypeOf(into), "") {
		if problem := s.problem(environ); problem != "" {
			faults = append(faults, Fault{s.variable, problem})
		}
	}
	if len(faults) == 0 {
		faults = Faults{{"environment", err.Error()}}
	}
	return faults
}

// nonNil keeps the library from falling back on the process's own environment.
func nonNil(environ Environment) map[string]string {
	if environ == nil {
		return map[string]string{}
	}
	return environ
}

// setting is a struct's field that one variable fills.
type setting struct {
	variable string
	prefix   string
	field    reflect.StructField
}

// settingsOf lists the settings in t and the structs nested in it, in the order of their fields.
func settingsOf(t reflect.Type, prefix string) []setting {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var settings []setting
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case !field.IsExported() || name == "-":
		case name != "":
			settings = append(settings, setting{prefix + name, prefix, field})
		case nests(field):
			settings = append(settings, settingsOf(field.Type, prefix+field.Tag.Get("envPrefix"))...)
		}
	}
	return settings
}

// nests says whether settings are looked for inside a field that is none itself. Pointers are followed only
// when the field is marked for it, because types may point to themselves.
func nests(field reflect.StructField) bool {
	_, prefixed := field.Tag.Lookup("envPrefix")
	_, tagged := field.Tag.Lookup("env")
	return field.Type.Kind() == reflect.Struct || prefixed || tagged
}

// problem parses the one setting and words what is wrong with it; "" when nothing is.
func (s setting) problem(environ Environment) string {
	alone := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: s.field.Name, Type: s.field.Type, Tag: s.field.Tag,
	}}))
	err := env.ParseWithOptions(alone.Interface(), env.Options{Environment: nonNil(environ), Prefix: s.prefix})
	if err == nil {
		return ""
	}
	var (
		unset  env.VarIsNotSetError
		empty  env.EmptyVarError
		failed env.ParseError
	)
	switch {
	case errors.As(err, &unset):
		return "must be set"
	case errors.As(err, &empty):
		return "must not be empty"
	case errors.As(err, &failed):
		return s.unparsable(environ, failed.Err)
	default:
		return s.hide("cannot be read", ": "+err.Error())
	}
}

// unparsable words a value that does not fit the field's type.
func (s setting) unparsable(environ Environment, cause error) string {
	value, given := environ[s.variable]
	if !given {
		value = s.field.Tag.Get("envDefault")
	}
	but := fmt.Sprintf(", not %q", value)
	t := s.field.Type
	if isText(t) {
		return s.textProblem(cause, but)
	}
	expected := expectation(t)
	if errors.Is(cause, strconv.ErrRange) {
		expected += inRange(t)
	}
	if kind := t.Kind(); (kind == reflect.Slice || kind == reflect.Map) && expected == "" {
		if isText(t.Elem()) {
			return s.textProblem(cause, but)
		}
		expected = "a list in which each part is " + expectation(t.Elem())
	}
	if expected == "" {
		return s.hide("is not valid", ": "+cause.Error())
	}
	return s.hide("must be "+expected, but)
}

func (s setting) textProblem(cause error, but string) string {
	if strings.HasPrefix(cause.Error(), "must ") && !s.secret() {
		return cause.Error() + but
	}
	return s.hide("is not valid", ": "+cause.Error())
}

func (s setting) secret() bool { return s.field.Tag.Get("secret") == "true" }

// hide leaves out the part of a problem that may quote the value, when the value is a secret.
func (s setting) hide(public, quoting string) string {
	if s.secret() {
		return public
	}
	return public + quoting
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// expectation says what a value of type t looks like; "" when there are no words for it.
func expectation(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 30s or 5m"
	case reflect.TypeFor[url.URL]():
		return "a URL such as https://example.com/path"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number such as 0.5"
	default:
		return ""
	}
}

// inRange completes the expectation of a number that is too large or too small for its type.
func inRange(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		limit := uint64(1) << (t.Bits() - 1)
		return fmt.Sprintf(" from -%d to %d", limit, limit-1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf(" up to %d", ^uint64(0)>>(64-t.Bits()))
	default:
		return ""
	}
}
