package main

import (
	"go/ast"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// forms finds every JSON object that is an estimate's form: one with a key for
// its value or for its error, and one for its interval, as a struct's tags or as
// a map's keys. There is one such form, in offpolicy's document.go or
// document_*.go; .ci/allow/forms answers, by PACKAGE.NAME, for what is read of
// others' files.
func forms(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	var out []finding
	for _, p := range h.sources() {
		for _, file := range p.Syntax {
			name := p.Fset.Position(file.Pos()).Filename
			if h.short(p.PkgPath) == "offpolicy" && strings.Contains(name, "/document") {
				continue
			}
			var in string
			ast.Inspect(file, func(n ast.Node) bool {
				var keys []string
				switch n := n.(type) {
				case *ast.FuncDecl:
					in = n.Name.Name
				case *ast.TypeSpec:
					in = n.Name.Name
				case *ast.StructType:
					keys = jsonTags(n)
				case *ast.CompositeLit:
					keys = literalKeys(n)
				}
				if estimateForm(keys) {
					key := h.short(p.PkgPath) + "." + in
					text := in + " is a second JSON form of an estimate: " + strings.Join(keys, ", ")
					out = append(out, finding{key, h.place(p.Fset, n.Pos()), text})
				}
				return true
			})
		}
	}
	return out, nil
}

// estimateForm says whether an object with these keys states an estimate.
func estimateForm(keys []string) bool {
	has := func(names ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(names, k) })
	}
	interval := has("ci", "interval", "confidence_interval") ||
		has("lo", "lower", "ci_lower") && has("hi", "upper", "ci_upper")
	return interval && has("value", "estimate", "mean", "difference", "se", "standard_error")
}

func jsonTags(s *ast.StructType) []string {
	var keys []string
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			continue
		}
		if key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// literalKeys are the string keys of a composite literal.
func literalKeys(c *ast.CompositeLit) []string {
	var keys []string
	for _, e := range c.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if lit, ok := kv.Key.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if key, err := strconv.Unquote(lit.Value); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
