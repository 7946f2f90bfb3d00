package report

import (
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// evaluated is a document of p0 and of others that have a value, with the paired
// differences from p0.
func evaluated(values map[string][3]float64, differences map[string][4]float64) *offpolicy.Document {
	e := &offpolicy.Document{Logging: "p0", Policies: map[string]*offpolicy.PolicyDocument{}}
	for name, v := range values {
		e.Policies[name] = answered("dr", "", 0.01, v[0], v[1], v[2])
	}
	for name, d := range differences {
		e.Comparisons = append(e.Comparisons, offpolicy.ComparisonDocument{A: name, B: "p0",
			Difference: dataset.Known(d[0]), CI: [2]dataset.Float{dataset.Known(d[1]), dataset.Known(d[2])},
			Holm: dataset.Known(d[3])})
	}
	return e
}

func TestSentences(t *testing.T) {
	nan := math.NaN()
	p0 := [3]float64{0.5, 0.4, 0.6}
	one := func(d ...float64) *offpolicy.Document {
		return evaluated(map[string][3]float64{"p0": p0, "a": {0.55, 0.45, 0.65}}, map[string][4]float64{"a": [4]float64(d)})
	}
	clone := one(0.001, -0.02, 0.02, 0.9)
	clone.Comparisons[0].AA = true
	drifted := one(0.05, 0.03, 0.07, 0.001)
	drifted.Comparisons[0].AA, drifted.Comparisons[0].P = true, dataset.Known(0.001)
	unlucky := one(0.02, 0.001, 0.04, 0.04)
	unlucky.Comparisons[0].AA, unlucky.Comparisons[0].P = true, dataset.Known(0.04)
	reversed := one(0.1, 0.05, 0.15, 0.01)
	reversed.Comparisons[0].A, reversed.Comparisons[0].B = "p0", "a"
	lacking := evaluated(map[string][3]float64{"p0": p0}, nil)
	for name, l := range map[string]*offpolicy.LabelAdvice{
		"a": {Labels: 25, USD: dataset.Known(0.07), HalfWidth: dataset.Known(0.052)},
		"b": {Labels: 25, USD: dataset.Known(0.07), HalfWidth: dataset.Known(0.051)},
		"c": {Labels: 25, USD: dataset.Known(0), Unanswered: true}, "d": nil,
	} {
		lacking.Policies[name] = &offpolicy.PolicyDocument{Answer: offpolicy.AnswerDocument{Labels: l}}
	}
	both := evaluated(map[string][3]float64{"p0": p0}, nil)
	for _, name := range []string{"c", "d"} {
		both.Policies[name] = &offpolicy.PolicyDocument{Answer: offpolicy.AnswerDocument{
			Labels: &offpolicy.LabelAdvice{Labels: 30, USD: dataset.Known(0.07), Unanswered: true}}}
	}
	unadjusted := one(0.1, 0.01, 0.19, nan)
	alone := evaluated(map[string][3]float64{"p0": p0, "a": {0.7, nan, nan}}, nil)
	for _, row := range []struct {
		name   string
		e      *offpolicy.Document
		says   []string
		not    string
		reason string
	}{
		{"surely higher", one(0.1, 0.05, 0.15, 0.01), []string{"a scores 0.10 higher than p0 (95% interval 0.05 to 0.15).",
			"Best: a."}, "luck", "it passes among all pairs"},
		{"higher, for one pair", one(0.1, 0.01, 0.19, 0.2), []string{"a seems to score 0.10 higher than p0 (95% interval " +
			"0.01 to 0.19), but that may be luck: 1 pair is compared.", "Which policy is best is not known yet: a " +
			"and p0 are too close to tell apart."}, "Best:", "the more are compared, the more pass"},
		{"higher, and not adjusted", unadjusted, []string{"a seems to score 0.10 higher than p0", "a and p0 are too close " +
			"to tell apart."}, "Best:", "nobody knows whether it passes among all pairs"},
		{"lower", one(-0.1, -0.15, -0.05, 0.01), []string{"a scores 0.10 lower than p0 (95% interval 0.05 to 0.15)."},
			"-", "a lower score has no sign"},
		{"the other way round", reversed, []string{"a scores 0.10 lower than p0 (95% interval 0.05 to 0.15)."}, "-",
			"a comparison may have either first"},
		{"no difference seen", one(0.01, -0.04, 0.06, 0.7), []string{"a and p0 cannot be told apart yet (difference 0.01, " +
			"95% interval -0.04 to 0.06)."}, "same", "not seen is not equal"},
		{"narrow", one(0.0041, 0.0012, 0.007, 0.004), []string{"a scores 0.004 higher than p0 (95% interval 0.001 " +
			"to 0.007)"},
			"0.00 ", "0.00 to 0.01 would say nothing"},
		{"outside of what there is", one(0.9, -0.2, 1.3, 0.7), []string{"-0.20 to 1.00"}, "1.30",
			"no mean of labels is above 1"},
		{"clone", clone, []string{"a is p0 again, as a control, and scores the same, as it should"}, "Best",
			"a clone does not compete with itself"},
		{"a clone out of luck", unlucky, []string{"but scores 0.02 higher (95% interval 0.00 to 0.04): one control in " +
			"20 does so by luck"}, "find out why", "a GO beside it must not read as if it were wrong"},
		{"a clone that is none", drifted, []string{"find out why before you trust the rest"}, "as it should",
			"wrong log-probs show here first"},
		{"lacking", lacking, []string{"a and b cannot be estimated yet: label 25 of the responses of each ($0.07 " +
			"each) for about ±0.05.", "c cannot be estimated yet: let it answer the prompts, and label 25 of its responses.",
			"d cannot be estimated from these data.", "Which policy is best is not known yet."}, "NaN", "what to do differs"},
		{"both unanswered", both, []string{"c and d cannot be estimated yet: let each answer the prompts, and label 30 of " +
			"the responses of each ($0.07 each)."}, " it ", "what is said of two is not what is said of one"},
		{"no interval", alone, []string{"a scores 0.70 (no interval); how far that is from p0 cannot be estimated."}, "—",
			"a number without its width says so"},
		{"nothing", &offpolicy.Document{}, nil, "", "nothing is said of nothing"},
	} {
		got := strings.Join(Sentences(row.e), "\n")
		for _, want := range row.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s (%s): no %q in\n%s", row.name, row.reason, want, got)
			}
		}
		if row.not != "" && strings.Contains(got, row.not) || len(row.says) == 0 && got != "" {
			t.Errorf("%s (%s): it says %q:\n%s", row.name, row.reason, row.not, got)
		}
	}
}

