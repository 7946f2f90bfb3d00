package dataset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shape is one form in which people have rows. Each stands as a literal in a file of
// its own, shape_NAME.go; nothing else knows it by name.
type shape struct {
	format string
	// order decides if a row has the fields of several shapes: the least counts.
	order int
	// all are the fields that a row of this shape has, and any, unless it is empty,
	// those of which it has one at least.
	all, any []string
	// fits, unless it is nil, decides by the values of these.
	fits func(fields) bool
	// read takes the prompt, or the turns before the reply, from the row.
	read func(*parsedRow) error
	// ids are the fields that may hold the row's id; the first that does counts.
	ids []string
	// texts are the fields that read takes apart. They are no metadata.
	texts []string
	// unread are those of texts that nothing is taken from.
	unread []string
	// spoken says that rows come from many people, in many languages.
	spoken bool
	// repeats says that several rows may be about one prompt.
	repeats bool
	// plain says that all other fields are metadata, of any type, and those of a
	// metadata object beside them.
	plain bool
	// moderation are fields beside the usual ones that flag a row.
	moderation []string

	needs, oneOf fieldSet
}

// fieldSet has a bit for each field that shapes are recognised by.
type fieldSet uint64

// shapes is the registry, by order once init has run.
var shapes []*shape

// addShape is how the file of a shape registers it.
func addShape(s shape) *shape {
	shapes = append(shapes, &s)
	return &s
}

// beside are fields that rows of any shape may have.
var beside = slices.Concat(systemNames, []string{"language", "lang", "openai_moderation", "toxic_chat_tag", "metadata",
	"dedup_tag", "tools", "functions", "response"})

var knownNames = map[string]knownName{}

func init() {
	slices.SortFunc(shapes, func(a, b *shape) int { return cmp.Compare(a.order, b.order) })
	for _, name := range oftenThere {
		knownNames[`"`+name+`"`] = knownName{name: name}
	}
	next := fieldSet(1)
	bits := func(names []string) (set fieldSet) {
		for _, name := range names {
			n := knownNames[`"`+name+`"`]
			if n.bit == 0 {
				n = knownName{name, next}
				next <<= 1
				knownNames[`"`+name+`"`] = n
			}
			set |= n.bit
		}
		return set
	}
	for _, s := range shapes {
		s.needs, s.oneOf = bits(s.all), bits(s.any)
		bits(s.ids)
		for _, name := range slices.Concat(s.all, s.any) {
			leads[name] = true
		}
		for _, name := range slices.Concat(s.all, s.any, s.ids, s.texts, s.moderation, beside) {
			columns[strings.ToLower(name)] = name
			columns[name] = name
		}
	}
	if next == 0 {
		panic("dataset: shapes are recognised by more fields than a fieldSet has bits")
	}
}

// errTwice is wrapped by the error about a field that a row has twice: readers differ in
// which of the two counts.
var errTwice = errors.New("is there twice")

// detect tells a row's shape from its fields.
func detect(fs fields) (*shape, error) {
	var has fieldSet
	for _, f := range fs {
		if has&f.bit != 0 {
			return nil, fmt.Errorf("field %q %w", f.name, errTwice)
		}
		has |= f.bit
	}
	for _, s := range shapes {
		if s.named(has) && (s.fits == nil || s.fits(fs)) {
			return s, nil
		}
	}
	return nil, unknownShape(fs)
}

// named reports whether fields have the names of the shape's.
func (s *shape) named(has fieldSet) bool {
	return has&s.needs == s.needs && (s.oneOf == 0 || has&s.oneOf != 0)
}

// Reads tells, from the names of all fields of a row, which of them a prompt and its
// metadata are made of; nested says of a field that it holds a list or an object. A reader
// of columns need not decode the others.
func Reads(names []string) func(name string, nested bool) bool {
	var has fieldSet
	for _, name := range names {
		has |= knownNames[`"`+name+`"`].bit
	}
	at := slices.IndexFunc(shapes, func(s *shape) bool { return s.named(has) })
	if at < 0 || shapes[at].plain || shapes[at].fits != nil { // the values have a say
		return func(string, bool) bool { return true }
	}
	s := shapes[at]
	return func(name string, nested bool) bool {
		switch {
		case slices.Contains(s.unread, name):
			return false
		case !nested:
			return true
		}
		for _, list := range [...][]string{s.all, s.any, s.texts, s.moderation, beside} {
			if slices.Contains(list, name) {
				return true
			}
		}
		return false
	}
}

// tableOf says that an object is a whole table: under each of its names is a column, or a
// row. Programs write tables so, pandas by default.
func tableOf(fs fields) error {
	if len(fs) < 2 {
		return nil
	}
	columns, split := true, fs.has("columns") && fs.has("data")
	for _, f := range fs {
		list := len(f.raw) > 2 && f.raw[0] == '[' && !bytes.ContainsAny(bytes.TrimSpace(f.raw[1:])[:1], "[{]")
		columns = columns && (list || bytes.HasPrefix(f.raw, []byte(`{"0":`)))
	}
	if !columns && !split {
		return nil
	}
	return fmt.Errorf("the object is a whole table, by columns, not a row: write one object a row (in pandas "+
		`to_json(path, orient="records", lines=True)); it has: %s`, fieldNames(fs))
}

// unknownShape says what a row has that is of no shape.
func unknownShape(fs fields) error {
	if err := tableOf(fs); err != nil {
		return err
	}
	for _, name := range []string{"data", "rows", "items", "examples", "instances", "results", "train"} {
		if raw := fs.get(name); len(raw) > 0 && raw[0] == '[' {
			return fmt.Errorf("the row is an object whose field %q holds the rows: give that list itself; the object has: %s",
				name, fieldNames(fs))
		}
	}
	if asks := fs.has("question") || fs.has("query") || fs.has("problem") || fs.has("input"); asks {
		for _, about := range []string{"context", "passage"} {
			if fs.has(about) {
				return fmt.Errorf("the row asks about its %q: the two are no prompt until one text holds them both; it has: %s",
					about, fieldNames(fs))
			}
		}
	}
	for _, known := range [...]struct{ has, say string }{
		{"response_a", "the row has responses, and no prompt"},
		{"choices", "the row is multiple choice: its question and choices are no prompt until a text holds them both"},
		{"options", "the row is multiple choice: its question and options are no prompt until a text holds them both"},
		{"response", "the row has a response, and no prompt"},
		{"mapping", "the row is an exported tree of messages, which is not read"},
		{"text", "the row is one text, which does not say where its prompt ends"},
	} {
		if fs.has(known.has) {
			return fmt.Errorf("%s; it has: %s", known.say, fieldNames(fs))
		}
	}
	for _, f := range fs {
		if name := columnName(f.name); name != "" && name != f.name && leads[name] {
			return fmt.Errorf("the row has no field that holds a prompt; %q would be read if it were called %q", f.name, name)
		}
	}
	return fmt.Errorf("the row has no field that holds a prompt; it has: %s", fieldNames(fs))
}

const maxNames = 20 // of fields, in a message

func fieldNames(fs fields) string {
	var names []string
	for _, f := range fs {
		names = append(names, shorten(f.name, 40))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "nothing"
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// shorten cuts a text for a message at a rune's start.
func shorten(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
