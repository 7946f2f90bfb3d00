package offpolicy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
)

// ErrOtherPlan is wrapped where parts of different evaluations would be put together.
var ErrOtherPlan = errors.New("they are parts of different evaluations")

// hash is the SHA-256 of the plan: parts of one evaluation agree in it.
func (p Plan) hash() [sha256.Size]byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic("offpolicy: plan: " + err.Error()) // never: strings, and numbers that are finite
	}
	return sha256.Sum256(append([]byte(tableVersion), b...))
}

// Merge adds all that o holds; o stays as it is. Tables of different plans are refused, by
// an error that wraps [ErrOtherPlan], and so is t itself. It panics if either has been
// evaluated.
func (t *Table) Merge(o *Table) error {
	if t.sorted || o.sorted {
		panic("offpolicy: table: it has been evaluated, and takes nothing more")
	}
	if t == o {
		return errors.New("offpolicy: merge: a table with itself: its rows would count twice; merge another")
	}
	if t.plan.hash() != o.plan.hash() {
		return fmt.Errorf("offpolicy: merge: logging policy %q and judge %q, or what their log-probs are of, against %q "+
			"and %q: %w; read both with one plan", t.plan.Logging, t.plan.Judge, o.plan.Logging, o.plan.Judge, ErrOtherPlan)
	}
	code := make([]int32, len(o.prompts))
	for k, id := range o.prompts {
		code[k] = t.promptCode(id)
	}
	for _, p := range o.prompt {
		t.prompt = append(t.prompt, code[p])
	}
	from := t.columns()
	for k, column := range o.columns() {
		*from[k] = append(*from[k], *column...)
	}
	rows := t.rows + o.rows
	for k, columns := range t.byPolicy() {
		for policy, v := range columns {
			columns[policy] = padded(v, t.rows)
		}
		for policy, v := range o.byPolicy()[k] {
			columns[policy] = append(padded(columns[policy], t.rows), v...)
		}
	}
	t.logger.merge(&o.logger, t.rows)
	for kind, c := range o.segment {
		if t.segment[kind] == nil {
			t.segment[kind] = &codes{}
		}
		t.segment[kind].merge(c, t.rows)
	}
	t.rows = rows
	for policy, draws := range o.draws {
		columnsOf(t.draws, policy).merge(draws, code)
	}
	for policy, probes := range o.probes {
		columnsOf(t.probes, policy).merge(probes, code)
	}
	t.records, t.unnamed = t.records+o.records, t.unnamed+o.unnamed
	for _, note := range o.notes {
		if !slices.Contains(t.notes, note) {
			t.notes = append(slices.Clip(t.notes), note)
		}
	}
	slices.Sort(t.notes)
	return nil
}

// merge adds o's rows behind n rows.
func (c *codes) merge(o *codes, n int) {
	if len(o.code) == 0 {
		return
	}
	c.fill(n)
	code := make([]int32, len(o.names))
	for k, name := range o.names {
		code[k] = c.of(name)
	}
	for _, k := range o.code {
		c.code = append(c.code, code[k])
	}
}

// columns are the numbers that every row has a place for.
func (t *Table) columns() []*[]float64 {
	return []*[]float64{&t.score, &t.label, &t.inclusion, &t.length, &t.covariate}
}

// tableVersion begins every state; it changes with the layout.
const tableVersion = "reweigh table 1\n"

// tableCoder walks over a table's fields in one order, writing them to buf or reading
// them from it.
type tableCoder struct {
	buf  []byte
	read bool
	err  error
}

func (s *tableCoder) fail() {
	s.buf, s.err = nil, errState
}

// size codes a length, of items that take at least one byte in so many.
func (s *tableCoder) size(n *int, per int) {
	if !s.read {
		s.buf = binary.AppendUvarint(s.buf, uint64(*n))
		return
	}
	v, k := binary.Uvarint(s.buf)
	if k <= 0 || v > uint64(len(s.buf))*uint64(per) {
		s.fail()
		*n = 0
		return
	}
	*n, s.buf = int(v), s.buf[k:]
}

func (s *tableCoder) string(v *string) {
	n := len(*v)
	s.size(&n, 1)
	if !s.read {
		s.buf = append(s.buf, *v...)
		return
	}
	if n > len(s.buf) {
		s.fail()
		return
	}
	*v, s.buf = string(s.buf[:n]), s.buf[n:]
}

func (s *tableCoder) strings(v *[]string) {
	n := len(*v)
	s.size(&n, 1)
	if s.read {
		*v = make([]string, n)
	}
	for i := range *v {
		s.string(&(*v)[i])
	}
}

// codes codes indices into a list of limit items.
func (s *tableCoder) codes(v *[]int32, limit func() int) {
	n := len(*v)
	s.size(&n, 1)
	if !s.read {
		for _, k := range *v {
			s.buf = binary.AppendUvarint(s.buf, uint64(k))
		}
		return
	}
	*v = make([]int32, n)
	for i := range *v {
		k, used := binary.Uvarint(s.buf)
		if used <= 0 || k >= uint64(limit()) {
			s.fail()
			return
		}
		(*v)[i], s.buf = int32(k), s.buf[used:]
	}
}

