package rights

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// schemaOf describes data as JSON Schema (2020-12), by its Go type; what the type leaves open, such as
// rows of a database, stays open in the schema.
func schemaOf(title, about string, data any) ([]byte, error) {
	s := schemaType(reflect.TypeOf(data))
	s["$schema"], s["title"], s["description"] = "https://json-schema.org/draft/2020-12/schema", title, about
	return json.MarshalIndent(s, "", "  ")
}

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

func schemaType(t reflect.Type) map[string]any {
	if t == nil {
		return map[string]any{}
	}
	optional := false
	for t.Kind() == reflect.Pointer {
		t, optional = t.Elem(), true
	}
	s := map[string]any{}
	switch {
	case t == reflect.TypeFor[time.Time]():
		s["type"], s["format"] = "string", "date-time"
	case t.Implements(textMarshaler):
		s["type"] = "string"
	case t.Implements(jsonMarshaler):
	case t.Kind() == reflect.Struct:
		return nullable(schemaStruct(t), optional)
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		s["type"], s["items"] = "array", schemaType(t.Elem())
	case t.Kind() == reflect.Map:
		s["type"], s["additionalProperties"] = "object", schemaType(t.Elem())
	case t.Kind() == reflect.String:
		s["type"] = "string"
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		s["type"] = "number"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		s["type"] = "integer"
	}
	return nullable(s, optional)
}

func nullable(s map[string]any, optional bool) map[string]any {
	if kind, ok := s["type"].(string); ok && optional {
		s["type"] = []string{kind, "null"}
	}
	return s
}

func schemaStruct(t reflect.Type) map[string]any {
	fields, required := map[string]any{}, []string{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = schemaType(f.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": fields, "required": required, "additionalProperties": false}
}
