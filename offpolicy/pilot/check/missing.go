package check

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// patternP is the exact p-value below which failures are not taken for chance;
// patternLeast the number of failures that can show anything.
const (
	patternP     = 0.001
	patternLeast = 6
)

// unit is one record that was owed: how long what it was made from is, and whether it
// failed.
type unit struct {
	length int
	failed bool
	key    dataset.Key
	fault  bool // it failed for a reason that can be fixed
}

// attempts yields, by stage, the records that could have been made: those that
// lack nothing but their own success.
func attempts(r *record.Records) iter.Seq2[string, unit] {
	return func(yield func(string, unit) bool) {
		logged := r.Responses.Brief().Of(r.Logging().Policy.Name)
		for _, a := range r.Arms {
			name := a.Policy.Name
			responses, logprobs, scores := r.Responses.Brief().Of(name), r.LogProbs.Brief().Of(name), r.Scores.Of(name)
			for _, p := range r.Prompts.Brief().All() {
				key := dataset.Key{PromptID: p.ID, Policy: name}
				row, ok := responses(p.ID)
				has := ok && row.Text != nil
				if !yield("responses", unit{len(p.Text), !has, key, !has}) {
					return
				}
				if has {
					s, ok := scores(p.ID)
					failed := !ok || !s.Mean.Valid()
					if !yield("judge", unit{row.Text.Bytes, failed, key, failed}) {
						return
					}
				}
				if base, ok := logged(p.ID); ok && base.Text != nil {
					l, ok := logprobs(p.ID)
					failed := !ok || !l.LogProb.Valid() && !l.Bounded()
					if !yield("logprobs", unit{base.Text.Bytes, failed, key,
						failed && (l.Error == nil || !record.Unavoidable(l.Error.Class))}) {
						return
					}
				}
			}
		}
		for k := range r.LabelsOwed {
			if row, ok := r.Responses.Brief().Get(k); ok && row.Text != nil {
				l, _ := r.Labels.Get(k)
				if failed := !l.Label.Valid(); !yield("oracle", unit{row.Text.Bytes, failed, k, failed}) {
					return
				}
			}
		}
	}
}

// pattern is one exact test of whether failures gather in a group.
type pattern struct {
	stage, group        string
	failed, in          int // in the group
	allFailed, allUnits int
	faults              int // of allFailed, those that can be fixed
	p                   float64
}

// allowed is the share of missing values that a pattern may have: what cannot be fixed
// is modelled by the estimates, and has the wider limit.
func (t pattern) allowed(th Thresholds) float64 {
	if t.faults == 0 {
		return th.MissingHold
	}
	return th.MissingPass
}

// patterns tests, in each stage with failures enough, every policy against the
// others and the longest and the shortest third against the rest.
func patterns(r *record.Records) (tests []pattern, failed int) {
	owed, lacks := map[string]int{}, map[string]int{}
	for stage, u := range attempts(r) {
		if owed[stage]++; u.failed {
			lacks[stage]++
			failed++
		}
	}
	for _, stage := range []string{"responses", "logprobs", "oracle", "judge"} {
		if lacks[stage] < patternLeast {
			continue
		}
		type trial struct {
			policy string
			length int
			failed bool
		}
		units := make([]trial, 0, owed[stage])
		bad, faults := lacks[stage], 0
		policies := map[string]bool{}
		for of, u := range attempts(r) {
			if of != stage {
				continue
			}
			units = append(units, trial{u.key.Policy, u.length, u.failed})
			policies[u.key.Policy] = true
			if u.fault {
				faults++
			}
		}
		test := func(group string, member func(i int) bool) {
			t := pattern{stage: stage, group: group, allFailed: bad, allUnits: len(units), faults: faults}
			for i, u := range units {
				if member(i) {
					t.in++
					if u.failed {
						t.failed++
					}
				}
			}
			if t.in > 0 && t.in < t.allUnits {
				t.p = hypergeometric(t.failed, t.in, bad, len(units))
				tests = append(tests, t)
			}
		}
		for _, a := range r.Arms {
			if len(policies) > 1 && policies[a.Policy.Name] {
				test(a.Policy.Name, func(i int) bool { return units[i].policy == a.Policy.Name })
			}
		}
		lengths := make([]int, len(units))
		for i, u := range units {
			lengths[i] = u.length
		}
		slices.Sort(lengths)
		short, long := lengths[len(lengths)/3], lengths[2*len(lengths)/3]
		test("the shortest third", func(i int) bool { return units[i].length < short })
		test("the longest third", func(i int) bool { return units[i].length > long })
	}
	for i := range tests { // Bonferroni
		tests[i].p = min(1, tests[i].p*float64(len(tests)))
	}
	slices.SortStableFunc(tests, func(a, b pattern) int { return cmp.Compare(a.p, b.p) })
	return tests, failed
}

// hypergeometric is the exact two-sided p-value of k failures among n units, if
// bad failures fall on total units by chance: twice the smaller tail.
func hypergeometric(k, n, bad, total int) float64 {
	choose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	all := choose(total, bad)
	prob := func(i int) float64 { return math.Exp(choose(n, i) + choose(total-n, bad-i) - all) }
	var low, high float64
	for i := max(0, bad-(total-n)); i <= min(n, bad); i++ {
		if i <= k {
			low += prob(i)
		}
		if i >= k {
			high += prob(i)
		}
	}
	return min(1, 2*min(low, high))
}

