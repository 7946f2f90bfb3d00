package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// Functions that the rewritten source calls: what Python does with a value
// that is not defined, and with one that is no text.
const (
	fnNeed = "_need" // the value, which has to be defined
	fnAdd  = "_add"  // a + b, of one type
	fnOut  = "_out"  // what is written
	fnIter = "_iter" // what is gone through, which may not be none
	// A string's method that the engine has otherwise than Python.
	fnStrip   = "_strip"
	fnUnlike  = "_unlike"
	stripping = " strip lstrip rstrip "
	unlike    = " capitalize center find format index rfind swapcase title zfill "
	iterating = " count first join items last length list reverse sort unique "
)

// rewrite puts a source into the form that leaves nothing to the engine's own
// reading. What has no place in it is an error that names the construct.
func rewrite(source string) (string, error) {
	pieces, err := lex(source)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range pieces {
		switch p.kind {
		case text:
			b.WriteString("{{- " + quote(p.text) + " -}}")
		default:
			toks, err := tokens(p.text)
			if err != nil {
				return "", fmt.Errorf("line %d: %w", p.line, err)
			}
			r := rewriter{toks: toks}
			s, err := r.tag(p.kind)
			if err == nil && r.peek().kind != end {
				err = fmt.Errorf("%q where the tag should end", r.peek().text)
			}
			if err != nil {
				return "", fmt.Errorf("line %d: %w", p.line, err)
			}
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

// rewriter writes one tag again, following jinja2's own grammar.
type rewriter struct {
	toks     []token
	at       int
	openCond bool // the last expression was a condition without else
}

func (r *rewriter) peek() token { return r.toks[r.at] }

func (r *rewriter) next() token {
	t := r.toks[r.at]
	if t.kind != end {
		r.at++
	}
	return t
}

func (r *rewriter) is(kind tokenKind, texts ...string) bool {
	t := r.peek()
	return t.kind == kind && slices.Contains(texts, t.text)
}

// take passes over a word or an operator if it comes next.
func (r *rewriter) take(s string) bool {
	if r.is(operator, s) || r.is(name, s) {
		r.at++
		return true
	}
	return false
}

func (r *rewriter) want(s string) {
	if !r.take(s) {
		panic(syntax(fmt.Sprintf("%q where %q should stand", r.peek().text, s)))
	}
}

type syntax string

func (r *rewriter) tag(kind pieceKind) (out string, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case syntax:
			err = fmt.Errorf("%s", string(p))
		default:
			panic(p)
		}
	}()
	if kind == output {
		s := r.expr()
		if r.openCond && r.peek().kind == end && strings.HasSuffix(s, ")") { // what has no else writes nothing
			s = strings.TrimSuffix(s, ")") + ` else "")`
		}
		return "{{- " + fnOut + "(" + s + ") -}}", nil
	}
	word := r.next()
	if word.kind != name {
		return "", fmt.Errorf("a statement that begins with %q", word.text)
	}
	s := ""
	switch word.text {
	case "if", "elif":
		s = " " + r.expr()
	case "for":
		s = " " + r.target()
		r.want("in")
		s += " in " + call(fnIter, r.or())
		if r.take("if") {
			s += " if " + r.expr()
		}
		if r.is(name, "recursive") {
			return "", fmt.Errorf("a recursive loop")
		}
	case "set":
		s = " " + r.target()
		if r.take("=") {
			s += " = " + r.tuple()
		} else if r.peek().kind != end {
			return "", fmt.Errorf("set with a filter")
		}
	case "macro":
		s = " " + r.next().text
		r.want("(")
		s += "(" + r.arguments()
	case "else", "endif", "endfor", "endset", "endmacro", "break", "continue":
		if word.text == "endset" || word.text == "endmacro" {
			r.take(r.peek().text) // its name may be repeated
		}
	case "generation", "endgeneration": // marks what a trainer counts, and writes nothing
		return "", nil
	default:
		return "", fmt.Errorf("the statement %q", word.text)
	}
	return "{%- " + word.text + s + " -%}", nil
}

// target is what is assigned to.
func (r *rewriter) target() string {
	s := r.next().text
	for {
		switch {
		case r.take("."):
			s += "." + r.next().text
		case r.take(","):
			s += ", " + r.next().text
		default:
			return s
		}
	}
}

func (r *rewriter) tuple() string {
	s := r.expr()
	if !r.is(operator, ",") {
		return s
	}
	for r.take(",") {
		if r.peek().kind == end || r.is(operator, ")") {
			return "(" + s + ",)"
		}
		s += ", " + r.expr()
	}
	return "(" + s + ")"
}

func (r *rewriter) expr() string {
	s := r.or()
	open := false
	for r.take("if") {
		s = s + " if " + r.or()
		open = !r.take("else")
		if !open {
			s += " else " + r.expr()
		}
		s = "(" + s + ")"
	}
	r.openCond = open
	return s
}

func (r *rewriter) or() string {
	s := r.and()
	for r.take("or") {
		s += " or " + r.and()
	}
	return s
}

func (r *rewriter) and() string {
	s := r.not()
	for r.take("and") {
		s += " and " + r.not()
	}
	return s
}

func (r *rewriter) not() string {
	if r.take("not") {
		return "not (" + r.not() + ")"
	}
	return r.compare()
}

func (r *rewriter) compare() string {
	s := r.sum()
	for {
		op := r.peek().text
		switch {
		case r.is(operator, "<", ">", "<=", ">="):
			r.next()
			s = call(fnNeed, s) + " " + op + " " + call(fnNeed, r.sum())
		case r.is(operator, "==", "!="):
			r.next()
			s += " " + op + " " + r.sum()
		case r.is(name, "in"):
			r.next()
			s = "(" + s + " in " + call(fnIter, r.sum()) + ")"
		case r.is(name, "not") && r.toks[r.at+1] == (token{name, "in"}):
			r.at += 2
			s = "(" + s + " not in " + call(fnIter, r.sum()) + ")"
		default:
			return s
		}
	}
}

func (r *rewriter) sum() string {
	s := r.concat()
	for r.is(operator, "+", "-") {
		if r.next().text == "+" {
			s = fnAdd + "(" + s + ", " + r.concat() + ")"
		} else {
			s = "(" + call(fnNeed, s) + " - " + call(fnNeed, r.concat()) + ")"
		}
	}
	return s
}

func (r *rewriter) concat() string {
	s := r.product()
	for r.take("~") {
		s = "(" + call(fnOut, s) + " ~ " + call(fnOut, r.product()) + ")"
	}
	return s
}

func (r *rewriter) product() string {
	s := r.unary()
	for r.is(operator, "*", "/", "//", "%", "**") {
		op := r.next().text
		if op == "**" {
			panic(syntax("the operator **"))
		}
		s = "(" + call(fnNeed, s) + " " + op + " " + call(fnNeed, r.unary()) + ")"
	}
	return s
}

func (r *rewriter) unary() string {
	if r.take("-") {
		return "-" + r.unary()
	}
	r.take("+")
	return r.postfix(r.primary())
}

func (r *rewriter) primary() string {
	switch t := r.next(); {
	case t.kind == literal:
		return quote(t.text)
	case t.kind == number:
		return t.text
	case t.kind == name:
		return t.text
	case t.text == "(":
		if r.take(")") {
			return "()"
		}
		s := r.tuple()
		r.want(")")
		if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
			return s
		}
		return "(" + s + ")"
	case t.text == "[":
		var items []string
		for !r.take("]") {
			items = append(items, r.expr())
			if !r.take(",") {
				r.want("]")
				break
			}
		}
		return "[" + strings.Join(items, ", ") + "]"
	case t.text == "{":
		var items []string
		for !r.take("}") {
			key := r.expr()
			r.want(":")
			items = append(items, key+": "+r.expr())
			if !r.take(",") {
				r.want("}")
				break
			}
		}
		return "{" + strings.Join(items, ", ") + " }" // "}}" would end the tag
	default:
		panic(syntax(fmt.Sprintf("%q where a value should stand", t.text)))
	}
}

