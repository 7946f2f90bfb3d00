package offpolicy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// Figures from which data look like something else than they claim to be. All are far
// beyond what data that are right show.
const (
	fillRows      = 20   // rows that one label of 0 stands for, before it is asked what it means
	fillValues    = 10   // distinct labels above it: a scale of a few steps has many of each
	fillZ         = 2.33 // one-sided 1% of the normal: a label of 0 that is meant has low scores
	lengthRows    = 50   // rows behind what is said of log-probs and lengths
	lengthSpread  = .3   // standard deviation of log length: lengths that differ
	lengthFollows = .3   // Spearman correlation of a sum over tokens with their number, at least
)

// remarks say which data look like something else than they claim to be. None of it
// can be known from the data alone, so that it refuses nothing.
func (fr *frame) remarks() []string {
	out := fr.zeros()
	say := func(whose string, same int) {
		if same > 0 {
			out = append(out,
				fmt.Sprintf("The labels of all %d %s that have both are exactly their judge scores: if one is a copy of the "+
					"other, no label corrects the judge, and every interval is too narrow.", same, whose))
		}
	}
	say("logged responses", copied(fr.score, fr.label))
	for _, name := range fr.targets {
		if d := fr.draws[name]; d != nil {
			say("draws of "+name, copied(d.score, d.label))
		}
	}
	return append(append(out, fr.strangers()...), fr.means()...)
}

// strangers finds policies of which no response is to a prompt that was logged, which as often as
// not is one prompt whose id is spelt in two ways.
func (fr *frame) strangers() (out []string) {
	spelt := map[string]string{} // ids of logged prompts, by what is left without case, spaces and zeros
	for i, id := range fr.prompts {
		if fr.count[i] > 0 {
			spelt[bareID(id)] = id
		}
	}
	for _, name := range fr.targets {
		d := fr.draws[name]
		if d == nil || len(d.prompt)*len(spelt) == 0 ||
			slices.ContainsFunc(d.prompt, func(p int32) bool { return fr.count[p] > 0 }) {
			continue
		}
		say := fmt.Sprintf("No response of %s is to a prompt that was logged, and differences are paired by prompt", name)
		for _, p := range d.prompt {
			if logged, ok := spelt[bareID(fr.prompts[p])]; ok {
				say += fmt.Sprintf(": spell ids alike, of which one is %q here and %q in the logs", fr.prompts[p], logged)
				break
			}
		}
		out = append(out, say+".")
	}
	return out
}

// bareID is an id without what differs between two spellings of one.
func bareID(id string) string {
	id = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(id)), ".0")
	digits := strings.TrimLeft(id, "0")
	if at := strings.LastIndexFunc(id, func(r rune) bool { return r < '0' || r > '9' }); at >= 0 {
		digits = id[:at+1] + strings.TrimLeft(id[at+1:], "0")
	}
	return digits
}

// copied counts labels that are the scores again; it is 0 if one of them is not.
func copied(score, label []float64) int {
	same, distinct := 0, map[float64]bool{}
	for i, s := range score {
		switch {
		case math.IsNaN(label[i]) || math.IsNaN(s):
		case s != label[i]:
			return 0
		default:
			same++
			distinct[s] = true
		}
	}
	if len(distinct) < fillValues {
		return 0
	}
	return same
}

// means finds log-probs that do not grow with the length of the response. A sum over
// tokens does; a mean over them does not, and a ratio of means is no weight.
func (fr *frame) means() (out []string) {
	length := logs(fr.length)
	var names []string
	for _, name := range append([]string{fr.logging}, fr.targets...) {
		var x, y []float64
		for i, v := range fr.logProb(name) {
			if finite(v) && finite(length[i]) && fr.length[i] > 0 {
				x, y = append(x, length[i]), append(y, -v)
			}
		}
		if len(x) < lengthRows || stat.PopStdDev(x, nil) < lengthSpread || slices.Min(y) == slices.Max(y) {
			continue
		}
		if _, upper := spearmanBounds(Spearman(x, y), len(x)); upper < lengthFollows {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("The log-probs of %s do not grow with the length of the response, as a sum over its "+
		"tokens does: if they are means per token, the weights made of them are wrong.", strings.Join(names, ", "))}
}

// filled refuses labels of 0 that stand for missing ones: they are many, all others
// differ from each other, and the judge scores them higher than it scores the lower
// half of these.
func filled(score, label []float64) *Refusal {
	var zero, above []int
	distinct := map[float64]bool{}
	for i, y := range label {
		switch {
		case math.IsNaN(y) || math.IsNaN(score[i]):
		case y == 0:
			zero = append(zero, i)
		default:
			above = append(above, i)
			distinct[y] = true
		}
	}
	if len(zero) < fillRows || len(distinct) < fillValues || len(above) < fillRows {
		return nil
	}
	slices.SortStableFunc(above, func(a, b int) int { return cmp.Compare(label[a], label[b]) })
	low := above[:len(above)/2]
	x := make([]float64, len(score))
	for i := range x {
		x[i] = math.NaN()
	}
	inv := make([]float64, len(x))
	for _, i := range zero {
		x[i], inv[i] = score[i], 1
	}
	for _, i := range low {
		x[i], inv[i] = score[i], -1
	}
	z, _ := subsetZ(ranks(x), inv)
	if !(z > fillZ) {
		return nil
	}
	why := refusal(RuleLabels, z, fillZ,
		"%d of %d labels are exactly 0, and the judge scores these responses higher than those with the lowest labels "+
			"above 0 (z %+.1f): 0 stands for a missing label",
		len(zero), len(zero)+len(above), z)
	why.Remedy = "leave the label out of every response that nobody labeled"
	return &why
}
