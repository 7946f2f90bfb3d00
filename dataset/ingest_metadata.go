package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// scalars is the metadata of a conversation.
func (row *parsedRow) scalars() (map[string]any, error) {
	meta := map[string]any{}
	for _, f := range row.fields {
		if f.name == row.idField || f.raw[0] == '[' || f.raw[0] == '{' || string(f.raw) == "null" || row.text55k(f.name) {
			delete(meta, f.name)
			continue // the turns, and other lists and objects
		}
		if f.raw[0] == '"' && (f.name == "conversation_a" || f.name == "conversation_b" || f.name == "conversation" ||
			f.name == "full_conversation") {
			continue // turns as text
		}
		v, err := decodeAny(f.raw)
		if err != nil {
			return meta, fmt.Errorf("field %q: %w", f.name, err)
		}
		meta[f.name] = v
	}
	return meta, nil
}

func (row *parsedRow) text55k(name string) bool {
	return row.format == FormatArena55k && (name == "prompt" || name == "response_a" || name == "response_b")
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
		if err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
		meta[f.name] = v
		return nil
	}
	for _, f := range nested {
		if err := add(f); err != nil {
			return nil, err
		}
	}
	if row.format == FormatCJE {
		if row.idField == "prompt_id" {
			delete(meta, "prompt_id")
		}
		for _, name := range notOfThePrompt {
			delete(meta, name)
		}
		return meta, nil
	}
	for _, f := range row.fields {
		switch f.name {
		case "prompt", "messages", "metadata", row.idField:
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

// decodeAny decodes as encoding/json does into any, except that an integer whose
// digits a float64 would change stays text: ids and time stamps may be that long.
func decodeAny(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
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
