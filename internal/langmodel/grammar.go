package langmodel

import (
	"embed"
	"fmt"
	"strings"
	"sync"
)

// The bundled text is compact: each line of a file in text/ is a paragraph with
// alternatives, and a line stands for every paragraph it can be spelled out to.
//
//	== body0            begins a section: open, body0..body7, close, bpe, or @pool
//	{may|might|could}   one of the alternatives; they nest
//	<pool>              one line of the section @pool
//	<T>                 a phrase of the user's prompt, in quotes
//	\n                  a newline
//
// In literal text outside code, a word of synonyms.txt stands for a choice among
// its line, and a or an follows the word that is chosen after it.

//go:embed text/*.txt
var textFiles embed.FS

// slotMark stands for a copied phrase in text composed from a grammar.
const slotMark = "\x00"

// style is one way of answering, and an index into everything kept per style.
type style int

const (
	helpful style = iota
	stepwise
	evasive
	numStyles
)

var styleNames = [numStyles]string{"helpful", "stepwise", "evasive"}

// kind is where in a response a paragraph belongs.
type kind int

const (
	kindOpen kind = iota
	kindClose
	kindBody // kindBody + g is the g-th group of body paragraphs
)

// grammar is the parsed text of one style.
type grammar struct {
	paragraphs []template
	pools      map[string][]template
	groups     int    // of body paragraphs
	extra      string // read by the tokenizer's learner only
}

type template struct {
	kind  kind
	parts []part
}

// part is literal text, a choice among templates, or a pool's name.
type part struct {
	text    string
	choices [][]part
	pool    string
	id      uint64 // of a choice: distinct within its grammar
}

// grammars holds the parsed files. They are part of the program, so a mistake in
// one panics.
var grammars = func() (parse [numStyles]func() *grammar) {
	for s := range numStyles {
		parse[s] = sync.OnceValue(func() *grammar { return mustGrammar(s) })
	}
	return parse
}()

func mustGrammar(s style) *grammar {
	data, err := textFiles.ReadFile("text/" + styleNames[s] + ".txt")
	if err != nil {
		panic("langmodel: " + err.Error())
	}
	g, err := parseGrammar(string(data))
	if err != nil {
		panic(fmt.Sprintf("langmodel: %s: %v", styleNames[s], err))
	}
	return g
}

func parseGrammar(text string) (*grammar, error) {
	g := &grammar{pools: make(map[string][]template)}
	p := &grammarParser{}
	section := ""
	for n, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, "== "); ok {
			section = name
			continue
		}
		if line == "" {
			continue
		}
		if section == "bpe" {
			g.extra += line + "\n\n"
			continue
		}
		p.rest = strings.ReplaceAll(line, `\n`, "\n")
		parts, err := p.sequence(false)
		if err != nil {
			return nil, fmt.Errorf("line %d: %v", n+1, err)
		}
		t := template{parts: parts}
		switch {
		case strings.HasPrefix(section, "@"):
			g.pools[section[1:]] = append(g.pools[section[1:]], t)
			continue
		case section == "open":
			t.kind = kindOpen
		case section == "close":
			t.kind = kindClose
		case len(section) == 5 && strings.HasPrefix(section, "body"):
			group := int(section[4] - '0')
			t.kind = kindBody + kind(group)
			g.groups = max(g.groups, group+1)
		default:
			return nil, fmt.Errorf("line %d: section %q: want open, body0..body7, close, bpe or @pool", n+1, section)
		}
		g.paragraphs = append(g.paragraphs, t)
	}
	return g, nil
}

type grammarParser struct {
	rest string
	ids  uint64
	code bool // inside a fenced block
}

// literal appends text, its words replaced by their synonyms.
func (p *grammarParser) literal(parts []part, text string) []part {
	from := 0
	for i := 0; i < len(text); {
		if classes[text[i]] != classLetter {
			if strings.HasPrefix(text[i:], "```") {
				p.code = !p.code
				i += 2
			}
			i++
			continue
		}
		end := i
		for end < len(text) && (classes[text[end]] == classLetter || text[end] == '\'') {
			end++
		}
		if words := synonyms()[text[i:end]]; words != nil && !p.code {
			if i > from {
				parts = append(parts, part{text: text[from:i]})
			}
			p.ids++
			c := part{id: p.ids}
			for _, w := range words {
				c.choices = append(c.choices, []part{{text: w}})
			}
			parts = append(parts, c)
			from = end
		}
		i = end
	}
	if from < len(text) {
		parts = append(parts, part{text: text[from:]})
	}
	return parts
}

// synonyms maps the first word of each line of synonyms.txt to the line.
var synonyms = sync.OnceValue(func() map[string][]string {
	data, err := textFiles.ReadFile("text/synonyms.txt")
	if err != nil {
		panic("langmodel: " + err.Error())
	}
	m := make(map[string][]string)
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		words := strings.Split(line, "|")
		m[words[0]] = words
	}
	return m
})

// sequence parses up to the end or, inside a choice, to its next | or }.
func (p *grammarParser) sequence(inside bool) ([]part, error) {
	var parts []part
	for {
		i := strings.IndexAny(p.rest, "{|}<")
		if i < 0 {
			if inside {
				return nil, fmt.Errorf("a { is not closed")
			}
			return p.literal(parts, p.rest), nil
		}
		if i > 0 {
			parts = p.literal(parts, p.rest[:i])
		}
		mark := p.rest[i]
		if mark == '|' || mark == '}' {
			if !inside {
				return nil, fmt.Errorf("%q outside a choice", mark)
			}
			p.rest = p.rest[i:]
			return parts, nil
		}
		p.rest = p.rest[i+1:]
		if mark == '<' {
			name, rest, ok := strings.Cut(p.rest, ">")
			if !ok {
				return nil, fmt.Errorf("a < is not closed")
			}
			p.rest = rest
			if name == "T" {
				parts = append(parts, part{text: `"` + slotMark + `"`})
			} else {
				parts = append(parts, part{pool: name})
			}
			continue
		}
		p.ids++
		c := part{id: p.ids}
		for {
			choice, err := p.sequence(true)
			if err != nil {
				return nil, err
			}
			c.choices = append(c.choices, choice)
			closed := p.rest[0] == '}'
			p.rest = p.rest[1:]
			if closed {
				break
			}
		}
		parts = append(parts, c)
	}
}
