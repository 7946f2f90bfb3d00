package parquet

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// node is a column or group of the schema, as it looks in JSON.
type node struct {
	name     string
	quoted   []byte // the name as JSON, with its colon
	path     string
	optional bool
	repeated bool
	def, rep int // the levels at which it is there, and at which it repeats
	first    int // its first leaf
	last     int // and the one after its last
	kind     kind
	children []*node
	// convert writes a leaf's value.
	convert func(b []byte, v parquet.Value) ([]byte, error)
}

type kind int

const (
	leaf   kind = iota
	object      // a struct
	list        // its one child repeats, and that one's one child is the element
	keyed       // a map: its one child repeats, with key and value
)

// newNode builds the tree below a column; of the root's columns only the wanted ones. Levels
// are counted from the root.
func newNode(c *parquet.Column, path string, wanted map[string]bool) (*node, error) {
	quoted, err := appendText(nil, []byte(c.Name()))
	if err != nil {
		return nil, fmt.Errorf("the name of column %q: %w", path, err)
	}
	n := &node{
		name: c.Name(), quoted: append(quoted, ':'), path: path, optional: c.Optional(), repeated: c.Repeated(),
		def: c.MaxDefinitionLevel(), rep: c.MaxRepetitionLevel(),
	}
	if c.Leaf() {
		n.first, n.last = c.Index(), c.Index()+1
		n.convert = converter(c.Type())
		if n.convert == nil {
			return nil, fmt.Errorf("column %s has the type %s, which is not read (convert it to text or a double)", path,
				c.Type())
		}
		return n, nil
	}
	n.kind = object
	for _, child := range c.Columns() {
		at := child.Name()
		if path != "" {
			at = path + "." + at
		} else if !wanted[at] {
			continue
		}
		m, err := newNode(child, at, nil)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, m)
	}
	if len(n.children) == 0 {
		return nil, fmt.Errorf("group %s has no columns", path)
	}
	n.first, n.last = n.children[0].first, n.children[len(n.children)-1].last
	if len(n.children) == 1 && n.children[0].repeated {
		switch logical(c.Type()).(type) {
		case *format.ListType:
			n.kind = list
		case *format.MapType:
			if entries := n.children[0]; entries.kind == object && len(entries.children) == 2 {
				n.kind = keyed
			}
		}
	}
	return n, nil
}

// eachLeaf calls fn for every leaf below n, n among them.
func (n *node) eachLeaf(fn func(*node)) {
	if n.kind == leaf {
		fn(n)
	}
	for _, c := range n.children {
		c.eachLeaf(fn)
	}
}

// element is what an entry of a list holds: the group around it is there for the
// levels only, except in files of the old form, where it is the element itself.
func (n *node) element() *node {
	entry := n.children[0]
	if entry.kind == object && len(entry.children) == 1 && entry.name != "array" && entry.name != n.name+"_tuple" {
		return entry.children[0]
	}
	return entry
}

// valueError is a value that no JSON holds. The rows after it can be read.
type valueError struct {
	path string
	err  error
}

func (e *valueError) Error() string { return fmt.Sprintf("column %s holds %v", e.path, e.err) }

func (e *valueError) Unwrap() error { return e.err }

var errLevels = errors.New("values and levels do not fit together")

// assembler writes one row as JSON. What is where follows from the levels: a
// value's definition level says how much of its path is there, its repetition
// level at which list on the path it begins a new entry.
type assembler struct {
	leaves [][]parquet.Value
	at     []int // the next value, by leaf
	out    []byte
}

// peek returns the next value of a node's first leaf, which stands for all.
func (a *assembler) peek(n *node) (parquet.Value, bool) {
	if i := a.at[n.first]; i < len(a.leaves[n.first]) {
		return a.leaves[n.first][i], true
	}
	return parquet.Value{}, false
}

// skip takes the value that says "not there" from every leaf below n.
func (a *assembler) skip(n *node) error {
	for i := n.first; i < n.last; i++ {
		if a.at[i] >= len(a.leaves[i]) {
			return errLevels
		}
		a.at[i]++
	}
	return nil
}

// value writes a node; one that repeats without being a list is an array.
func (a *assembler) value(n *node) error {
	if n.repeated {
		return a.entries(n, '[', ']', a.one)
	}
	if n.optional {
		v, ok := a.peek(n)
		if !ok {
			return errLevels
		}
		if v.DefinitionLevel() < n.def {
			a.out = append(a.out, "null"...)
			return a.skip(n)
		}
	}
	return a.one(n)
}

// one writes a node that is there, once.
func (a *assembler) one(n *node) error {
	switch n.kind {
	case leaf:
		v, ok := a.peek(n)
		if !ok {
			return errLevels
		}
		a.at[n.first]++
		if v.IsNull() {
			return errLevels
		}
		var err error
		if a.out, err = n.convert(a.out, v); err != nil {
			return &valueError{n.path, err}
		}
		if len(a.out) > maxRow {
			return errBounds
		}
		return nil
	case list:
		element := n.element()
		return a.entries(n.children[0], '[', ']', func(entry *node) error {
			if element == entry {
				return a.one(entry)
			}
			return a.value(element)
		})
	case keyed:
		return a.entries(n.children[0], '{', '}', func(entry *node) error {
			from := len(a.out)
			if err := a.value(entry.children[0]); err != nil {
				return err
			}
			if key := a.out[from:]; len(key) == 0 || key[0] != '"' {
				a.out = strconv.AppendQuote(a.out[:from], string(key))
			}
			a.out = append(a.out, ':')
			return a.value(entry.children[1])
		})
	}
	a.out = append(a.out, '{')
	for i, child := range n.children {
		if i > 0 {
			a.out = append(a.out, ',')
		}
		a.out = append(a.out, child.quoted...)
		if err := a.value(child); err != nil {
			return err
		}
	}
	a.out = append(a.out, '}')
	return nil
}

// entries writes what repeats.
func (a *assembler) entries(n *node, begin, end byte, write func(*node) error) error {
	v, ok := a.peek(n)
	if !ok {
		return errLevels
	}
	a.out = append(a.out, begin)
	if v.DefinitionLevel() < n.def {
		a.out = append(a.out, end)
		return a.skip(n)
	}
	for first := true; ; first = false {
		if !first {
			a.out = append(a.out, ',')
		}
		before := a.at[n.first]
		if err := write(n); err != nil {
			return err
		}
		if a.at[n.first] == before {
			return errLevels
		}
		if v, ok := a.peek(n); !ok || v.RepetitionLevel() < n.rep {
			a.out = append(a.out, end)
			return nil
		} else if v.RepetitionLevel() > n.rep {
			return errLevels
		}
	}
}
