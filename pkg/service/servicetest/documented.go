// Package servicetest checks what is true of every service's API, from the service's own tests.
package servicetest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	schemaPath = "#/components/schemas/"
	maxDepth   = 10 // of values within values; types that refer to themselves end there
)

// Documented fails the test unless the OpenAPI document has the members that JSON has, of everything that the API's
// operations take and answer. A value of each type is marshalled with something in every field, and the names of its
// members compared with the properties of its schema: a field of an embedded struct that is not exported is written,
// and yet is none that huma looks at.
//
// Answers of 2xx with a body have to be of a named type, or nothing could be compared.
func Documented(t testing.TB, api huma.API) {
	t.Helper()
	document := api.OpenAPI()
	for path, item := range document.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if o != nil {
				answersNamed(t, path, o)
			}
		}
	}
	schemas := document.Components.Schemas
	compared := 0
	for name, schema := range schemas.Map() {
		of := schemas.TypeFromRef(schemaPath + name)
		if of == nil || of.Kind() != reflect.Struct {
			continue
		}
		compared++
		if written, told := members(t, of), slices.Sorted(maps.Keys(schema.Properties)); !slices.Equal(written, told) {
			t.Errorf("%s is documented with %q, and its JSON has %q", name, told, written)
		}
	}
	if compared == 0 {
		t.Error("the document has no schemas")
	}
}

// answersNamed fails the test when the body of a success has a schema without a name.
func answersNamed(t testing.TB, path string, o *huma.Operation) {
	t.Helper()
	for status, response := range o.Responses {
		for media, content := range response.Content {
			if strings.HasPrefix(status, "2") && (content.Schema == nil || !strings.HasPrefix(content.Schema.Ref, schemaPath)) {
				t.Errorf("%s %s answers %s with %s of no named type", o.Method, path, status, media)
			}
		}
	}
}

// members are the names in the JSON of a struct that has something in every field, in their order.
func members(t testing.TB, of reflect.Type) []string {
	t.Helper()
	value := reflect.New(of).Elem()
	fill(value, 0)
	text, err := json.Marshal(value.Interface())
	if err != nil {
		t.Fatalf("%v: %v", of, err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatalf("%v is no JSON object: %v", of, err)
	}
	return slices.Sorted(maps.Keys(object))
}

// fill gives every field that JSON has a value which omitempty does not leave out. Texts are "1": a number, to types that
// write themselves as one.
func fill(v reflect.Value, depth int) {
	if depth > maxDepth {
		return
	}
	if v.CanSet() {
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			return
		case json.RawMessage:
			v.SetBytes([]byte("1"))
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous { // the exported fields of an embedded one are JSON's too
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Pointer:
		if v.CanSet() {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		fillPlain(v)
	}
}

func fillPlain(v reflect.Value) {
	switch one := reflect.ValueOf(1); {
	case v.Kind() == reflect.String:
		v.SetString("1")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Interface && v.NumMethod() == 0:
		v.Set(one)
	case one.CanConvert(v.Type()):
		v.Set(one.Convert(v.Type()))
	}
}
