package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// unused finds the exported names, methods included, that nobody outside their
// package has a use for. A name is of use if
//
//   - another package, a command or a nested module mentions it, or a runnable
//     example does (one with an Output comment); for a package of test helpers, for the
//     simulator and for a package under internal, a test of another package will do;
//   - it is the type of a field, parameter or result of a name that is of use;
//   - it is a constant of such a type;
//   - it is an error, which callers match;
//   - it is a method that lets its type satisfy an interface of this module or
//     one of the standard library's that values are asked for.
func unused(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	u := &usage{house: h, names: map[string]types.Object{}, used: map[string]bool{}}
	for _, p := range h.libraries() {
		u.declare(p)
	}
	outside := map[string]bool{} // mentioned outside at all, tests included
	for _, p := range slices.Concat(h.pkgs, h.users) {
		u.mentions(p, outside)
	}
	direct := maps.Clone(u.used)
	u.interfaces()
	u.closure()

	var out []finding
	perPackage := map[string]int{}
	for key, obj := range u.names {
		if u.used[key] || u.excused(obj) {
			continue
		}
		p := h.short(obj.Pkg().Path())
		perPackage[p]++
		out = append(out, finding{h.short(key), h.place(u.fset, obj.Pos()), "nobody outside uses " + h.short(key)})
	}
	slices.SortFunc(out, func(a, b finding) int { return strings.Compare(a.key, b.key) })
	h.stats = append(h.stats, u.tally("public", true, direct, outside), u.tally("internal", false, direct, outside))
	for _, p := range importPaths(perPackage) {
		h.stats = append(h.stats, fmt.Sprintf("%4d %s", perPackage[p], p))
	}
	return out, nil
}

// tally counts the names, and those without a direct mention outside.
func (u *usage) tally(kind string, isPublic bool, direct, outside map[string]bool) string {
	var all, noUse, noMention int
	for key, obj := range u.names {
		if public(obj.Pkg().Path()) != isPublic {
			continue
		}
		all++
		if !direct[key] {
			noUse++
		}
		if !outside[key] {
			noMention++
		}
	}
	return fmt.Sprintf("%s: %d exported names and methods; %d mentioned by no other package, command or runnable "+
		"example, %d by no test of another package either", kind, all, noUse, noMention)
}

type usage struct {
	*house
	fset  *token.FileSet
	names map[string]types.Object // exported names and methods by key
	used  map[string]bool
	work  []types.Object // used, and not yet followed
}

// objectKey is PACKAGE.NAME or PACKAGE.TYPE.METHOD, or "" for what has no name
// outside its package.
func objectKey(obj types.Object) string {
	if obj == nil || obj.Pkg() == nil || !obj.Exported() {
		return ""
	}
	if f, ok := obj.(*types.Func); ok {
		f = f.Origin()
		if recv := f.Signature().Recv(); recv != nil {
			n := named(recv.Type())
			if n == nil || !n.Obj().Exported() {
				return ""
			}
			return n.Obj().Pkg().Path() + "." + n.Obj().Name() + "." + f.Name()
		}
	}
	if obj.Parent() != obj.Pkg().Scope() {
		return ""
	}
	return obj.Pkg().Path() + "." + obj.Name()
}

func (u *usage) declare(p *packages.Package) {
	u.fset = p.Fset
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			continue
		}
		u.names[objectKey(obj)] = obj
		tn, ok := obj.(*types.TypeName)
		if !ok || tn.IsAlias() {
			continue
		}
		n, ok := tn.Type().(*types.Named)
		if !ok || types.IsInterface(n) {
			continue
		}
		for m := range n.Methods() {
			if m.Exported() {
				u.names[objectKey(m)] = m
			}
		}
	}
}

func (u *usage) use(key string) {
	if obj := u.names[key]; obj != nil && !u.used[key] {
		u.used[key] = true
		u.work = append(u.work, obj)
	}
}

// mentions marks the names of other packages that the package's files mention.
func (u *usage) mentions(p *packages.Package, outside map[string]bool) {
	self := p.PkgPath
	if p.ForTest != "" {
		self = p.ForTest
	}
	for _, file := range p.Syntax {
		test := strings.HasSuffix(p.Fset.Position(file.Pos()).Filename, "_test.go")
		examples := map[ast.Node]bool{}
		if test {
			for _, e := range doc.Examples(file) {
				if e.Output != "" || e.EmptyOutput {
					examples[e.Code] = true
				}
			}
		}
		example := 0 // depth in a runnable example
		var stack []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				if examples[stack[len(stack)-1]] {
					example--
				}
				stack = stack[:len(stack)-1]
				return true
			}
			stack = append(stack, n)
			if examples[n] {
				example++
			}
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			obj := p.TypesInfo.Uses[id]
			key := objectKey(obj)
			if key == "" || u.names[key] == nil {
				return true
			}
			foreign := obj.Pkg().Path() != self
			if foreign || example > 0 {
				outside[key] = true
			}
			if example > 0 || foreign && (!test || helper(obj.Pkg())) {
				u.use(key)
			}
			return true
		})
	}
}

// helper says whether tests are whom the package is for.
func helper(p *types.Package) bool {
	return strings.HasSuffix(p.Name(), "test") || p.Name() == "sim" || !public(p.Path())
}

