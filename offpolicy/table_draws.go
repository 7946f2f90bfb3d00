package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// drawColumns are one policy's own responses, as they were added or, in a table that is sorted, by
// prompt and index.
type drawColumns struct {
	prompt []int32 // codes
	index  []int   // shorter if the rest are 0
	// NaN is missing.
	score, label, inclusion, covariate []float64
}

// columns are the numbers that every draw has a place for.
func (c *drawColumns) columns() [4]*[]float64 {
	return [4]*[]float64{&c.score, &c.label, &c.inclusion, &c.covariate}
}

func (c *drawColumns) grow(n int) {
	c.prompt = slices.Grow(c.prompt, n)
	for _, column := range c.columns() {
		*column = slices.Grow(*column, n)
	}
}

// add adds a draw for the prompt of that code.
func (c *drawColumns) add(prompt int32, d Draw) {
	c.setIndex(len(c.prompt), d.Index)
	c.prompt = append(c.prompt, prompt)
	c.score, c.label = append(c.score, d.Score.OrNaN()), append(c.label, d.Label.OrNaN())
	c.inclusion, c.covariate = append(c.inclusion, d.InclusionProb.OrNaN()), append(c.covariate, d.Covariate.OrNaN())
}

// setIndex gives draw i, the last so far, its index.
func (c *drawColumns) setIndex(i, index int) {
	if index != 0 || len(c.index) > 0 {
		c.fillIndex(i)
		c.index = append(c.index, index)
	}
}

func (c *drawColumns) fillIndex(n int) { c.index = append(c.index, make([]int, n-len(c.index))...) }

func (c *drawColumns) indexAt(i int) int {
	if i < len(c.index) {
		return c.index[i]
	}
	return 0
}

// compare orders draws by prompt and index.
func (c *drawColumns) compare(a, b int32) int {
	return cmp.Or(cmp.Compare(c.prompt[a], c.prompt[b]), cmp.Compare(c.indexAt(int(a)), c.indexAt(int(b))))
}

// order is that of the draws by prompt, index and place.
func (c *drawColumns) order() []int32 {
	order := make([]int32, len(c.prompt))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(c.compare(a, b), cmp.Compare(a, b)) })
	return order
}

// sort orders the draws by prompt, codes being as rank has them, and by index.
func (c *drawColumns) sort(rank []int32) {
	for i, code := range c.prompt {
		c.prompt[i] = rank[code]
	}
	order := c.order()
	if len(c.index) > 0 {
		c.fillIndex(len(order))
		c.index = permuted(c.index, order)
	}
	c.prompt = permuted(c.prompt, order)
	for _, column := range c.columns() {
		*column = permuted(*column, order)
	}
}

// repeats says of each draw whether an earlier one has its key; nil if none does.
func (c *drawColumns) repeats() (out []bool) {
	order := c.order()
	for k := 1; k < len(order); k++ {
		if i, j := order[k-1], order[k]; c.compare(i, j) == 0 {
			if out == nil {
				out = make([]bool, len(order))
			}
			out[j] = true
		}
	}
	return out
}

// merge adds o's draws, whose prompts have these codes here.
func (c *drawColumns) merge(o *drawColumns, code []int32) {
	n := len(c.prompt)
	for _, p := range o.prompt {
		c.prompt = append(c.prompt, code[p])
	}
	if len(o.index) > 0 {
		c.fillIndex(n)
		c.index = append(c.index, o.index...)
	}
	from := o.columns()
	for k, column := range c.columns() {
		*column = append(*column, *from[k]...)
	}
}

// state codes draws as [Table.MarshalBinary] has them, of so many prompts.
func (c *drawColumns) state(s *tableCoder, prompts int) {
	s.codes(&c.prompt, func() int { return prompts })
	index := make([]float64, len(c.prompt))
	for i := range index {
		index[i] = float64(c.indexAt(i))
	}
	s.floats(&index)
	for _, column := range c.columns() {
		s.floats(column)
		if len(*column) != len(c.prompt) || len(index) != len(c.prompt) {
			s.fail()
		}
	}
	if !s.read || s.err != nil {
		return
	}
	for i, v := range index {
		if math.Trunc(v) != v {
			s.fail()
			return
		}
		c.setIndex(i, int(v))
	}
}

