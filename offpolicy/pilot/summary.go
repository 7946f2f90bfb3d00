package pilot

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/forecast"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// verdict computes everything that a report shows.
func (w *writer) verdict(rec *record.Records) *Verdict {
	c := w.cfg
	w.complete(rec)
	projection := forecast.Project(rec)
	v := &Verdict{
		SchemaVersion: record.SchemaVersion,
		State:         Done,
		Waivers:       c.Waived,
		Stages:        stageTable(rec),
		Policies:      summarize(rec),
		Evaluation:    rec.Document(),
		Truth:         c.Truth,
		Projection:    projection,
		Checks:        check.Run(check.Input{Records: rec, Thresholds: *c.Thresholds, Projection: projection}, c.Waived),
		Specimens:     specimens(rec),
		CannotSay:     cannotSay(rec),
		Spending:      attribute(rec.Ledger),
		Warnings:      slices.Clone(w.warnings),
		Cost:          rec.Cost,
		Run: RunInfo{
			Started: w.started.UTC(), Updated: time.Now().UTC(), Prompts: len(c.Prompts), Input: c.Input.Name,
			InputSHA: c.Input.SHA256,
			Seed:     c.Seed, Live: c.Live, Prices: c.Prices.Date, Served: record.Served(rec.Ledger), Versions: c.Versions,
			Note:  c.Origin,
			Rates: rates(c.Prices, rec.Ledger), Judge: rec.Judge, Oracle: rec.Oracle,
			Seconds: rec.StageSeconds[record.StageCertify] + rec.StageSeconds[record.WholeRun],
		},
	}
	if !c.Shard.Whole() {
		v.Run.Shard = &c.Shard
	}
	switch {
	case rec.Stop == nil:
	case rec.Stop.Running():
		v.State = Running
	case rec.Stop.Resumable():
		v.State = Interrupted
	}
	if v.Waivers == nil {
		v.Waivers = map[string]string{}
	}
	if c.Budget > 0 {
		v.Run.Budget = dataset.Known(float64(c.Budget))
	}
	v.Decision, v.Reasons = record.Decide(v.Checks)
	v.Cost.Stages = slices.Clone(rec.Cost.Stages)
	byStage := map[string]float64{}
	for e := range rec.Ledger.Brief().All() {
		byStage[e.Stage] += float64(e.Cost)
		v.Run.Spent += float64(e.Cost)
	}
	if v.Decision != record.NoGo {
		c.extend(&v.Projection, rec.Design, v.Run.Spent)
	}
	v.Next = next(v, rec.Stop, c)
	v.Spell(c.Words)
	v.Cost.ActualUSD = dataset.Known(v.Run.Spent)
	for i, s := range v.Cost.Stages {
		v.Cost.Stages[i].ActualUSD = dataset.Known(byStage[s.Name])
	}
	if rec.Calibrator != nil {
		for k, s := range rec.Scores.All() {
			if l, _ := rec.Labels.Get(k); l.Label.Valid() && s.Mean.Valid() && s.Calibrated.Valid() {
				v.Calibration = append(v.Calibration,
					offpolicy.CalibrationPoint{Judge: s.Mean, Calibrated: s.Calibrated, Label: l.Label})
			}
		}
	}
	return v
}

// complete adds to the records what the configuration says of them.
func (w *writer) complete(rec *record.Records) {
	c := w.cfg
	rec.Cost = w.estimate
	if rec.PeopleLabel = !asksOracle(w.estimate); rec.PeopleLabel {
		rec.Cost = withEarlierLabels(w.estimate, rec)
	}
	rec.Input, rec.Shard = c.Input, c.Shard
	rec.Full, rec.FullBudget, rec.Resolution, rec.Assurance = c.Full, c.FullBudget, c.Resolution, c.Assurance
	rec.BatchFactors = map[string]float64{}
	if c.batches {
		for model, price := range rates(c.Prices, rec.Ledger) {
			rec.BatchFactors[model] = cmp.Or(price.Batch, providers.DefaultBatchFactor)
		}
	}
}

// rates are the prices of every model that the ledger names.
func rates(prices providers.Prices, ledger record.Attempts) map[string]providers.Price {
	out := map[string]providers.Price{}
	for e := range ledger.Brief().All() {
		if p, ok := prices.Models[e.Model]; ok {
			out[e.Model] = p
		}
	}
	return out
}