// share is the larger of the shares that failed in the group and elsewhere:
// what is missing can move a mean of values in [0, 1] by no more.
func (t pattern) share() float64 {
	return max(float64(t.failed)/float64(t.in), float64(t.allFailed-t.failed)/float64(t.allUnits-t.in))
}

func (t pattern) String() string {
	return fmt.Sprintf("%s, %s lacks %d of %d, the rest %d of %d (p %.2g)", t.stage, t.group, t.failed, t.in,
		t.allFailed-t.failed, t.allUnits-t.in, t.p)
}

var _ = add(Check{
	ID: "missing.pattern", After: "judge.injection", Needs: record.WholeRun, InPlace: true,
	OfSample: true,
	Threshold: func(in *Input) string {
		return fmt.Sprintf("failures are not related to policy or length: exact p (hypergeometric, each policy against "+
			"the others and the outer thirds of length against the rest, times the number of tests) of %g or more; a "+
			"relation in which at most %.0f%% are missing (%.0f%% of what no endpoint can score), and fewer than %d failures "+
			"in every stage: info", patternP, 100*in.Thresholds.MissingPass, 100*in.Thresholds.MissingHold, patternLeast)
	},
	Remedy: record.Remedy{Do: "read the failed records: what fails for one policy or for long texts is missing from " +
		"its mean; fix the cause, or count the worst case"},
	Find: checkMissing,
})

func checkMissing(in *Input, c *record.Finding) {
	r, th := in.Records, in.Thresholds
	tests, failed := patterns(r)
	c.AddFigure("failed records", float64(failed), "")
	for i, t := range tests {
		if i < 5 {
			c.AddFigure(fmt.Sprintf("p: %s, %s, %d of %d failed, %d of %d elsewhere", t.stage, t.group, t.failed, t.in,
				t.allFailed-t.failed, t.allUnits-t.in), t.p, "")
		}
	}
	worst := worstCase(r, c)
	switch {
	case failed == 0:
		c.Status, c.Summary = record.Pass, "nothing is missing"
		return
	case len(tests) == 0:
		c.Status, c.Summary = record.Info,
			fmt.Sprintf("%s, too few of one stage to show a pattern", record.Plural(failed, "failed record", "failed records"))
	case tests[0].p < patternP:
		t := tests[0]
		c.Status, c.Summary = record.Info,
			fmt.Sprintf("failures are not random, and too few to move a mean by more than %.3f: %s", t.share(), t)
		for _, other := range tests {
			if other.p < patternP && other.share() > other.allowed(th) {
				t = other
				c.Status, c.Summary = record.Hold, fmt.Sprintf("failures are not random: %s", t)
				break
			}
		}
		var keys []string
		for stage, u := range attempts(r) {
			if stage == t.stage && u.failed {
				keys = append(keys, stage+" "+u.key.String())
			}
		}
		c.NameRecords(keys)
	default:
		c.Status, c.Summary = record.Pass,
			fmt.Sprintf("%s show no pattern by policy or length (least p %.2g)",
				record.Plural(failed, "failed record", "failed records"), tests[0].p)
	}
	if worst != "" {
		c.Summary += "; " + worst
	}
}

// worstCase says what the ranking would be if every unscored response had the
// score that speaks most against it. It is empty where nothing is unscored.
func worstCase(r *record.Records, c *record.Finding) string {
	bad := worstArm(r)
	var low, high map[string]float64
	low, high = map[string]float64{}, map[string]float64{}
	var unscored []string
	for _, a := range r.Arms {
		name := a.Policy.Name
		rows := r.Scores.Of(name)
		sum, n := 0.0, 0
		for _, p := range r.Prompts.Brief().All() { // in order, so that sums are reproducible
			if row, ok := rows(p.ID); ok && row.Mean.Valid() {
				sum += row.Mean.OrNaN()
				n++
			}
		}
		of := float64(max(r.Prompts.Len(), 1))
		missing := float64(r.Prompts.Len() - n)
		low[name], high[name] = sum/of, (sum+missing)/of
		if missing > 0 {
			c.AddFigure(name+" mean score, unscored as 0", low[name], "")
			c.AddFigure(name+" mean score, unscored as 1", high[name], "")
			unscored = append(unscored, fmt.Sprintf("%s %.0f of %d", name, missing, r.Prompts.Len()))
		}
	}
	if len(unscored) == 0 {
		return ""
	}
	s := "unscored: " + strings.Join(unscored, ", ")
	if bad == nil {
		return s
	}
	name := bad.Policy.Name
	var above []string
	for _, a := range r.Arms {
		if a.Policy.Name != name && low[a.Policy.Name] <= high[name] {
			above = append(above, a.Policy.Name)
		}
	}
	if len(above) == 0 {
		return s + fmt.Sprintf("; at worst %s has %.3f and stays last", name, high[name])
	}
	return s + fmt.Sprintf("; at worst %s has %.3f and may not be below %s", name, high[name], strings.Join(above, ", "))
}

// worstArm is the target that is expected to be worst, nil where none is
// expected to be worse than the logging policy.
func worstArm(r *record.Records) *record.Arm {
	var bad *record.Arm
	for i, a := range r.Arms {
		if a.Role == record.Target && a.ExpectedRank > r.Logging().ExpectedRank &&
			(bad == nil || a.ExpectedRank > bad.ExpectedRank) {
			bad = &r.Arms[i]
		}
	}
	return bad
}
