package offpolicy

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Plan is what all parts of one evaluation have in common.
type Plan struct {
	Logging string // name of the policy whose responses were logged
	Judge   string // identity of the judge that gave every score, name and hash
	// Scored is as in [Samples]; nil is for a source that states nothing of it, so that
	// every policy's log-probs are "unstated".
	Scored map[string]dataset.Scored
}

// Table holds samples in columns: the numbers that [Evaluate] reads, and no text. A row
// takes 8 bytes for each policy and some 50 more, its prompt's id apart, a draw 56.
//
// Tables of parts of the data, split in any way, merge into that of the whole
// ([Table.Merge]): a prompt's rows and draws find each other by its id, wherever they
// were added. A table's state goes from process to process ([Table.MarshalBinary]). The
// order in which rows were added, and tables merged, decides nothing.
type Table struct {
	plan    Plan
	prompts []string // by code
	index   map[string]int32
	rows    int
	prompt  []int32 // of each row
	logger  codes
	// NaN is missing.
	score, label, inclusion, length, covariate []float64
	logProb                                    map[string][]float64 // by policy
	segment                                    map[string]*codes    // by kind
	draws, probes                              map[string][]Draw    // by policy; probes of records, not yet joined
	notes                                      []string
	// Of records: how many there are, how many state no id. Their length is in tokens if
	// any of them has one.
	records, unnamed int
	// sorted says that rows and draws are in the order that computing wants, which ends
	// adding.
	sorted bool
}

// codes are names of rows, as indices into a list in which "" is the first.
type codes struct {
	names []string
	index map[string]int32
	code  []int32 // of each row; shorter if the rest have no name
}

func (c *codes) of(name string) int32 {
	if name == "" {
		return 0
	}
	if c.index == nil {
		c.names, c.index = []string{""}, map[string]int32{}
	}
	k, ok := c.index[name]
	if !ok {
		k = int32(len(c.names))
		c.names = append(c.names, name)
		c.index[name] = k
	}
	return k
}

// set names row i, the last so far.
func (c *codes) set(i int, name string) {
	if k := c.of(name); k > 0 || len(c.code) > 0 {
		c.fill(i)
		c.code = append(c.code, k)
	}
}

// fill leaves the rows up to n without a name.
func (c *codes) fill(n int) { c.code = append(c.code, make([]int32, n-len(c.code))...) }

func (c *codes) at(i int) string {
	if i >= len(c.code) || c.code[i] == 0 {
		return ""
	}
	return c.names[c.code[i]]
}

// NewTable returns an empty table.
func NewTable(p Plan) *Table {
	return &Table{plan: p, index: map[string]int32{}, logProb: map[string][]float64{}, segment: map[string]*codes{},
		draws: map[string][]Draw{}, probes: map[string][]Draw{}}
}

// TableOf returns a table of samples.
func TableOf(s Samples) *Table {
	t := NewTable(Plan{Logging: s.Logging, Judge: s.Judge, Scored: s.Scored})
	if t.plan.Scored == nil {
		t.plan.Scored = map[string]dataset.Scored{} // which says nothing of any
	}
	t.notes = s.Notes
	for i := range s.Rows {
		t.AddRow(s.Rows[i])
	}
	for policy, draws := range s.Draws {
		t.draws[policy] = make([]Draw, 0, len(draws))
		for _, d := range draws {
			t.AddDraw(policy, d)
		}
	}
	return t
}

// Rows returns how many rows were added.
func (t *Table) Rows() int { return t.rows }

func (t *Table) promptCode(id string) int32 {
	if t.sorted {
		panic("offpolicy: table: it has been evaluated, and takes nothing more")
	}
	k, ok := t.index[id]
	if !ok {
		k = int32(len(t.prompts))
		t.prompts = append(t.prompts, id)
		t.index[id] = k
	}
	return k
}

// AddRow adds a logged response. What is wrong with it [Table.Evaluate] says.
func (t *Table) AddRow(r Row) {
	t.prompt = append(t.prompt, t.promptCode(r.PromptID))
	t.score, t.label = append(t.score, r.Score.OrNaN()), append(t.label, r.Label.OrNaN())
	t.inclusion, t.length = append(t.inclusion, r.InclusionProb.OrNaN()), append(t.length, r.Length.OrNaN())
	t.covariate = append(t.covariate, r.Covariate.OrNaN())
	t.logger.set(t.rows, r.Logger)
	for policy, v := range r.LogProbs {
		t.logProb[policy] = append(padded(t.logProb[policy], t.rows), v.OrNaN())
	}
	for kind, name := range r.Segments {
		if t.segment[kind] == nil {
			t.segment[kind] = &codes{}
		}
		t.segment[kind].set(t.rows, name)
	}
	t.rows++
}

