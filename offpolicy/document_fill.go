package offpolicy

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/reweigh/reweigh/dataset"
)

// Document returns the result as JSON has it.
func (r *Result) Document() *Document {
	fr := r.frame
	d := &Document{
		SchemaVersion: DocumentVersion, Logging: r.Logging, Judge: r.Judge, Rows: fr.n(),
		Prompts: len(r.Prompts), Labels: len(fr.labeled),
		Anytime: r.config.Anytime,
		Seed:    r.config.Seed, Margin: r.config.Margin, LogProbs: maps.Clone(fr.scored), Notes: r.notes(),
		Calibration: r.calibrationDocument(),
		Policies:    map[string]*PolicyDocument{}, Comparisons: []ComparisonDocument{}, Points: r.points(),
		LogWeights: map[string][]float64{},
	}
	if d.LogProbs == nil {
		d.LogProbs = map[string]dataset.Scored{}
	}
	for _, e := range r.config.Estimators {
		d.Estimators = append(d.Estimators, string(e))
	}
	for i := range r.Policies {
		p := &r.Policies[i]
		d.Policies[p.Policy] = r.policyDocument(p)
		if p.Answer.Estimator != "" {
			d.Answered++
		} else {
			d.Refused++
		}
		if p.Policy != r.Logging {
			d.LogWeights[p.Policy] = p.Weights.Log
		}
	}
	for _, c := range r.Comparisons {
		x := ComparisonDocument{
			A: c.A, B: c.B, Estimators: [2]string{string(c.Estimators[0]), string(c.Estimators[1])},
			Difference: figure(c.Difference),
			SE:         figure(c.SE), CI: figures(c.Lower, c.Upper), Band: figures(c.BandLower, c.BandUpper),
			P: figure(c.P), Holm: figure(c.Holm), AA: c.AA,
			Prompts: c.Prompts, LeftOut: c.LeftOut, Modelled: c.Modelled, Reasons: messages(c.Refusals), Notes: list(c.Notes),
		}
		x.Anytime = anytimeFigures(c.AnytimeLower, c.AnytimeUpper)
		x.AnytimeP, x.AnytimeHolm = figure(c.AnytimeP), figure(c.AnytimeHolm)
		d.Comparisons = append(d.Comparisons, x)
	}
	return d
}

// zeros are notes on log-probs of exactly 0, a probability of 1, of responses that are
// not known to be empty: most often a value that was never there.
func (fr *frame) zeros() (out []string) {
	// Of rows without any text nobody knows which responses are empty.
	texts := slices.ContainsFunc(fr.length, func(l float64) bool { return l > 0 })
	for _, name := range append([]string{fr.logging}, fr.targets...) {
		var ids []string
		count := 0
		for i, v := range fr.logProb(name) {
			if b := fr.t.bounds(name, i); v == 0 && b[0] == 0 && (fr.length[i] != 0 || !texts) {
				if count++; count <= 3 {
					ids = append(ids, fr.prompts[fr.prompt[i]])
				}
			}
		}
		if count > 0 {
			out = append(out,
				fmt.Sprintf("%d log-probs under %s are exactly 0, which says that no other response was possible (%s): if they "+
					"stand for missing values, leave them out.",
					count, name, strings.Join(ids, ", ")))
		}
	}
	return out
}

// gapNames are the gaps in words.
var gapNames = map[gapKind]string{
	gapOfLogProbs: "log-probs of logged responses", gapOfScores: "scores of logged responses",
	gapOfLabels: "labels of logged responses",
	gapOfProbes: "labels of its own responses", gapOfDraws: "own responses to logged prompts",
}

// labelsNote is what every figure by labels takes for granted.
const labelsNote = "Labels are taken for a random draw, with the inclusion probabilities that are stated. That is " +
	"tested (see gaps), not known."

// figure is a number for JSON, which has neither NaN nor infinities.
func figure(v float64) dataset.Float {
	if math.IsInf(v, 0) {
		return dataset.Float{}
	}
	return dataset.Known(v)
}

