package offpolicy

import (
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Plan is what all parts of one evaluation have in common.
type Plan struct {
	Logging string // name of the policy whose responses were logged
	// Pooled is as in Samples.
	Pooled bool   `json:",omitempty"`
	Judge  string // identity of the judge that gave every score, name and hash
	// Scored is as in Samples; nil is for a source that states nothing of it, so that
	// every policy's log-probs are "unstated".
	Scored map[string]dataset.Scored
}

// Table holds samples in columns: the numbers that [Evaluate] reads, and no text. A row
// takes 8 bytes for each policy and some 50 more, its prompt's id apart, a draw 36.
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
	// By policy; of a log-prob that is known as an interval it is the upper bound, and lower
	// the lower one, which is missing elsewhere.
	logProb, lower map[string][]float64
	segment        map[string]*codes       // by kind
	draws, probes  map[string]*drawColumns // by policy; probes of records, not yet joined
	notes          []string
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
	return &Table{plan: p, index: map[string]int32{}, logProb: map[string][]float64{},
		lower: map[string][]float64{}, segment: map[string]*codes{},
		draws: map[string]*drawColumns{}, probes: map[string]*drawColumns{}}
}

// TableOf returns a table of samples.
func TableOf(s Samples) *Table {
	t := NewTable(Plan{Logging: s.Logging, Pooled: s.Pooled, Judge: s.Judge, Scored: stated(s.Scored)})
	t.notes = slices.Clone(s.Notes)
	for i := range s.Rows {
		t.AddRow(s.Rows[i])
	}
	for policy, draws := range s.Draws {
		columnsOf(t.draws, policy).grow(len(draws))
		for _, d := range draws {
			t.AddDraw(policy, d)
		}
	}
	return t
}

