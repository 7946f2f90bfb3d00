package engine

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Metadata is what prompts say of themselves, each in one piece of text: a map takes several
// times the memory.
type Metadata struct {
	names, values names                  // values are those of fields that have few
	kinds         []int                  // of each name: how many values there are
	of            []string               // by the place of the prompt; empty for none
	kept          map[int]map[string]any // what has values of other types than those of JSON
}

// fewValues is how many values of a field are kept once, as those of a language or a source are;
// further ones stand with their prompts.
const fewValues = 256

// The types of values that are packed.
const (
	packedNull = iota
	packedFalse
	packedTrue
	packedNumber
	packedString
	packedValue // one of values
)

// TakeMetadata takes the metadata out of the prompts.
func TakeMetadata(prompts []dataset.Prompt) *Metadata {
	m := &Metadata{names: newNames(), values: newNames(), of: make([]string, len(prompts)),
		kept: map[int]map[string]any{}}
	for i := range prompts {
		p := &prompts[i]
		if p.Metadata == nil {
			continue
		}
		if text, ok := m.pack(p.Metadata); ok {
			m.of[i] = text
		} else {
			m.kept[i] = p.Metadata
		}
		p.Metadata = nil
	}
	return m
}

// pack is a map as a text: how many values there are, and of each the number of its name, its
// type and what the type does not say. ok is false if there is another type.
func (m *Metadata) pack(values map[string]any) (text string, ok bool) {
	b := binary.AppendUvarint(nil, uint64(len(values)))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		n := m.names.of(name)
		b = binary.AppendUvarint(b, uint64(n))
		switch v := values[name].(type) {
		case nil:
			b = append(b, packedNull)
		case bool:
			if b = append(b, packedFalse); v {
				b[len(b)-1] = packedTrue
			}
		case float64:
			b = binary.LittleEndian.AppendUint64(append(b, packedNumber), math.Float64bits(v))
		case string:
			if value, ok := m.value(n, v); ok {
				b = binary.AppendUvarint(append(b, packedValue), uint64(value))
			} else {
				b = append(binary.AppendUvarint(append(b, packedString), uint64(len(v))), v...)
			}
		default:
			return "", false
		}
	}
	return string(b), true
}

// value is the number of a value, if its field has few or another had it before.
func (m *Metadata) value(name uint32, v string) (uint32, bool) {
	if n, ok := m.values.number[v]; ok {
		return n, true
	}
	for int(name) >= len(m.kinds) {
		m.kinds = append(m.kinds, 0)
	}
	if m.kinds[name] == fewValues {
		return 0, false
	}
	m.kinds[name]++
	return m.values.of(v), true
}

// at is the metadata of the prompt at a place, in a map of its own if it was packed.
func (m *Metadata) at(i int) map[string]any {
	if kept, ok := m.kept[i]; ok || m.of[i] == "" {
		return kept
	}
	text := m.of[i]
	number := func() int {
		n, size := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
		text = text[size:]
		return int(n)
	}
	take := func(n int) (s string) {
		s, text = text[:n], text[n:]
		return s
	}
	n := number()
	out := make(map[string]any, n)
	for range n {
		name := m.names.list[number()]
		switch take(1)[0] {
		case packedNull:
			out[name] = nil
		case packedFalse:
			out[name] = false
		case packedTrue:
			out[name] = true
		case packedNumber:
			out[name] = math.Float64frombits(binary.LittleEndian.Uint64([]byte(take(8))))
		case packedString:
			out[name] = take(number())
		default:
			out[name] = m.values.list[number()]
		}
	}
	return out
}