func figures(lo, hi float64) [2]dataset.Float { return [2]dataset.Float{figure(lo), figure(hi)} }

// anytimeFigures are nil of an evaluation without them.
func anytimeFigures(lo, hi float64) *[2]dataset.Float {
	if math.IsNaN(lo) {
		return nil
	}
	x := figures(lo, hi)
	return &x
}

func messages(refusals []Refusal) []string {
	out := []string{}
	for _, r := range refusals {
		out = append(out, r.Message)
	}
	return out
}

// list is a copy of s, and an empty list rather than null without any.
func list(s []string) []string { return append([]string{}, s...) }

// notes are what must be known before any figure.
func (r *Result) notes() []string {
	out := []string{}
	for _, p := range r.Policies {
		if p.Clone == nil || p.Clone.Status == StatusPass {
			continue
		}
		say := "may be noisy"
		if p.Clone.Status == StatusFail {
			say = "are noisy"
		}
		out = append(out,
			fmt.Sprintf("The log-probs %s: %s is %s scored again, and its weights are not 1 (%s). Every other policy's "+
				"weights are made of the same kind of log-probs.",
				say, p.Policy, r.Logging, strings.Join(p.Clone.Reasons, "; ")))
	}
	out = append(out, r.contradictions()...)
	out = append(out, r.source...)
	out = append(out, r.frame.remarks()...)
	var unstated []string
	for _, p := range r.Policies {
		if r.frame.scored[p.Policy].Distribution == dataset.UnstatedDistribution {
			unstated = append(unstated, p.Policy)
		}
	}
	if len(unstated) > 0 {
		out = append(out,
			fmt.Sprintf("Nobody stated what the log-probs of %s are of. They are taken for those of the distribution that "+
				"each policy samples from: "+
				"if a policy samples at another temperature than 1 or with filters, and these are its model's raw values, its "+
				"weights are wrong.", strings.Join(unstated, ", ")))
	}
	if n := r.config.Anytime; n > 0 {
		out = append(out, fmt.Sprintf("Intervals marked anytime hold however often a growing run is looked at, and are "+
			"narrowest at %d prompts; the others hold for one look at a run whose size was set before.", n))
	}
	if fr := r.frame; len(fr.labeled) > 0 {
		out = append(out, labelsNote)
	}
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Weights.Modelled > 0 {
			out = append(out,
				fmt.Sprintf("%d of %d weights of %s are modelled: these responses could not be scored, and weights average 1 "+
					"over all.",
					p.Weights.Modelled, p.Weights.N, p.Policy))
		}
	}
	for i := range r.Policies {
		p := &r.Policies[i]
		for j := range p.gaps {
			if g := &p.gaps[j]; g.pattern() != nil {
				out = append(out, fmt.Sprintf("%s, %s: %d of %d are without, and differ from the rest in %s.",
					p.Policy, gapNames[g.Kind], g.Missing, g.Total, g.pattern()))
			}
		}
	}
	if n := len(r.Prompts); n > exactPrompts && r.config.Method == InfluenceFunction {
		out = append(out, fmt.Sprintf("Standard errors are those of influence functions, which of more than %d prompts are "+
			"as good as a bootstrap's; there are %d.", exactPrompts, n))
	}
	switch {
	case r.CalibratorError == nil:
	case r.frame.unscored():
		out = append(out, "No response has a judge score: labels are used alone.")
	default:
		out = append(out, "The judge cannot be calibrated: "+r.CalibratorError.Error()+".")
	}
	return out
}

