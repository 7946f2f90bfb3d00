package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scalars is the metadata of a conversation.
func (row *parsedRow) scalars() (map[string]any, error) {
	meta := map[string]any{}
	for _, f := range row.fields {
		if !row.keeps(f) {
			continue
		}
		v, err := decodeAny(f.raw)
		if err != nil {
			return meta, blamed(f.name, err)
		}
		meta[f.name] = v
	}
	return meta, nil
}

// keeps reports whether a field is metadata.
func (row *parsedRow) keeps(f field) bool {
	if f.name == row.idField || slices.Contains(row.shape.texts, f.name) {
		return false
	}
	switch {
	case row.shape.format == formatCJE: // its other fields are not about the prompt
		return false
	case row.shape.plain:
		switch f.name {
		case "prompt", "messages", "metadata":
			return false
		}
		return !slices.Contains(systemNames, f.name) || row.systemIn != f.name
	}
	return f.raw[0] != '[' && f.raw[0] != '{' && string(f.raw) != "null" && row.systemIn != f.name
}

// holdable checks that the metadata of a row can be kept as they are.
func (row *parsedRow) holdable() error {
	nested, err := row.nested()
	if err != nil {
		return err
	}
	for _, fs := range [...]fields{row.fields, nested} {
		for i, f := range fs {
			if len(fs) == len(row.fields) && !row.keeps(f) {
				continue
			}
			if half := surrogateIn(f.raw); half != nil {
				return blamed(f.name, halfPair(half))
			}
			if strings.HasPrefix(f.name, `"`) { // nameOf left it as it is written
				if half := surrogateIn([]byte(f.name)); half != nil {
					return fmt.Errorf("a field's name: %w", halfPair(half))
				}
			}
			if tooDeep(f.raw) {
				return fmt.Errorf("field %q nests lists and objects more than %d deep", f.name, maxKeptDepth)
			}
			for _, other := range fs[:i] {
				if other.name == f.name {
					return fmt.Errorf("field %q is there twice", f.name)
				}
			}
		}
	}
	return nil
}

// maxKeptDepth is how deep a field of the metadata may nest. Python's reader, among others,
// gives up at some hundreds, and prompts.jsonl is for others to read.
const maxKeptDepth = 100

func tooDeep(raw []byte) bool {
	if len(raw) <= 2*maxKeptDepth || raw[0] != '[' && raw[0] != '{' {
		return false
	}
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i, _ = skipString(raw, i) // scanned before
			i--
		case '[', '{':
			if depth++; depth > maxKeptDepth {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// plainMetadata is every other field of a plain row, and the metadata object's of
// a CJE row, whose other fields are not about the prompt.
func (row *parsedRow) plainMetadata() (map[string]any, error) {
	meta := map[string]any{}
	nested, err := row.nested()
	if err != nil {
		return nil, err
	}
	add := func(f field) error {
		v, err := decodeAny(f.raw)
		meta[f.name] = v
		return blamed(f.name, err)
	}
	for _, f := range nested {
		if err := add(f); err != nil {
			return nil, err
		}
	}
	if row.shape.format == formatCJE {
		if row.idField == "prompt_id" {
			delete(meta, "prompt_id")
		}
		for _, name := range notOfThePrompt {
			delete(meta, name)
		}
		return meta, nil
	}
	for _, f := range row.fields {
		if !row.keeps(f) {
			continue
		}
		if err := add(f); err != nil {
			return nil, err
		}
	}
	return meta, nil
}

// stratum is the value of a metadata field, as text.
func (row *parsedRow) stratum(name string) (string, error) {
	nested, err := row.nested()
	if err != nil {
		return "", err
	}
	raw := row.fields.get(name)
	if raw == nil {
		raw = nested.get(name)
	}
	if raw == nil {
		return "", nil
	}
	v, err := decodeAny(raw)
	if err != nil {
		return "", err
	}
	return stratumOf(v), nil
}

// decodeAny decodes a value that [skipValue] has passed as encoding/json does into any, except that an integer whose
// digits a float64 would change stays text: ids and time stamps may be that long.
func decodeAny(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	// Most values are scalars, of millions of rows, and a decoder allocates a buffer.
	switch raw[0] {
	case '"':
		if text := raw[1 : len(raw)-1]; bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
			return string(text), nil
		}
	case 't', 'f':
		return raw[0] == 't', nil
	case 'n':
		return nil, nil
	case '[', '{':
	default:
		return plainNumbers(json.Number(raw))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return plainNumbers(v)
}

func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %s is out of range", v)
		}
		if integer := !strings.ContainsAny(string(v), ".eE"); integer && strconv.FormatFloat(f, 'f', -1, 64) != string(v) {
			return string(v), nil
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
