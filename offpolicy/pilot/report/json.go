package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	cleaning "github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/jsonline"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// JSON writes v as report.json: indented by two spaces, keys in the order of the
// struct's fields and maps by key, so that equal verdicts are equal bytes. A
// missing [dataset.Float] is null, a list or map without elements is [] or {}
// and never null, bytes that are not UTF-8 become U+FFFD, and <, > and & stand as
// they are. v is not changed.
//
// Errors name the field that JSON cannot hold (an infinity, or a NaN in a plain
// float64); nothing is written then.
func JSON(w io.Writer, v *pilot.Verdict) error {
	mustHave(v)
	tidy, err := tidied(reflect.ValueOf(*v), "")
	if err != nil {
		return fmt.Errorf("report: JSON: %w", err)
	}
	enc := json.NewEncoder(cleaned{w}) // it writes once, when all of it is there
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(tidy.Interface()); err != nil {
		return fmt.Errorf("report: JSON: %w", err)
	}
	return nil
}

// cleaned writes whole texts of JSON without characters that act on a reader.
type cleaned struct{ to io.Writer }

func (c cleaned) Write(b []byte) (int, error) {
	if _, err := c.to.Write(cleaning.JSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read reads what [JSON] wrote. name is what errors call the file. Keys that
// this version does not know are skipped. An absent or null number is an error
// that names the field, because 0 would be a value that nobody measured; only a
// [dataset.Float] may be null, or absent, and is missing then.
func Read(r io.Reader, name string) (*pilot.Verdict, error) {
	fail := func(err error) (*pilot.Verdict, error) {
		return nil, fmt.Errorf("report: read %s: %w", name, err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return fail(err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return fail(errors.New("the file is empty; render the report again"))
	}
	var (
		v   pilot.Verdict
		raw any
	)
	if err := json.Unmarshal(b, &raw); err != nil {
		return fail(jsonline.Error(b, err))
	}
	if _, ok := raw.(map[string]any); !ok {
		return fail(errors.New("want one JSON object: is this a report.json?"))
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return fail(jsonline.Error(b, err))
	}
	switch {
	case v.SchemaVersion > record.SchemaVersion:
		return fail(fmt.Errorf("schema_version is %d and this program reads up to %d: use a newer one", v.SchemaVersion,
			record.SchemaVersion))
	case v.SchemaVersion < 1:
		return fail(errors.New("schema_version is absent or below 1: is this a report.json?"))
	case v.SchemaVersion < record.SchemaVersion:
		return fail(fmt.Errorf("schema_version is %d, of an earlier build, and this program reads %d: read it with that "+
			"build, or run again",
			v.SchemaVersion, record.SchemaVersion))
	}
	if err := complete(reflect.ValueOf(&v).Elem(), raw, ""); err != nil {
		return fail(err)
	}
	switch v.Decision {
	case record.GO, record.HOLD, record.NoGo, "": // "" while a run has nothing to decide on
	default:
		return fail(fmt.Errorf("decision is %q: want %q, %q or %q", v.Decision, record.GO, record.HOLD, record.NoGo))
	}
	for i, c := range v.Checks {
		if severity(c.Status) < 0 {
			return fail(fmt.Errorf("checks[%d] (%s): status is %q: want fail, hold, info, not_applicable or pass", i, c.ID,
				c.Status))
		}
	}
	return &v, nil
}

// tidied is a deep copy of v with empty lists and maps in place of nil ones and
// valid UTF-8 in place of bytes that are not. It reports the first number that JSON cannot hold by its path.
func tidied(v reflect.Value, at string) (reflect.Value, error) {
	switch v.Kind() {
	case reflect.Float64:
		x := v.Float()
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return v, fmt.Errorf("%s is %v, which JSON cannot hold; record it as missing, or the item as failed", at, x)
		}
		return v, nil
	case reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(strings.ToValidUTF8(v.String(), "\uFFFD"))
		return out, nil
	case reflect.Pointer:
		if v.IsNil() {
			return v, nil
		}
		elem, err := tidied(v.Elem(), at)
		if err != nil {
			return v, err
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(elem)
		return out, nil
	case reflect.Struct:
		switch x := v.Interface().(type) {
		case time.Time:
			return v, nil
		case dataset.Float:
			if math.IsInf(x.OrNaN(), 0) {
				return v, fmt.Errorf("%s is %v, which JSON cannot hold; record it as missing, or the item as failed", at, x)
			}
			return v, nil
		}
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == "-" {
				continue
			}
			f, err := tidied(v.Field(i), join(at, jsonName(v.Type().Field(i))))
			if err != nil {
				return v, err
			}
			out.Field(i).Set(f)
		}
		return out, nil
	case reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			e, err := tidied(v.Index(i), fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return v, err
			}
			out.Index(i).Set(e)
		}
		return out, nil
	case reflect.Map:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			k, _ := tidied(it.Key(), at)
			e, err := tidied(it.Value(), join(at, it.Key().String()))
			if err != nil {
				return v, err
			}
			out.SetMapIndex(k, e)
		}
		return out, nil
	}
	return v, nil
}

// leaves are structs that are one value in JSON.
var leaves = map[reflect.Type]bool{reflect.TypeFor[dataset.Float](): true, reflect.TypeFor[time.Time](): true}

// complete compares a decoded value with the JSON it came from: it reports a
// number that may not be missing and is absent or null.
func complete(v reflect.Value, raw any, at string) error {
	switch v.Kind() {
	case reflect.Float64, reflect.Int, reflect.Uint64, reflect.Bool:
		if raw != nil {
			return nil
		}
		return fmt.Errorf("%s is absent or null: nothing may stand in for it; render the report again", at)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return complete(v.Elem(), raw, at)
	case reflect.Struct:
		if leaves[v.Type()] {
			return nil
		}
		obj, _ := raw.(map[string]any)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag.Get("json") == "-" {
				continue
			}
			in, ok := obj[jsonName(f)]
			if !ok && strings.HasSuffix(f.Tag.Get("json"), ",omitempty") {
				continue
			}
			if err := complete(v.Field(i), in, join(at, jsonName(f))); err != nil {
				return err
			}
		}
	case reflect.Slice:
		list, _ := raw.([]any)
		for i := range v.Len() {
			var in any
			if i < len(list) {
				in = list[i]
			}
			if err := complete(v.Index(i), in, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		obj, _ := raw.(map[string]any)
		for it := v.MapRange(); it.Next(); {
			elem := reflect.New(v.Type().Elem()).Elem() // map elements cannot be set in place
			elem.Set(it.Value())
			if err := complete(elem, obj[it.Key().String()], join(at, it.Key().String())); err != nil {
				return err
			}
		}
	}
	return nil
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