// stated is what the source of samples says of log-probs: of none, if it says nothing.
func stated(s map[string]dataset.Scored) map[string]dataset.Scored {
	if s == nil {
		return map[string]dataset.Scored{}
	}
	return s
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
		if _, ok := r.Intervals[policy]; !ok {
			t.logProb[policy] = append(padded(t.logProb[policy], t.rows), v.OrNaN())
		}
	}
	for policy, bounds := range r.Intervals {
		b := (dataset.LogProb{Interval: &bounds}).Bounds()
		t.lower[policy] = append(padded(t.lower[policy], t.rows), b[0])
		t.logProb[policy] = append(padded(t.logProb[policy], t.rows), b[1])
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

// AddSample adds a logged response as records have it; see [FromRecords].
func (t *Table) AddSample(s dataset.Sample) error { return t.AddUnread(s, characters(s.Response)) }

// AddUnread is [Table.AddSample] of a sample whose response was not read, and has so many
// characters.
func (t *Table) AddUnread(s dataset.Sample, characters dataset.Float) error {
	r, named, err := rowOf(s, t.plan.Logging, t.plan.Pooled)
	if err != nil {
		return err
	}
	r.Covariate = characters
	t.records++
	if !named {
		t.unnamed++
	}
	t.AddRow(r)
	return nil
}

// AddNote adds what is to be known of where the samples come from, a sentence.
func (t *Table) AddNote(note string) { t.notes = append(t.notes, note) }

// policies returns the names of all policies but the logging one, sorted.
func (t *Table) policies() []string {
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
// log-probs are the logged ones on more than half of the rows that have both, 30 or more of
// them, which two different policies' never are. Intervals are no log-probs here.
func (t *Table) Clones() (out []string) {
	logged := padded(t.logProb[t.plan.Logging], t.rows)
	for _, name := range t.policies() {
		same, rows := 0, 0
		for i, v := range t.logProb[name] {
			if b := t.bounds(name, i); b[0] != b[1] {
				continue
			}
			if d := math.Abs(v - logged[i]); !math.IsNaN(d) {
				rows++
				if d <= 1e-6 {
					same++
				}
			}
		}
		if rows >= MinESS && 2*same > rows {
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

// segmentNames are the groups of one kind that rows belong to, sorted.
func (t *Table) segmentNames(kind string) []string {
	c := t.segment[kind]
	switch {
	case t.rows == 0:
		return nil
	case c == nil || len(c.code) == 0:
		return []string{""}
	}
	used := make([]bool, len(c.names))
	used[0] = len(c.code) < t.rows
	for _, k := range c.code {
		used[k] = true
	}
	var out []string
	for k, name := range c.names {
		if used[k] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// row is what was added as row i, for a caller's [Config.Reward].
func (t *Table) row(i int) Row {
	r := Row{
		PromptID: t.prompts[t.prompt[i]], Logger: t.logger.at(i), LogProbs: make(map[string]dataset.Float, len(t.logProb)),
		Score: dataset.Known(t.score[i]), Label: dataset.Known(t.label[i]), InclusionProb: dataset.Known(t.inclusion[i]),
		Length: dataset.Known(t.length[i]), Covariate: dataset.Known(t.covariate[i]),
	}
	for policy, v := range t.logProb {
		switch b := t.bounds(policy, i); {
		case math.IsNaN(b[0]):
			r.LogProbs[policy] = dataset.Float{}
		case b[0] == b[1]:
			r.LogProbs[policy] = dataset.Known(v[i])
		default:
			if r.Intervals == nil {
				r.Intervals = map[string][2]dataset.Float{}
			}
			r.Intervals[policy] = [2]dataset.Float{finiteOrMissing(b[0]), dataset.Known(b[1])}
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

// bounds are those of row i's log-prob under a policy, equal if it is a number; NaN if it is
// missing.
func (t *Table) bounds(policy string, i int) [2]float64 {
	v, lower := t.logProb[policy], t.lower[policy]
	if i >= len(v) {
		return [2]float64{math.NaN(), math.NaN()}
	}
	if i < len(lower) && !math.IsNaN(lower[i]) {
		return [2]float64{lower[i], v[i]}
	}
	return [2]float64{v[i], v[i]}
}

// finiteOrMissing is the lower bound of an interval as rows have it.
func finiteOrMissing(v float64) dataset.Float {
	if math.IsInf(v, -1) {
		return dataset.Float{}
	}
	return dataset.Known(v)
}

// byPolicy are the columns that policies have.
func (t *Table) byPolicy() [2]map[string][]float64 {
	return [2]map[string][]float64{t.logProb, t.lower}
}

// lengths are the rows' lengths: those of records in characters, unless any of them has
// one in tokens.
func (t *Table) lengths() []float64 {
	if t.records > 0 && !slices.ContainsFunc(t.length, func(v float64) bool { return !math.IsNaN(v) }) {
		return t.covariate
	}
	return t.length
}

// Samples returns what was added, row by row, each with a log-prob, known or missing, under
// every policy that any row names. A draw that occurs twice, or a probe that contradicts its
// draw, is an error.
func (t *Table) Samples() (Samples, error) {
	if err := t.settle(); err != nil {
		return Samples{}, err
	}
	s := Samples{Logging: t.plan.Logging, Pooled: t.plan.Pooled, Judge: t.plan.Judge,
		Scored: t.scored(), Draws: make(map[string][]Draw, len(t.draws)), Notes: t.readNotes()}
	for _, policy := range slices.Sorted(maps.Keys(t.draws)) {
		draws := t.draws[policy]
		if err := t.once(policy, "fresh draw", draws); err != nil {
			return Samples{}, err
		}
		s.Draws[policy] = make([]Draw, len(draws.prompt))
		for i := range draws.prompt {
			s.Draws[policy][i] = t.draw(draws, i)
		}
	}
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
	out := map[string]dataset.Scored{}
	for name, column := range t.logProb {
		if known(column) > 0 {
			out[name] = dataset.Scored{Distribution: dataset.UnstatedDistribution}
		}
	}
	return out
}

// readNotes are of where the samples come from, and allNotes also of what is odd in them.
func (t *Table) readNotes() []string {
	out := slices.Clone(t.notes)
	if t.unnamed > 0 {
		out = append(out, unnamedNote(t.unnamed, t.records))
	}
	return out
}

func (t *Table) allNotes() []string { return append(t.readNotes(), t.lookalikes()...) }
