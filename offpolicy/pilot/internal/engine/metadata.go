package engine

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Metadata is what prompts say of themselves, packed into one text: a map each takes several
// times the memory.
type Metadata struct {
	names, values names // values are those of fields that have few
	kinds         []int // of each name: how many values there are
	text          string
	end           []uint64               // by the place of the prompt: where what it has in text ends
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
	m := &Metadata{names: newNames(), values: newNames(), end: make([]uint64, len(prompts)),
		kept: map[int]map[string]any{}}
	var all []byte
	for i := range prompts {
		p := &prompts[i]
		if p.Metadata != nil {
			packed, ok := m.pack(all, p.Metadata)
			if all = packed; !ok {
				m.kept[i] = p.Metadata
			}
			p.Metadata = nil
		}
		m.end[i] = uint64(len(all))
	}
	m.text = string(all)
	return m
}

// pack appends a map: how many values there are, and of each the number of its name, its
// type and what the type does not say. If there is another type, ok is false and nothing is appended.
func (m *Metadata) pack(to []byte, values map[string]any) (b []byte, ok bool) {
	b = binary.AppendUvarint(to, uint64(len(values)))
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
			return to, false
		}
	}
	return b, true
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
	text := m.text[:m.end[i]]
	if i > 0 {
		text = text[m.end[i-1]:]
	}
	if text == "" {
		return m.kept[i]
	}
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