// asked are methods that the standard library asks values for, or go-cmp.
var asked = map[string][]string{
	"Error":         {"func() string"},
	"String":        {"func() string"},
	"GoString":      {"func() string"},
	"Format":        {"func(fmt.State, rune)"},
	"Unwrap":        {"func() error", "func() []error"},
	"Is":            {"func(error) bool"},
	"MarshalJSON":   {"func() ([]byte, error)"},
	"UnmarshalJSON": {"func([]byte) error"},
	"MarshalText":   {"func() ([]byte, error)"},
	"UnmarshalText": {"func([]byte) error"},
	"LogValue":      {"func() log/slog.Value"},
	"RoundTrip":     {"func(*net/http.Request) (*net/http.Response, error)"},
	"ServeHTTP":     {"func(net/http.ResponseWriter, *net/http.Request)"},
	"Read":          {"func([]byte) (int, error)"},
	"Write":         {"func([]byte) (int, error)"},
	"Close":         {"func() error"},
}

// interfaces marks the methods that let a type satisfy an interface.
func (u *usage) interfaces() {
	byMethod := map[string][]*types.Interface{}
	for _, p := range u.sources() {
		for expr, tv := range p.TypesInfo.Types {
			if _, ok := expr.(*ast.InterfaceType); !ok {
				continue
			}
			if i, ok := tv.Type.Underlying().(*types.Interface); ok {
				for m := range i.Methods() {
					byMethod[m.Name()] = append(byMethod[m.Name()], i)
				}
			}
		}
	}
	for key, obj := range u.names {
		f, ok := obj.(*types.Func)
		if !ok || f.Signature().Recv() == nil {
			continue
		}
		n := named(f.Signature().Recv().Type())
		if slices.Contains(asked[f.Name()], signature(f.Signature())) || isEqual(f, n) {
			u.use(key)
			continue
		}
		if n.TypeParams().Len() > 0 {
			continue
		}
		for _, i := range byMethod[f.Name()] {
			if types.Implements(n, i) || types.Implements(types.NewPointer(n), i) {
				u.use(key)
				break
			}
		}
	}
}

// isEqual: go-cmp compares with it.
func isEqual(f *types.Func, n *types.Named) bool {
	s := f.Signature()
	return f.Name() == "Equal" && s.Params().Len() == 1 && types.Identical(s.Params().At(0).Type(), n)
}

// signature writes a function's type without the names of its parameters.
func signature(s *types.Signature) string {
	list := func(t *types.Tuple) string {
		var out []string
		for v := range t.Variables() {
			out = append(out, types.TypeString(v.Type(), nil))
		}
		return strings.Join(out, ", ")
	}
	text := "func(" + list(s.Params()) + ")"
	switch s.Results().Len() {
	case 0:
		return text
	case 1:
		return text + " " + list(s.Results())
	}
	return text + " (" + list(s.Results()) + ")"
}

// closure marks the types that the marked names are made of.
func (u *usage) closure() {
	seen := map[types.Type]bool{}
	var visit func(t types.Type)
	visit = func(t types.Type) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		switch t := t.(type) {
		case *types.Alias:
			u.use(objectKey(t.Obj()))
			visit(types.Unalias(t))
		case *types.Named:
			u.use(objectKey(t.Obj()))
			for a := range t.TypeArgs().Types() {
				visit(a)
			}
			if !t.Obj().Exported() && t.Obj().Pkg() != nil {
				visit(t.Underlying()) // reached by its exported fields
			}
		case *types.Pointer:
			visit(t.Elem())
		case *types.Slice:
			visit(t.Elem())
		case *types.Array:
			visit(t.Elem())
		case *types.Chan:
			visit(t.Elem())
		case *types.Map:
			visit(t.Key())
			visit(t.Elem())
		case *types.Struct:
			for f := range t.Fields() {
				if f.Exported() || f.Embedded() {
					visit(f.Type())
				}
			}
		case *types.Signature:
			for v := range t.Params().Variables() {
				visit(v.Type())
			}
			for v := range t.Results().Variables() {
				visit(v.Type())
			}
		case *types.Interface:
			for m := range t.Methods() {
				visit(m.Type())
			}
			for e := range t.EmbeddedTypes() {
				visit(e)
			}
		case *types.Union:
			for i := range t.Len() {
				visit(t.Term(i).Type())
			}
		case *types.TypeParam:
			visit(t.Constraint())
		}
	}
	for len(u.work) > 0 {
		obj := u.work[len(u.work)-1]
		u.work = u.work[:len(u.work)-1]
		visit(obj.Type())
		if tn, ok := obj.(*types.TypeName); ok {
			visit(tn.Type().Underlying())
		}
	}
}

// excused says whether the name needs no user: a constant of a type in use, or
// an error.
func (u *usage) excused(obj types.Object) bool {
	errorType := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	switch obj := obj.(type) {
	case *types.Const:
		n := named(obj.Type())
		return n != nil && u.used[objectKey(n.Obj())]
	case *types.Var:
		return types.Implements(obj.Type(), errorType)
	case *types.TypeName:
		return types.Implements(obj.Type(), errorType) || types.Implements(types.NewPointer(obj.Type()), errorType)
	}
	return false
}