// padded fills a column up with missing values to n rows.
func padded(column []float64, n int) []float64 {
	if column == nil && n > 0 {
		column = make([]float64, 0, n+n/4)
	}
	for len(column) < n {
		column = append(column, math.NaN())
	}
	return column
}

// AddDraw adds a response of a target policy's own.
func (t *Table) AddDraw(policy string, d Draw) {
	d.PromptID = t.prompts[t.promptCode(d.PromptID)] // one copy of the id
	t.draws[policy] = append(t.draws[policy], d)
}

// AddSample adds a logged response as records have it; see [FromRecords].
func (t *Table) AddSample(s dataset.Sample) error {
	r, named, err := rowOf(s, t.plan.Logging)
	if err != nil {
		return err
	}
	t.records++
	if !named {
		t.unnamed++
	}
	t.AddRow(r)
	return nil
}

// AddFresh adds a target policy's own response as records have it, and AddProbe one that
// may be a draw's label in a file of its own. Those of the logging policy are left out.
func (t *Table) AddFresh(policy string, d dataset.FreshDraw) {
	if policy != t.plan.Logging {
		t.AddDraw(policy, fromDraw(d))
	}
}

// AddProbe adds a labelled draw; see [Table.AddFresh].
func (t *Table) AddProbe(policy string, d dataset.FreshDraw) {
	if policy == t.plan.Logging {
		return
	}
	p := fromDraw(d)
	p.PromptID = t.prompts[t.promptCode(p.PromptID)]
	t.probes[policy] = append(t.probes[policy], p)
}

// Policies returns the names of all policies but the logging one, sorted.
func (t *Table) Policies() []string {
	set := map[string]bool{}
	for _, names := range [][]string{slices.Collect(maps.Keys(t.logProb)), slices.Collect(maps.Keys(t.draws)),
		slices.Collect(maps.Keys(t.probes))} {
		for _, name := range names {
			set[name] = true
		}
	}
	delete(set, t.plan.Logging)
	return slices.Sorted(maps.Keys(set))
}

// Clones returns the policies that are the logging policy scored again: those whose
// log-probs are the logged ones on more than half of the rows, which two different
// policies' never are.
func (t *Table) Clones() (out []string) {
	logged := padded(t.logProb[t.plan.Logging], t.rows)
	for _, name := range t.Policies() {
		same, rows := 0, 0
		for i, v := range t.logProb[name] {
			if d := math.Abs(v - logged[i]); !math.IsNaN(d) {
				rows++
				if d <= 1e-6 {
					same++
				}
			}
		}
		if 2*same > rows {
			out = append(out, name)
		}
	}
	return out
}

// Segments returns the kinds of [Row.Segments] of which the rows have more than one name.
func (t *Table) Segments() (out []string) {
	for _, kind := range slices.Sorted(maps.Keys(t.segment)) {
		if len(t.segment[kind].names) > 2 { // with ""
			out = append(out, kind)
		}
	}
	return out
}

// segmentAt is the group of one kind that row i belongs to, "" for none.
func (t *Table) segmentAt(kind string, i int) string {
	if c := t.segment[kind]; c != nil {
		return c.at(i)
	}
	return ""
}

// row is what was added as row i, for a caller's [Config.Reward].
func (t *Table) row(i int) Row {
	r := Row{
		PromptID: t.prompts[t.prompt[i]], Logger: t.logger.at(i), LogProbs: make(map[string]dataset.Float, len(t.logProb)),
		Score: dataset.Known(t.score[i]), Label: dataset.Known(t.label[i]), InclusionProb: dataset.Known(t.inclusion[i]),
		Length: dataset.Known(t.length[i]), Covariate: dataset.Known(t.covariate[i]),
	}
	for policy, v := range t.logProb {
		if i < len(v) && !math.IsNaN(v[i]) {
			r.LogProbs[policy] = dataset.Known(v[i])
		}
	}
	for kind, c := range t.segment {
		if name := c.at(i); name != "" {
			if r.Segments == nil {
				r.Segments = map[string]string{}
			}
			r.Segments[kind] = name
		}
	}
	return r
}