// An interval misses what is known only if it misses the known value's own interval too.
func TestCovered(t *testing.T) {
	for _, row := range []struct {
		truth, se, lo, hi float64
		want, reason      string
	}{
		{0.5, 0.001, 0.45, 0.55, "covered", "within"},
		{0.56, 0.001, 0.45, 0.55, "missed", "ten standard errors out"},
		{0.551, 0.001, 0.45, 0.55, "covered", "one standard error out: the truth was simulated"},
		{0.551, math.NaN(), 0.45, 0.55, "missed", "an exact truth has no error"},
		{0.449, math.NaN(), 0.45, 0.55, "missed", "on the other side"},
		{0.5, 0.001, math.NaN(), math.NaN(), "", "no interval covers nothing and misses nothing"},
		{math.NaN(), 0.001, 0.45, 0.55, "", "what is not known is not missed"},
	} {
		v := fullVerdict()
		v.Truth.Values["p0"] = record.TrueValue{Value: dataset.Known(row.truth), SE: dataset.Known(row.se)}
		v.Evaluation.Policies["p0"] = answered("dr", "", 0.01, 0.5, row.lo, row.hi)
		if got := newForest(v).Rows[0].Mark; got != row.want {
			t.Errorf("%v ± %v in [%v, %v] is %q, want %q (%s)", row.truth, row.se, row.lo, row.hi, got, row.want, row.reason)
		}
	}
}

// The judge's means are compared only if they are means of the same prompts.
func TestJudgeAlone(t *testing.T) {
	v := fullVerdict()
	said := func() bool {
		return strings.Contains(strings.Join(newForest(v).Sentences, "\n"), "The judge alone puts")
	}
	if said() {
		t.Error("a policy with one score less is compared")
	}
	for i := range v.Policies {
		if v.Policies[i].Judge.Value.Valid() {
			v.Policies[i].Scored = v.Run.Prompts
		}
	}
	if !said() {
		t.Error("nothing is said of policies that were all scored on every prompt")
	}
}
