package jsonline

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Fault is what is wrong in a file, and where.
type Fault struct {
	At   int64 // offset in bytes
	Line int   // from 1
	Say  string
}

func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Say) }

// Strict decodes b, a file that a person wrote, into v. A key that v has no field for is refused, as are one that
// stands twice and whatever follows the value: each would otherwise be a default in disguise. A byte order mark before
// the value is skipped. The error is a [*Fault], which names the field, and no type of Go.
func Strict(b []byte, v any) error {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	fault := func(at int64, say string) error { return &Fault{at, lineOf(b, at), say} }
	if len(bytes.TrimSpace(b)) == 0 {
		return fault(0, "the file is empty")
	}
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	err := json.UnmarshalDecode(dec, v, json.RejectUnknownMembers(true))
	var (
		syntactic *jsontext.SyntacticError
		semantic  *json.SemanticError
	)
	switch {
	case err == nil:
		end := dec.InputOffset()
		if rest := bytes.TrimSpace(b[end:]); len(rest) > 0 {
			return fault(end+int64(bytes.Index(b[end:], rest)), "something follows the value: want one")
		}
		return nil
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntactic):
		return fault(syntactic.ByteOffset, fmt.Sprintf("field %q stands twice", syntactic.JSONPointer.LastToken()))
	case errors.As(err, &syntactic):
		return fault(syntactic.ByteOffset, strings.TrimPrefix(syntactic.Err.Error(), "jsontext: "))
	case errors.As(err, &semantic):
		return fault(semantic.ByteOffset, semanticWords(semantic))
	}
	return err
}

func semanticWords(e *json.SemanticError) string {
	name := e.JSONPointer.LastToken()
	if errors.Is(e, json.ErrUnknownName) {
		return fmt.Sprintf("unknown field %q: known are %s", name, strings.Join(fields(e.GoType), ", "))
	}
	if e.JSONPointer == "" || len(name) > 0 && name[0] >= '0' && name[0] <= '9' {
		return fmt.Sprintf("%s, where %s should be", kind(e.JSONKind), wanted(e.GoType))
	}
	if e.JSONKind == '0' && wanted(e.GoType) == "a number" {
		return fmt.Sprintf("field %q holds %s, where %s in range should be", name, e.JSONValue, number(e.GoType))
	}
	return fmt.Sprintf("field %q holds %s, where %s should be", name, kind(e.JSONKind), wanted(e.GoType))
}

func number(t reflect.Type) string {
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 {
		return "a whole number"
	}
	return "a number"
}

// fields are the keys of a struct.
func fields(t reflect.Type) []string {
	var out []string
	if t != nil && t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			out = append(out, name)
		}
	}
	return out
}

func kind(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case '[':
		return "an array"
	case '{':
		return "an object"
	}
	return "null"
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Pointer:
		return wanted(t.Elem())
	}
	return "a number"
}

func lineOf(b []byte, at int64) int {
	return 1 + bytes.Count(b[:min(max(at, 0), int64(len(b)))], []byte("\n"))
}