// lengths are the rows' lengths: those of records in characters, unless any of them has
// one in tokens.
func (t *Table) lengths() []float64 {
	if t.records > 0 && !slices.ContainsFunc(t.length, func(v float64) bool { return !math.IsNaN(v) }) {
		return t.covariate
	}
	return t.length
}

// Samples returns what was added, row by row; missing log-probs are absent.
func (t *Table) Samples() (Samples, error) {
	if err := t.settle(); err != nil {
		return Samples{}, err
	}
	s := Samples{Logging: t.plan.Logging, Judge: t.plan.Judge, Scored: t.scored(), Draws: t.draws, Notes: t.allNotes()}
	lengths := t.lengths()
	for i := range t.rows {
		r := t.row(i)
		r.Length = dataset.Known(lengths[i])
		s.Rows = append(s.Rows, r)
	}
	return s, nil
}

// scored is what every policy's log-probs are of.
func (t *Table) scored() map[string]dataset.Scored {
	if t.plan.Scored != nil {
		return t.plan.Scored
	}
	out := map[string]dataset.Scored{t.plan.Logging: {Distribution: dataset.UnstatedDistribution}}
	for name := range t.logProb {
		out[name] = dataset.Scored{Distribution: dataset.UnstatedDistribution}
	}
	return out
}

func (t *Table) allNotes() []string {
	if t.unnamed == 0 {
		return t.notes
	}
	return append(slices.Clone(t.notes), unnamedNote(t.unnamed, t.records))
}

// settle brings every column to its full length, and the probes of records to their draws.
func (t *Table) settle() error {
	for policy, v := range t.logProb {
		t.logProb[policy] = padded(v, t.rows)
	}
	for _, policy := range slices.Sorted(maps.Keys(t.probes)) {
		if at := repeated(t.draws[policy]); at >= 0 {
			return drawnTwice(policy, "fresh draw", t.draws[policy][at])
		}
		joined, err := joinProbes(policy, t.draws[policy], t.probes[policy])
		if err != nil {
			return err
		}
		t.draws[policy] = joined
		delete(t.probes, policy)
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
		slices.SortFunc(draws, func(a, b Draw) int {
			return cmp.Or(cmp.Compare(a.PromptID, b.PromptID), cmp.Compare(a.Index, b.Index))
		})
	}
	t.sorted = true
}

func permuteAll(t *Table, order []int32) {
	t.prompt = permuted(t.prompt, order)
	for _, column := range []*[]float64{&t.score, &t.label, &t.inclusion, &t.length, &t.covariate} {
		*column = permuted(*column, order)
	}
	for policy, v := range t.logProb {
		t.logProb[policy] = permuted(v, order)
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

// compareRows compares rows of one prompt by content.
func (t *Table) compareRows() func(a, b int32) int {
	columns := [][]float64{t.score, t.label, t.logProb[t.plan.Logging], t.inclusion, t.length, t.covariate}
	for _, name := range t.Policies() {
		columns = append(columns, t.logProb[name])
	}
	columns = slices.DeleteFunc(columns, func(c []float64) bool { return c == nil })
	return func(a, b int32) int {
		for _, c := range columns {
			if k := cmp.Compare(c[a], c[b]); k != 0 {
				return k
			}
		}
		return 0
	}
}

// repeated is the first draw whose key an earlier one has, -1 if there is none.
func repeated(draws []Draw) int { return slices.Index(repeats(draws), true) }

// repeats says of each draw whether an earlier one has its key; nil if none does.
func repeats(draws []Draw) []bool {
	before := func(a, b *Draw) int {
		return cmp.Or(cmp.Compare(a.PromptID, b.PromptID), cmp.Compare(a.Index, b.Index))
	}
	order := make([]int32, len(draws))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(before(&draws[i], &draws[j]), cmp.Compare(i, j))
	})
	var out []bool
	for k := 1; k < len(order); k++ {
		if i, j := order[k-1], order[k]; before(&draws[i], &draws[j]) == 0 {
			if out == nil {
				out = make([]bool, len(draws))
			}
			out[j] = true
		}
	}
	return out
}