func stageTable(rec *record.Records) []Stage {
	stages := record.Stages()
	out := make([]Stage, len(stages))
	index := map[string]*Stage{}
	for i, name := range stages {
		out[i].Name = name
		index[name] = &out[i]
	}
	for e := range rec.Ledger.Brief().All() {
		s, ok := index[e.Stage]
		if !ok {
			continue // the preflight's free calls
		}
		s.Calls++
		s.CostUSD += float64(e.Cost)
		if e.Attempt > 1 {
			s.Retries++
		}
		if e.Outcome == string(providers.ClassRateLimited) {
			s.Limited++
		}
	}
	for name, sec := range rec.StageSeconds {
		if s, ok := index[name]; ok {
			s.Seconds = sec
		}
	}

	n, arms := rec.Prompts.Len(), len(rec.Arms)
	valid := func(stage string, items int, have int) {
		index[stage].Items, index[stage].Failed = items, items-have
		if !rec.Reached(stage) {
			index[stage].Failed, index[stage].Pending = 0, items-have
		}
	}
	index[record.StagePrepare].Items = n
	ok := 0
	for _, c := range rec.Certificates {
		if c.OK {
			ok++
		}
	}
	distinct := map[string]bool{}
	for _, a := range rec.Arms {
		distinct[record.CertificateKey(a.Policy)] = true
	}
	valid(record.StageCertify, len(distinct), ok)
	p0, targets := 0, 0
	for _, row := range rec.Responses.Brief().All() {
		switch {
		case row.Error != nil:
		case row.Policy == rec.Logging().Policy.Name:
			p0++
		default:
			targets++
		}
	}
	valid(record.StageP0, n, p0)
	valid(record.StageTargets, n*(arms-1), targets)
	valid(record.StageLogProbs, n*arms,
		countIf(rec.LogProbs.Brief().Values(), func(l dataset.LogProb) bool { return l.LogProb.Valid() || l.Bounded() }))
	valid(record.StageOracle, len(rec.Design),
		countIf(rec.AllLabels(), func(l dataset.OracleLabel) bool { return l.Label.Valid() }))
	valid(record.StageJudge, n*arms,
		countIf(rec.Scores.Values(), func(s dataset.JudgeScore) bool { return s.Mean.Valid() }))
	valid(record.StageCanaries, len(rec.CanariesOwed),
		countIf(rec.Canaries.Values(), func(c dataset.Canary) bool { return c.Planted.Valid() }))
	return out
}

