package main

import (
	"go/types"
	"slices"
	"strings"
)

// floats finds the exported fields of public structs that are bare floats,
// alone, behind a pointer, or in a slice or map without a name of its own. What
// may be missing in an input or a record is a dataset.Float, whose zero value
// means missing. A field that is never missing stays, and so does the result of
// a computation, with the reason in .ci/allow/floats: PACKAGE.TYPE.FIELD, or
// PACKAGE.TYPE.* for every field of a type.
func floats(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	var out []finding
	for _, p := range h.libraries() {
		if !public(p.PkgPath) {
			continue
		}
		scope := p.Types.Scope()
		for _, name := range scope.Names() {
			tn, ok := scope.Lookup(name).(*types.TypeName)
			if !ok || !tn.Exported() || tn.IsAlias() {
				continue
			}
			s, ok := tn.Type().Underlying().(*types.Struct)
			if !ok {
				continue
			}
			for f := range s.Fields() {
				if f.Exported() && bareFloat(f.Type()) {
					key := h.short(p.PkgPath) + "." + name + "." + f.Name()
					text := key + " is a bare " + types.TypeString(f.Type(), types.RelativeTo(p.Types))
					out = append(out, finding{key, h.place(p.Fset, f.Pos()), text})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b finding) int { return strings.Compare(a.key, b.key) })
	return out, nil
}

func bareFloat(t types.Type) bool {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		return t.Info()&types.IsFloat != 0
	case *types.Pointer:
		return bareFloat(t.Elem())
	case *types.Slice:
		return bareFloat(t.Elem())
	case *types.Array:
		return bareFloat(t.Elem())
	case *types.Map:
		return bareFloat(t.Elem())
	}
	return false
}
