package offpolicy

import (
	"cmp"
	"maps"
	"slices"
)

// settle brings every column to its full length, and the probes of records to their draws.
func (t *Table) settle() error {
	for _, columns := range t.byPolicy() {
		for policy, v := range columns {
			columns[policy] = padded(v, t.rows)
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(t.probes)) {
		if err := t.joinProbes(policy); err != nil {
			return err
		}
	}
	return nil
}

// sort brings rows into the order of prompts and then of content, and draws into that of
// prompts and index, so that no order of the input can be seen in any sum.
func (t *Table) sort() {
	if t.sorted {
		return
	}
	t.index = nil
	byID := make([]int32, len(t.prompts)) // codes
	for k := range byID {
		byID[k] = int32(k)
	}
	slices.SortFunc(byID, func(a, b int32) int { return cmp.Compare(t.prompts[a], t.prompts[b]) })
	rank, prompts := make([]int32, len(byID)), make([]string, len(byID))
	for k, code := range byID {
		rank[code], prompts[k] = int32(k), t.prompts[code]
	}
	t.prompts = prompts
	from := make([]int32, len(rank)+1) // of each prompt: its first row
	for i, code := range t.prompt {
		t.prompt[i] = rank[code]
		from[rank[code]+1]++
	}
	for k := range rank {
		from[k+1] += from[k]
	}
	order, next := make([]int32, t.rows), slices.Clone(from)
	for i, p := range t.prompt {
		order[next[p]] = int32(i)
		next[p]++
	}
	compare := t.compareRows()
	for k := range rank {
		if own := order[from[k]:from[k+1]]; len(own) > 1 {
			slices.SortFunc(own, compare)
		}
	}
	permuteAll(t, order)
	for _, draws := range t.draws {
		draws.sort(rank)
	}
	t.sorted = true
}

func permuteAll(t *Table, order []int32) {
	t.prompt = permuted(t.prompt, order)
	for _, column := range t.columns() {
		*column = permuted(*column, order)
	}
	for _, columns := range t.byPolicy() {
		for policy, v := range columns {
			columns[policy] = permuted(v, order)
		}
	}
	for _, c := range append(slices.Collect(maps.Values(t.segment)), &t.logger) {
		if len(c.code) > 0 {
			c.fill(t.rows)
			c.code = permuted(c.code, order)
		}
	}
}

func permuted[T any](column []T, order []int32) []T {
	out := make([]T, len(order))
	for i, from := range order {
		out[i] = column[from]
	}
	return out
}

// compareRows compares rows of one prompt by content: numbers, and then names.
func (t *Table) compareRows() func(a, b int32) int {
	columns := [][]float64{t.score, t.label, t.logProb[t.plan.Logging], t.inclusion, t.length, t.covariate}
	for _, name := range t.policies() {
		columns = append(columns, t.logProb[name], t.lower[name])
	}
	columns = append(columns, t.lower[t.plan.Logging])
	columns = slices.DeleteFunc(columns, func(c []float64) bool { return c == nil })
	names := []*codes{&t.logger}
	for _, kind := range slices.Sorted(maps.Keys(t.segment)) {
		names = append(names, t.segment[kind])
	}
	return func(a, b int32) int {
		for _, c := range columns {
			if k := cmp.Compare(c[a], c[b]); k != 0 {
				return k
			}
		}
		for _, c := range names {
			if k := cmp.Compare(c.at(int(a)), c.at(int(b))); k != 0 {
				return k
			}
		}
		return 0
	}
}