// floats codes a column: a bit for each that is known, and those in eight bytes each.
func (s *tableCoder) floats(v *[]float64) {
	n := len(*v)
	s.size(&n, 8)
	known := (n + 7) / 8
	if !s.read {
		bits := len(s.buf)
		s.buf = append(s.buf, make([]byte, known)...)
		for i, x := range *v {
			if !math.IsNaN(x) {
				s.buf[bits+i/8] |= 1 << (i % 8)
				s.buf = binary.BigEndian.AppendUint64(s.buf, math.Float64bits(x))
			}
		}
		return
	}
	if known > len(s.buf) {
		s.fail()
		return
	}
	bits := s.buf[:known]
	s.buf = s.buf[known:]
	*v = make([]float64, n)
	for i := range *v {
		if (*v)[i] = math.NaN(); bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if len(s.buf) < 8 {
			s.fail()
			return
		}
		(*v)[i], s.buf = math.Float64frombits(binary.BigEndian.Uint64(s.buf)), s.buf[8:]
	}
}

// keys codes the keys of a map, sorted.
func keys[T any](s *tableCoder, m map[string]T) []string {
	names := slices.Sorted(maps.Keys(m))
	s.strings(&names)
	return names
}

func (t *Table) code(s *tableCoder) {
	plan, err := json.Marshal(t.plan)
	if err != nil {
		s.err = err
		return
	}
	text := string(plan)
	s.string(&text)
	if s.read && s.err == nil && json.Unmarshal([]byte(text), &t.plan) != nil {
		s.fail()
	}
	s.strings(&t.prompts)
	s.codes(&t.prompt, func() int { return len(t.prompts) })
	t.rows = len(t.prompt)
	for _, column := range t.columns() {
		s.floats(column)
	}
	t.logger.state(s)
	for _, columns := range t.byPolicy() {
		for _, name := range keys(s, columns) {
			column := columns[name]
			s.floats(&column)
			columns[name] = column
		}
	}
	for _, name := range keys(s, t.segment) {
		if s.read {
			t.segment[name] = &codes{}
		}
		t.segment[name].state(s)
	}
	for _, m := range []map[string]*drawColumns{t.draws, t.probes} {
		for _, name := range keys(s, m) {
			columnsOf(m, name).state(s, len(t.prompts))
		}
	}
	s.strings(&t.notes)
	s.size(&t.records, math.MaxInt32)
	s.size(&t.unnamed, math.MaxInt32)
}

func (c *codes) state(s *tableCoder) {
	s.strings(&c.names)
	s.codes(&c.code, func() int { return len(c.names) })
	if s.read && len(c.names) > 0 {
		c.index = map[string]int32{}
		for k, name := range c.names[1:] {
			c.index[name] = int32(k + 1)
		}
	}
}

// whole reports whether every column has the length that it ought to.
func (t *Table) whole() bool {
	for _, column := range t.columns() {
		if len(*column) != t.rows {
			return false
		}
	}
	for _, columns := range t.byPolicy() {
		for _, v := range columns {
			if len(v) > t.rows {
				return false
			}
		}
	}
	for _, c := range append(slices.Collect(maps.Values(t.segment)), &t.logger) {
		if len(c.code) > t.rows || len(c.names) > 0 && c.names[0] != "" {
			return false
		}
	}
	return true
}

// MarshalBinary returns the table's state: about 8 bytes for each number that is known
// and the prompts' ids. It implements [encoding.BinaryMarshaler], and panics if the table
// has been evaluated.
func (t *Table) MarshalBinary() ([]byte, error) {
	if t.sorted {
		panic("offpolicy: table: it has been evaluated, and has no state")
	}
	hash := t.plan.hash()
	s := &tableCoder{buf: append([]byte(tableVersion), hash[:]...)}
	t.code(s)
	return binary.BigEndian.AppendUint32(s.buf, crc32.ChecksumIEEE(s.buf)), s.err
}

// UnmarshalBinary replaces the table by the one whose state is given. It implements
// [encoding.BinaryUnmarshaler]. A state that is damaged, or of another version, is an
// error and changes nothing.
func (t *Table) UnmarshalBinary(state []byte) error {
	if len(state) < len(tableVersion) || string(state[:len(tableVersion)]) != tableVersion {
		return fmt.Errorf("offpolicy: table state: it does not begin with %q: it is no state, or another version's; read "+
			"the rows again", tableVersion)
	}
	out := NewTable(Plan{})
	s := &tableCoder{buf: state, read: true}
	end := len(state) - 4
	if end < len(tableVersion)+sha256.Size || crc32.ChecksumIEEE(state[:end]) != binary.BigEndian.Uint32(state[end:]) {
		s.fail()
	} else {
		s.buf = state[len(tableVersion)+sha256.Size : end]
		out.code(s)
	}
	if s.err == nil {
		hash := out.plan.hash()
		if len(s.buf) > 0 || !out.whole() || string(hash[:]) != string(state[len(tableVersion):][:sha256.Size]) {
			s.fail()
		}
	}
	if s.err != nil {
		return fmt.Errorf("offpolicy: table state: %w; read the rows again", s.err)
	}
	for k, id := range out.prompts {
		out.index[id] = int32(k)
	}
	if len(out.index) != len(out.prompts) {
		return fmt.Errorf("offpolicy: table state: %w; read the rows again", errState)
	}
	*t = *out
	return nil
}