// contradictions are the policies of which logs and own responses say what cannot both be
// right: wrong weights, draws of another policy, or another judge or oracle.
func (r *Result) contradictions() (out []string) {
	for i := range r.Policies {
		p := &r.Policies[i]
		dr, direct := p.Estimate(DR), p.Estimate(Direct)
		switch {
		case math.Abs(p.Answer.Hausman) > disagreement:
			out = append(out, fmt.Sprintf("The reweighted logs put %s at %.3f, and the labels of its own responses at %.3f, "+
				"further apart than luck explains (t %.1f). The answer is by its own, and holds only if these are its "+
				"responses and the labels are right: find out why before you rely on either.",
				p.Policy, dr.Value, direct.Value, p.Answer.Hausman))
		case p.Answer.Estimator == Direct:
			for _, why := range p.unlike {
				if why.Rule == RuleBalance {
					out = append(out, fmt.Sprintf("%s is answered by its own draws, but %s: find out why before you rely on it.",
						p.Policy, why.Message))
				}
			}
		}
	}
	return out
}

func (r *Result) calibrationDocument() CalibrationDocument {
	if r.Calibrator == nil {
		return CalibrationDocument{Status: StatusRefused, Reasons: []string{r.CalibratorError.Error()}}
	}
	k := r.Calibrator.Check()
	return CalibrationDocument{
		Status: string(k.Status), Reasons: list(k.Reasons), Spearman: figure(k.Spearman),
		MeanResidual: figure(k.MeanResidual), ResidualSE: figure(k.ResidualSE),
	}
}

// points are the labeled rows, with the score as calibrated without them.
func (r *Result) points() (out []CalibrationPoint) {
	fr := r.frame
	for i, u := range fr.invP {
		if u == 0 || math.IsNaN(fr.score[i]) {
			continue
		}
		p := CalibrationPoint{Judge: dataset.Known(fr.score[i]), Label: dataset.Known(fr.label[i])}
		if r.Calibrator != nil && r.Calibrator.Covariate() == "" {
			p.Calibrated = figure(r.Calibrator.PredictFor(fr.prompts[fr.prompt[i]], fr.score[i]))
		}
		out = append(out, p)
	}
	return out
}

func (r *Result) policyDocument(p *PolicyResult) *PolicyDocument {
	d, w := p.Diagnostics, p.Weights
	out := &PolicyDocument{
		Role: "target", Estimators: map[string]*EstimateDocument{}, Answer: p.answerDocument(),
		Weights: WeightsDocument{
			Rows: w.N, Missing: p.observed.Missing, Modelled: w.Modelled, Prompts: w.Prompts, PromptESS: figure(w.PromptESS),
			ESS: figure(w.ESS), MaxShare: figure(w.MaxShare), Mean: figure(w.Mean), MeanSE: figure(w.MeanSE),
			Divergence: figure(w.Divergence), Zero: w.Zero, Open: figure(w.Open),
			LogEValue: figure(w.LogEValue), Usable: w.Usable() && len(p.refusals) == 0,
			Refusals: messages(append(w.Refusals(), p.refusals...)),
		},
		Diagnostics: map[string]dataset.Float{
			"relative_ess": figure(d.RelativeESS), "top_1_percent": figure(d.Top1), "hill": figure(d.Hill),
			"pareto_k": figure(d.ParetoK), "pareto_limit": figure(d.ParetoLimit), "hellinger_affinity": figure(d.Hellinger),
			"judge_space_affinity": figure(d.JudgeSpace), "ttc": figure(d.TTC), "support": figure(d.Support),
		},
		Audit: AuditDocument{
			Status: strings.ToUpper(string(p.Audit.Status)), Probes: p.Audit.Probes,
			Residual: figure(p.Audit.Residual), SE: figure(p.Audit.SE),
			CI: figures(p.Audit.Lower, p.Audit.Upper),
		},
	}
	switch {
	case p.Policy == r.Logging:
		out.Role = "logging"
	case slices.Contains(r.config.Clones, p.Policy):
		out.Role = "clone"
	}
	for i := range p.Estimates {
		out.Estimators[string(p.Estimates[i].Estimator)] = p.Estimates[i].document()
	}
	for _, l := range p.Loggers {
		out.Weights.Loggers = append(out.Weights.Loggers, LoggerDocument{Logger: l.Logger, Rows: l.Rows,
			Share: figure(l.Share), ESS: figure(l.ESS)})
	}
	if b := p.Balance; !math.IsNaN(b.Fresh) {
		out.Balance = &BalanceDocument{Reweighted: figure(b.Reweighted), Fresh: figure(b.Fresh),
			Difference: figure(b.Difference), SE: figure(b.SE)}
	}
	if c := p.Clone; c != nil {
		out.Clone = &CloneDocument{Status: string(c.Status), Reasons: list(c.Reasons)}
	}
	for _, s := range p.Segments {
		out.Segments = append(out.Segments, SegmentDocument{Kind: s.Kind, Name: s.Name, Prompts: s.Prompts,
			Estimate: s.Estimate.document()})
	}
	for i := range p.gaps {
		g := &p.gaps[i]
		x := GapDocument{Kind: string(g.Kind), Missing: g.Missing, Total: g.Total, Tests: []GapTestDocument{}}
		for _, t := range g.Tests {
			x.Tests = append(x.Tests, GapTestDocument{By: t.By, Z: figure(t.Z), Detects: figure(t.Detects)})
		}
		if t := g.pattern(); t != nil {
			x.Pattern = t.String()
		}
		out.Gaps = append(out.Gaps, x)
	}
	return out
}

