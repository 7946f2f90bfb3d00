package arenagen

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
)

//go:embed text/*.txt
var texts embed.FS

// A grammar is one language's text file, parsed. Sections are opened by
//
//	[kind NAME WEIGHT]   prompt templates; weight 0: never drawn by weight
//	[reply NAME]         assistant turns for prompts of that kind
//	[follow]             later user turns
//	[slot NAME]          what fills {NAME}
//
// and every other line that is neither empty nor a # comment is a template.
type grammar struct {
	kinds  []*kind
	total  int // sum of the kinds' weights
	follow []template
}

type kind struct {
	name    string
	weight  int
	prompts []template
	replies []template
}

type slot struct {
	name   string
	values []template
}

// template is a sequence of literals and references.
type template []part

type part struct {
	lit    string
	slot   *slot // nil: a literal, a number or the subject
	repeat bool  // {=name}: the value that name had last
	number bool  // {lo..hi}
	lo, hi int
	// subject marks {subject}: the first short value that the row's prompt
	// drew, so that an answer speaks of what was asked.
	subject bool
}

// loadGrammar parses a language once; the result is never written to again.
func loadGrammar(name string) func() *grammar {
	return sync.OnceValue(func() *grammar {
		b, err := texts.ReadFile("text/" + name + ".txt")
		if err != nil {
			panic("arenagen: " + err.Error())
		}
		g, err := parseGrammar(string(b))
		if err != nil {
			panic(fmt.Sprintf("arenagen: %s: %v", name, err))
		}
		return g
	})
}

func parseGrammar(text string) (*grammar, error) {
	g := &grammar{}
	slots := map[string]*slot{}
	kinds := map[string]*kind{}
	slotNamed := func(name string) *slot {
		if slots[name] == nil {
			slots[name] = &slot{name: name}
		}
		return slots[name]
	}
	kindNamed := func(name string) *kind {
		if kinds[name] == nil {
			kinds[name] = &kind{name: name}
			g.kinds = append(g.kinds, kinds[name])
		}
		return kinds[name]
	}
	var into *[]template
	text = strings.ReplaceAll(text, "\r\n", "\n") // as some checkouts have it
	for n, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' && (len(line) == 1 || line[1] == ' ') {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			f := strings.Fields(line[1 : len(line)-1])
			switch {
			case len(f) == 3 && f[0] == "kind":
				k := kindNamed(f[1])
				w, err := strconv.Atoi(f[2])
				if err != nil || w < 0 {
					return nil, fmt.Errorf("line %d: weight %q", n+1, f[2])
				}
				k.weight, g.total, into = w, g.total+w, &k.prompts
			case len(f) == 2 && f[0] == "reply":
				into = &kindNamed(f[1]).replies
			case len(f) == 1 && f[0] == "follow":
				into = &g.follow
			case len(f) == 2 && f[0] == "slot":
				into = &slotNamed(f[1]).values
			default:
				return nil, fmt.Errorf("line %d: unknown section %s", n+1, line)
			}
			continue
		}
		if into == nil {
			return nil, fmt.Errorf("line %d: text before the first section", n+1)
		}
		t, err := parseTemplate(line, slotNamed)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		*into = append(*into, t)
	}
	for name, s := range slots {
		if len(s.values) == 0 {
			return nil, fmt.Errorf("slot %q is used and has no values", name)
		}
	}
	for _, k := range g.kinds {
		if len(k.prompts) == 0 || len(k.replies) == 0 {
			return nil, fmt.Errorf("kind %q needs prompts and replies", k.name)
		}
	}
	if g.total == 0 || len(g.follow) == 0 {
		return nil, fmt.Errorf("no kind has a weight, or there is no [follow] section")
	}
	return g, nil
}

var unescape = strings.NewReplacer(`\n`, "\n", `\t`, "\t")

func parseTemplate(line string, slotNamed func(string) *slot) (template, error) {
	var t template
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t = append(t, part{lit: unescape.Replace(lit.String())})
			lit.Reset()
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(line) && line[i+1] == c:
			lit.WriteByte(c)
			i++
		case c == '{':
			end := strings.IndexByte(line[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("{ without }")
			}
			flush()
			p, err := parseReference(line[i+1:i+end], slotNamed)
			if err != nil {
				return nil, err
			}
			t = append(t, p)
			i += end
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return t, nil
}

func parseReference(ref string, slotNamed func(string) *slot) (part, error) {
	if ref == "subject" {
		return part{subject: true}, nil
	}
	if a, b, ok := strings.Cut(ref, ".."); ok {
		lo, err1 := strconv.Atoi(a)
		hi, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || hi < lo {
			return part{}, fmt.Errorf("bad range {%s}", ref)
		}
		return part{number: true, lo: lo, hi: hi}, nil
	}
	if name, ok := strings.CutPrefix(ref, "="); ok {
		return part{slot: slotNamed(name), repeat: true}, nil
	}
	if ref == "" || strings.ContainsAny(ref, " {=") {
		return part{}, fmt.Errorf("bad reference {%s}", ref)
	}
	return part{slot: slotNamed(ref)}, nil
}

// filler expands templates and remembers what it drew.
type filler struct {
	r       *rand.Rand
	buf     []byte
	drawn   []draw
	subject string
}

type draw struct {
	slot  *slot
	value int
	text  string
}

// expand returns one text of the template. Draws of earlier templates are
// forgotten, the subject is kept.
func (f *filler) expand(t template) string {
	f.buf, f.drawn = f.buf[:0], f.drawn[:0]
	f.add(t)
	return string(f.buf)
}

func (f *filler) add(t template) {
	for _, p := range t {
		switch {
		case p.subject:
			f.buf = append(f.buf, f.subject...)
		case p.number:
			f.buf = strconv.AppendInt(f.buf, int64(p.lo+f.r.IntN(p.hi-p.lo+1)), 10)
		case p.slot == nil:
			f.buf = append(f.buf, p.lit...)
		case p.repeat:
			f.buf = append(f.buf, f.last(p.slot)...)
		default:
			f.fill(p.slot)
		}
	}
}

func (f *filler) last(s *slot) string {
	for i := len(f.drawn) - 1; i >= 0; i-- {
		if f.drawn[i].slot == s {
			return f.drawn[i].text
		}
	}
	panic("arenagen: {=" + s.name + "} before {" + s.name + "}")
}

// fill draws a value that this text has not used yet, as far as there is one.
func (f *filler) fill(s *slot) {
	v := f.r.IntN(len(s.values))
	for tries := 1; tries < len(s.values) && f.used(s, v); tries++ {
		v = (v + 1) % len(s.values)
	}
	start := len(f.buf)
	// The draw is noted before its own slots are filled: a value may not
	// contain itself.
	at := len(f.drawn)
	f.drawn = append(f.drawn, draw{slot: s, value: v})
	f.add(s.values[v])
	text := string(f.buf[start:])
	f.drawn[at].text = text
	if f.subject == "" && len(text) <= 48 && !strings.Contains(text, "\n") {
		f.subject = text
	}
}

func (f *filler) used(s *slot, value int) bool {
	for _, d := range f.drawn {
		if d.slot == s && d.value == value {
			return true
		}
	}
	return false
}

// pick draws a kind by weight.
func (g *grammar) pick(r *rand.Rand) *kind {
	n := r.IntN(g.total)
	for _, k := range g.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("arenagen: weights do not add up")
}

// named returns the kind of that name, or nil.
func (g *grammar) named(name string) *kind {
	for _, k := range g.kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}