// columnsOf are the columns of a policy's draws.
func columnsOf(m map[string]*drawColumns, policy string) *drawColumns {
	if m[policy] == nil {
		m[policy] = &drawColumns{}
	}
	return m[policy]
}

// draw is draw i of some.
func (t *Table) draw(c *drawColumns, i int) Draw {
	return Draw{t.prompts[c.prompt[i]], c.indexAt(i), dataset.Known(c.score[i]), dataset.Known(c.label[i]),
		dataset.Known(c.inclusion[i]), dataset.Known(c.covariate[i])}
}

// AddDraw adds a response of a target policy's own.
func (t *Table) AddDraw(policy string, d Draw) {
	columnsOf(t.draws, policy).add(t.promptCode(d.PromptID), d)
}

// AddFresh adds a target policy's own response as records have it, and AddProbe one that
// may be a draw's label in a file of its own. Those of the logging policy are left out.
func (t *Table) AddFresh(policy string, d dataset.FreshDraw) {
	if policy != t.plan.Logging {
		t.AddDraw(policy, fromDraw(d))
	}
}

// AddProbe adds a labeled draw; see [Table.AddFresh].
func (t *Table) AddProbe(policy string, d dataset.FreshDraw) {
	if policy != t.plan.Logging {
		columnsOf(t.probes, policy).add(t.promptCode(d.PromptID), fromDraw(d))
	}
}

// once reports a draw that occurs twice, and what it is.
func (t *Table) once(policy, what string, c *drawColumns) error {
	at := slices.Index(c.repeats(), true)
	if at < 0 {
		return nil
	}
	k := dataset.Key{PromptID: t.prompts[c.prompt[at]], Policy: policy, DrawIdx: c.indexAt(at)}
	return fmt.Errorf("offpolicy: samples: %w: %s %s occurs twice (keep one of the two)", dataset.ErrDuplicateID, what, k)
}

// joinProbes gives draws the labels of probes that have their key, and adds the others.
func (t *Table) joinProbes(policy string) error {
	draws, probes := columnsOf(t.draws, policy), t.probes[policy]
	if err := t.once(policy, "fresh draw", draws); err != nil {
		return err
	}
	if err := t.once(policy, "probe", probes); err != nil {
		return err
	}
	type key struct {
		prompt int32
		draw   int
	}
	index := make(map[key]int, len(probes.prompt))
	for i, p := range probes.prompt {
		index[key{p, probes.indexAt(i)}] = i
	}
	agree := func(a, b dataset.Float) bool { return a == b || !a.Valid() || !b.Valid() }
	joined := make([]bool, len(probes.prompt))
	for i, prompt := range draws.prompt {
		k, ok := index[key{prompt, draws.indexAt(i)}]
		if !ok {
			continue
		}
		joined[k] = true
		have, p := t.draw(draws, i), t.draw(probes, k)
		if !agree(have.InclusionProb, p.InclusionProb) {
			return fmt.Errorf("offpolicy: samples: probe %s has inclusion probability %v, the fresh draw of that key %v: "+
				"leave out the one that is wrong", dataset.Key{PromptID: p.PromptID, Policy: policy, DrawIdx: p.Index},
				p.InclusionProb, have.InclusionProb)
		}
		if !agree(have.Score, p.Score) || !agree(have.Label, p.Label) {
			return fmt.Errorf("offpolicy: samples: probe %s has score %v and label %v, the fresh draw of that key %v and "+
				"%v: they are different responses; "+
				"give the probe a draw_idx of its own", dataset.Key{PromptID: p.PromptID, Policy: policy, DrawIdx: p.Index},
				p.Score, p.Label, have.Score, have.Label)
		}
		from := probes.columns()
		for c, column := range draws.columns() {
			if math.IsNaN((*column)[i]) {
				(*column)[i] = (*from[c])[k]
			}
		}
		if c := probes.covariate[k]; draws.covariate[i] < c { // one of the two may lack the text
			draws.covariate[i] = c
		}
	}
	for i, prompt := range probes.prompt {
		if !joined[i] {
			draws.add(prompt, t.draw(probes, i))
		}
	}
	delete(t.probes, policy)
	return nil
}