func (p *PolicyResult) answerDocument() AnswerDocument {
	a := AnswerDocument{
		Estimator: string(p.Answer.Estimator), Reason: p.Answer.Reason, Advice: list(p.Answer.Advice),
		Labels: p.Answer.Labels,
		Band:   figures(p.Answer.BandLower, p.Answer.BandUpper),
	}
	if e := p.Estimate(p.Answer.Estimator); e != nil {
		a.Value, a.SE, a.CI = figure(e.Value), figure(e.SE), figures(e.Lower, e.Upper)
		a.Anytime = anytimeFigures(e.AnytimeLower, e.AnytimeUpper)
	}
	return a
}

func (e *Estimate) document() *EstimateDocument {
	x := &EstimateDocument{
		Status: StatusRefused, Reasons: messages(e.Refusals), Claims: e.Claims, Method: string(e.Method),
		Notes: list(e.Notes),
		Rows:  e.Basis.Rows, Labels: e.Basis.Labels, Draws: e.Basis.Draws, Probes: e.Basis.Probes,
		Modelled: e.Basis.Modelled, Worst: figures(e.WorstLower, e.WorstUpper),
	}
	if !e.Refused() {
		x.Status, x.Value, x.SE, x.CI, x.DF = StatusOK, figure(e.Value), figure(e.SE), figures(e.Lower, e.Upper),
			figure(e.DF)
		x.Anytime = anytimeFigures(e.AnytimeLower, e.AnytimeUpper)
	}
	return x
}

// String is the answers and the differences of the answered policies as a table.
func (r *Result) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "policy\tvalue\t95% interval\tby")
	for i := range r.Policies {
		p := &r.Policies[i]
		if e := p.Estimate(p.Answer.Estimator); e != nil {
			fmt.Fprintf(w, "%s\t%.3f\t[%.3f, %.3f]\t%s\n", p.Policy, e.Value, e.Lower, e.Upper, e.Estimator)
			continue
		}
		fmt.Fprintf(w, "%s\trefused\t\t%s\n", p.Policy, p.Answer.Reason)
	}
	w.Flush()
	if len(r.Comparisons) > 0 {
		fmt.Fprintln(&b)
		w.Init(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "difference\t\t95% interval\tp (Holm)")
		for _, c := range r.Comparisons {
			if c.Refused() {
				fmt.Fprintf(w, "%s - %s\trefused\t\t%s\n", c.A, c.B, c.Refusals[0].Message)
				continue
			}
			fmt.Fprintf(w, "%s - %s\t%+.3f\t[%+.3f, %+.3f]\t%.3g\n", c.A, c.B, c.Difference, c.Lower, c.Upper, c.Holm)
		}
		w.Flush()
	}
	return b.String()
}
