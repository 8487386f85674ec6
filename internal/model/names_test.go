package model

import (
	"encoding"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
)

// TestJSONNames: every field that the JSON of a Snapshot has is named in snake_case,
// those of other packages among them.
func TestJSONNames(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	marshaler, text := reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()
	seen := map[reflect.Type]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if value, ok := typ.FieldByName("Value"); ok && typ.PkgPath() == reflect.TypeFor[maybe.Of[int64]]().PkgPath() {
			walk(value.Type)
			return
		}
		if seen[typ] || typ.Implements(marshaler) || typ.Implements(text) {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-" || !f.IsExported() && !f.Anonymous:
			case f.Anonymous && name == "":
				walk(f.Type)
			case !snake.MatchString(name):
				t.Errorf("%v.%s is %q in the JSON", typ, f.Name, name)
			default:
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[Snapshot]())
	if len(seen) < 30 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}