// attribute adds up the ledger by stage, policy, model and outcome, in the order
// of the stages; the preflight's free calls are left out.
func attribute(ledger record.Attempts) []Spending {
	type kind struct{ stage, policy, model, outcome string }
	sums := map[kind]*Spending{}
	for e := range ledger.Brief().All() {
		if e.Stage == record.StagePreflight {
			continue
		}
		k := kind{e.Stage, e.Policy, e.Model, e.Outcome}
		s := sums[k]
		if s == nil {
			s = &Spending{Stage: k.stage, Policy: k.policy, Model: k.model, Outcome: k.outcome}
			sums[k] = s
		}
		s.Attempts++
		s.CostUSD += float64(e.Cost)
		if e.UsageKnown {
			s.PromptTokens += e.PromptTokens
			s.CompletionTokens += e.CompletionTokens
		} else {
			s.UnseenUSD += float64(e.Cost)
		}
	}
	out := make([]Spending, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	stages := record.Stages()
	slices.SortFunc(out, func(a, b Spending) int {
		return cmp.Or(cmp.Compare(slices.Index(stages, a.Stage), slices.Index(stages, b.Stage)),
			cmp.Compare(a.Policy, b.Policy),
			cmp.Compare(a.Model, b.Model), cmp.Compare(a.Outcome, b.Outcome))
	})
	return out
}

func countIf[T any](rows iter.Seq[T], f func(T) bool) int {
	n := 0
	for row := range rows {
		if f(row) {
			n++
		}
	}
	return n
}

// summarize describes each policy's part.
func summarize(rec *record.Records) []PolicySummary {
	out := make([]PolicySummary, len(rec.Arms))
	forcing := map[string]teacherforce.PolicyStatistics{}
	for _, s := range teacherforce.Statistics(rec.LogProbs.Brief().Values(), rec.Logging().Policy.Name) {
		forcing[s.Policy] = s
	}
	methods := teacherforce.CountMethods(rec.LogProbs.Values())
	for i, a := range rec.Arms {
		name := a.Policy.Name
		sampling := Sampling{Temperature: dataset.Known(a.Policy.Sampling.Temperature),
			TopP: dataset.Known(a.Policy.Sampling.TopP), TopK: a.Policy.Sampling.TopK,
			MaxTokens: a.Policy.Sampling.MaxTokens}
		s := PolicySummary{Name: name, Role: a.Role, Model: a.Policy.Model, Hash: a.Policy.Hash(),
			System: a.Policy.System, Sampling: &sampling}
		responses, scores, logprobs := rec.Responses.Brief().Of(name), rec.Scores.Of(name), rec.LogProbs.Brief().Of(name)
		var judged, calibrated, totals, perToken []float64
		for _, p := range rec.Prompts.Brief().All() { // in order, so that sums are reproducible
			if row, ok := responses(p.ID); ok && row.Error == nil {
				s.Responses++
				if row.FinishReason == "length" {
					s.Truncated++
				}
			}
			if row, ok := scores(p.ID); ok && row.Mean.Valid() {
				judged = append(judged, row.Mean.OrNaN())
				if row.Calibrated.Valid() {
					calibrated = append(calibrated, row.Calibrated.OrNaN())
				}
			}
			row, ok := logprobs(p.ID)
			if !ok {
				continue
			}
			if row.LogProb.Valid() {
				totals = append(totals, row.LogProb.OrNaN())
				if row.Tokens > 0 {
					perToken = append(perToken, row.LogProb.OrNaN()/float64(row.Tokens))
				}
			}
		}
		s.Scored = len(judged)
		s.Judge, s.Calibrated = record.MeanOf(judged).Unit(), record.MeanOf(calibrated).Unit()
		s.LogProb, s.PerToken = record.QuantilesOf(totals), record.QuantilesOf(perToken)
		s.Forcing, s.Methods = forcingSummary(forcing, methods, name)
		if a.Role != record.Logging {
			s.Weights = &rec.Weights(name).Summary
		}
		out[i] = s
	}
	return out
}

// forcingSummary puts the statistics of one policy into the form of a report.
func forcingSummary(all map[string]teacherforce.PolicyStatistics,
	counts map[string]map[string]teacherforce.MethodStatistics, policy string) (*ForcingSummary, []MethodCounts) {
	st, ok := all[policy]
	names := append(slices.Clone(check.TextMethods), teacherforce.MethodTokenIDs)
	for _, name := range []string{teacherforce.MethodChat, teacherforce.MethodSampling} {
		if _, has := counts[policy][name]; has {
			names = append(names, name)
		}
	}
	methods := make([]MethodCounts, len(names))
	for i, name := range names {
		m := counts[policy][name]
		methods[i] = MethodCounts{Method: name, Answered: m.Answered, Used: m.Used, Reasons: map[string]int{}}
		for reason, n := range m.Reasons {
			methods[i].Reasons[string(reason)] = n
		}
		if absent := st.Attempts - m.Attempts; absent > 0 && name != teacherforce.MethodSampling {
			methods[i].Reasons["absent"] = absent
		}
	}
	if !ok {
		return nil, methods
	}
	return &ForcingSummary{
		Attempts: st.Attempts, Scored: st.Scored, Failures: st.Failures, Flags: st.Flags,
		KLPerToken: dataset.Known(st.KLPerToken), KLSE: dataset.Known(st.KLSE),
		RowsPerEffective: record.Finite(st.RowsPerEffective),
		RepeatabilityN:   st.Repeatability.N, RepeatabilityRMS: dataset.Known(st.Repeatability.RMS),
		RepeatabilityMax: dataset.Known(st.Repeatability.Max),
	}, methods
}

// asksOracle says whether an estimate has calls of the oracle: people make none.
func asksOracle(e record.CostEstimate) bool {
	return slices.ContainsFunc(e.Stages, func(s record.StageCost) bool {
		return s.Name == record.StageOracle && s.Calls > 0
	})
}

// withEarlierLabels adds to an estimate without calls of the oracle, since people label
// now, what an earlier start paid a model for labels: the ledger holds it, and nobody
// asked for it again.
func withEarlierLabels(e record.CostEstimate, rec *record.Records) record.CostEstimate {
	at := slices.IndexFunc(e.Stages, func(s record.StageCost) bool { return s.Name == record.StageOracle })
	if at < 0 {
		return e
	}
	e.Stages = slices.Clone(e.Stages)
	s := &e.Stages[at]
	for a := range rec.Ledger.Brief().All() {
		if a.Stage != record.StageOracle {
			continue
		}
		s.Calls++
		s.ExpectedUSD += float64(a.Cost)
		if a.UsageKnown {
			s.PromptTokens += float64(a.PromptTokens)
			s.CompletionTokens += float64(a.CompletionTokens)
		}
	}
	if s.Calls == 0 {
		return e
	}
	s.WorstUSD = s.ExpectedUSD
	e.Calls += s.Calls
	e.ExpectedUSD += s.ExpectedUSD
	e.WorstUSD += s.ExpectedUSD
	e.Assumptions = append(slices.Clip(e.Assumptions), fmt.Sprintf("%s were paid for by an earlier start, before people "+
		"labeled: they are in the estimate as the ledger has them", record.Plural(s.Calls, "call of the oracle",
		"calls of the oracle")))
	return e
}