func (r *rewriter) postfix(s string) string {
	for {
		switch {
		case r.take("."):
			method := r.next().text
			switch word := " " + method + " "; {
			case r.is(operator, "(") && strings.Contains(stripping, word):
				r.next()
				s = fnStrip + "(" + quote(method) + ", " + s
				if args := r.arguments(); args != ")" {
					s += ", " + args
				} else {
					s += args
				}
			case r.is(operator, "(") && strings.Contains(unlike, word):
				r.next()
				r.arguments()
				s = fnUnlike + "(" + quote("the method ."+method) + ")"
			default:
				s = call(fnNeed, s) + "." + method
			}
		case r.take("["):
			s = call(fnNeed, s) + "[" + r.subscript() + "]"
		case r.take("("):
			s += "(" + r.arguments()
		case r.take("|"):
			filter := r.next().text
			if strings.Contains(iterating, " "+filter+" ") {
				s = call(fnIter, s)
			}
			s += " | " + filter
			if r.take("(") {
				s += "(" + r.arguments()
			}
			s = "(" + s + ")"
		case r.take("is"):
			s += " is "
			if r.take("not") {
				s += "not "
			}
			s += r.next().text
			switch t := r.peek(); {
			case r.take("("):
				s += "(" + r.arguments()
			case t.kind == literal, t.kind == number,
				t.kind == name && !slices.Contains([]string{"else", "or", "and", "is", "if", "in", "not"}, t.text):
				s += "(" + r.primary() + ")"
			}
			s = "(" + s + ")"
		default:
			return s
		}
	}
}

func (r *rewriter) subscript() string {
	s := ""
	for !r.take("]") {
		if r.take(":") {
			s += ":"
			continue
		}
		s += r.expr()
	}
	return s
}

// arguments writes the rest of a call, or of a macro's parameters.
func (r *rewriter) arguments() string {
	var args []string
	for !r.take(")") {
		key := ""
		if r.peek().kind == name && r.toks[r.at+1] == (token{operator, "="}) {
			key = r.next().text + "="
			r.next()
		}
		args = append(args, key+r.expr())
		if !r.take(",") {
			r.want(")")
			break
		}
	}
	return strings.Join(args, ", ") + ")"
}

func call(fn, s string) string { return fn + "(" + s + ")" }
