package check

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy/pilot/forecast"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/teacherforce"
)

// input is what checks read of a run's records.
func input(r *record.Records) *Input {
	return &Input{Records: r, Thresholds: DefaultThresholds(), Projection: forecast.Project(r)}
}

// alone is input for checks that read no projection.
func alone(r *healthy.Run) *Input { return &Input{Records: r.Rows(), Thresholds: DefaultThresholds()} }

func findings(r *record.Records, waived map[string]string) []record.Finding {
	return Run(*input(r), waived)
}

func statuses(checks []record.Finding) map[string]record.Status {
	out := map[string]record.Status{}
	for _, c := range checks {
		out[c.ID] = c.Status
	}
	return out
}

// TestHealthyRecordsPass draws runs in which nothing is wrong: a check that holds
// or fails is a false alarm. Of 1,000 worlds at most 3 may have one; few are drawn
// here, and all of them with REWEIGH_WORLDS=1000.
func TestHealthyRecordsPass(t *testing.T) {
	runs := healthy.WorldsOr(t, 20)
	alarms := 0
	for seed := range uint64(runs) {
		checks := findings(healthy.New(100, seed).Evaluated(), nil)
		alarm := false
		for _, c := range checks {
			if c.Status != record.Pass && c.Status != record.Info {
				alarm = true
				t.Logf("seed %d: %s is %s: %s", seed, c.ID, c.Status, c.Summary)
			}
			if c.Summary == "" || c.Threshold == "" {
				t.Errorf("%s has no summary or threshold", c.ID)
			}
		}
		if d, reasons := record.Decide(checks); (d != record.GO) != alarm {
			t.Errorf("seed %d: %s: %v", seed, d, reasons)
		}
		if alarm {
			alarms++
		}
	}
	t.Logf("%d of %d healthy worlds raise an alarm", alarms, runs)
	if alarms > 3*max(runs, 334)/1000 {
		t.Errorf("%d of %d healthy worlds raise an alarm: want at most 3 in 1,000", alarms, runs)
	}
}

// TestEveryCheckCanLeavePass alters healthy records in one way and states which
// checks must leave pass for it, and no others.
func TestEveryCheckCanLeavePass(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	empty := ""
	tests := []struct {
		name   string
		alter  func(*healthy.Run)
		want   map[string]record.Status
		names  string // a record or cause that the first check must name
		reason string
	}{
		{"prompt without text", func(r *healthy.Run) { r.Prompts[3].Text = " " },
			map[string]record.Status{"prompts.fields": record.Fail}, "q0003", "the plan requires text"},
		{"two prompts of one text", func(r *healthy.Run) { r.Prompts[4].Text = "  Question Q0003" },
			map[string]record.Status{"prompts.unique": record.Fail}, "q0004", "case and space do not make another prompt"},
		{"no certificate", func(r *healthy.Run) { r.Certificates = nil },
			map[string]record.Status{"endpoint.certified": record.Fail}, "",
			"nothing may be bought from an endpoint that was not probed"},
		{"failed probe", func(r *healthy.Run) {
			r.Certificates[1].OK, r.Certificates[1].Probes[0] = false, teacherforce.Probe{Name: "seam", Detail: "off by 3 nats"}
		}, map[string]record.Status{"endpoint.certified": record.Fail}, "seam", "one failed probe is enough"},
		{"two empty P0 responses", func(r *healthy.Run) {
			for i := range 2 {
				r.Responses[5*i].Text = &empty
			}
		}, map[string]record.Status{"p0.complete": record.Hold}, "q0000/p0/0", "2 of 100 is over 1% and under 5%"},
		{"six targets failed", func(r *healthy.Run) {
			for i := range 6 {
				r.Responses[5*i+4].Text = nil
				r.Responses[5*i+4].Error = &dataset.RecordError{Class: "timeout", Message: "m"}
			}
		}, map[string]record.Status{"targets.complete": record.Fail, "missing.pattern": record.Hold}, "q0000/pi_bad/0",
			"6 of 100 is over 5%, and all of one policy"},
		{"a target repeats P0", func(r *healthy.Run) {
			for i := range 60 {
				r.Responses[5*i+2].Text = r.Responses[5*i].Text
			}
		}, map[string]record.Status{"targets.diversity": record.Fail}, "",
			"60% equal responses mean the prompt had no effect"},
		{"another model answers", func(r *healthy.Run) { r.Responses[7].Model = "other" },
			map[string]record.Status{"models.served": record.Fail}, "q0001/pi_cot/0",
			"one answer of another model is another policy"},
		{"another model scores", func(r *healthy.Run) {
			r.Ledger[7].Stage, r.Ledger[7].Served = record.StageLogProbs,
				"other"
		}, map[string]record.Status{"models.served": record.Fail}, "q0001/pi_cot/0",
			"an echo by another model is another policy's log-prob"},
		{"P0 without log-probs", func(r *healthy.Run) {
			for i := range 3 {
				healthy.FailLogProb(healthy.LogprobRow(r, i, "p0"), "missing_logprob")
			}
		}, map[string]record.Status{"p0.logprobs": record.Hold, "logprobs.complete": record.Hold}, "q0000/p0/0",
			"P0's log-probs are the weights' denominator"},
		{"another distribution was sampled", func(r *healthy.Run) { said(r, 17.6) },
			map[string]record.Status{"p0.logprobs": record.Fail, "logprobs.range": record.Hold}, "q0000/p0/0",
			"a repetition penalty of the server's own: 16 nats a response were seen, and passed"},
		{"a little of another", func(r *healthy.Run) { said(r, 1.5) },
			map[string]record.Status{"p0.logprobs": record.Hold}, "q0000/p0/0", "too much for noise"},
		{"decoding rounds otherwise", func(r *healthy.Run) { said(r, .3) }, nil, "", "within what servers' kernels do"},
		{"10% nulls", func(r *healthy.Run) {
			for i := range 10 {
				healthy.FailLogProb(healthy.LogprobRow(r, i, "pi_cot"), "missing_logprob")
			}
		}, map[string]record.Status{"logprobs.complete": record.Fail, "missing.pattern": record.Hold}, "q0000/pi_cot/0",
			"pitfall 27: a validator that let 10% nulls pass"},
		{"one null", func(r *healthy.Run) { healthy.FailLogProb(healthy.LogprobRow(r, 0, "pi_cot"), "missing_logprob") },
			nil, "", "1 of 100 is tolerated"},
		{"a long zero", func(r *healthy.Run) {
			row := healthy.LogprobRow(r, 8, "pi_bad")
			row.LogProb, row.Flags = dataset.Known(0), []string{"zero"}
			for i := range row.TokenLogProbs {
				row.TokenLogProbs[i] = 0
			}
			for m := range row.Methods {
				row.Methods[m] = dataset.MethodResult{LogProb: dataset.Known(0), Status: "ok"}
			}
		}, map[string]record.Status{"logprobs.zero": record.Fail, "logprobs.range": record.Hold,
			"weights.mean_one": record.Fail}, "q0008/pi_bad/0",
			"a long response of probability 1 does not exist, and its weight is absurd"},
		{"a zero that methods dispute", func(r *healthy.Run) {
			row := healthy.LogprobRow(r, 8, "pi_bad")
			row.LogProb, row.Tokens, row.TokenLogProbs = dataset.Known(0), 1, dataset.Floats{0}
			for m := range row.Methods {
				row.Methods[m] = dataset.MethodResult{LogProb: dataset.Known(0), Status: "ok"}
			}
			row.Methods["continuation"] = dataset.MethodResult{LogProb: dataset.Known(-4), Status: "ok"}
		}, map[string]record.Status{"logprobs.zero": record.Fail, "logprobs.range": record.Hold,
			"weights.mean_one": record.Fail}, "q0008/pi_bad/0", "pitfall 8: evidence decides, also for short responses"},
		{"a short certain answer", func(r *healthy.Run) {
			for name, lp := range map[string]dataset.Float{"p0": dataset.Known(-0.2), "pi_clone": dataset.Known(-0.2),
				"pi_bad": dataset.Known(0)} {
				row := healthy.LogprobRow(r, 8, name)
				row.LogProb, row.Tokens, row.TokenLogProbs = lp, 1, dataset.Floats{lp.OrNaN()}
				for m := range row.Methods {
					row.Methods[m] = dataset.MethodResult{LogProb: lp, Status: "ok"}
				}
			}
			r.Responses[5*8].LogProb = dataset.Known(-0.2)
		}, nil, "", "pitfall 8: 0.0 can be right"},
		{"a positive log-prob", func(r *healthy.Run) {
			healthy.FailLogProb(healthy.LogprobRow(r, 9, "pi_cot"),
				"invalid_logprob")
		}, map[string]record.Status{"logprobs.sign": record.Fail}, "q0009/pi_cot/0",
			"one impossible value condemns the endpoint"},
		{"a positive token", func(r *healthy.Run) { healthy.LogprobRow(r, 9, "pi_cot").TokenLogProbs[2] = 0.5 },
			map[string]record.Status{"logprobs.sign": record.Fail}, "q0009/pi_cot/0",
			"a positive token may hide in a negative sum"},
		{"values of another template", func(r *healthy.Run) {
			for i := range r.LogProbs {
				if r.LogProbs[i].Policy == "pi_bigger_model" {
					r.LogProbs[i].LogProb = dataset.Known(r.LogProbs[i].LogProb.OrNaN() * 12)
				}
			}
		}, map[string]record.Status{"logprobs.range": record.Fail}, "", "pitfall 12: -150 where -0.004 is right"},
		{"one row far out", func(r *healthy.Run) {
			healthy.LogprobRow(r, 3, "pi_cot").LogProb = dataset.Known(-13 * float64(healthy.LogprobRow(r, 3, "pi_cot").Tokens))
		}, map[string]record.Status{"logprobs.range": record.Hold}, "q0003/pi_cot/0", "below the entropy of noise"},
		{"nearly certain, and nothing says so too", func(r *healthy.Run) {
			row := healthy.LogprobRow(r, 3, "p0")
			row.LogProb = dataset.Known(-0.02)
			for i := range r.Responses {
				if k := r.Responses[i].Key(); k == row.Key() {
					r.Responses[i].LogProb = dataset.Float{}
				}
			}
		}, map[string]record.Status{"logprobs.range": record.Hold}, "q0003/p0/0", "a false zero that is not exactly 0"},
		{"another value at generation", func(r *healthy.Run) {
			for i := range r.Responses {
				if k := r.Responses[i].Key(); k.PromptID == "q0003" && k.Policy == "p0" {
					r.Responses[i].LogProb = dataset.Known(r.Responses[i].LogProb.OrNaN() - 40)
				}
			}
		}, map[string]record.Status{"logprobs.range": record.Hold}, "q0003/p0/0 second_disagrees",
			"the echo was of other tokens or another context"},
		{"a run of zeros", func(r *healthy.Run) { healthy.LogprobRow(r, 3, "pi_cot").Flags = []string{"zero_run"} },
			map[string]record.Status{"logprobs.zero": record.Hold}, "q0003/pi_cot/0",
			"half a response of certainty asks for a look"},
		{"raw values", func(r *healthy.Run) {
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").Distribution = "raw"
			}
		}, map[string]record.Status{}, "", "they make no weight, which judges what may be estimated and not the pipeline"},
		{"methods compared on an audit sample", func(r *healthy.Run) {
			for i := range r.LogProbs {
				if i%7 != 0 {
					r.LogProbs[i].Methods["continuation"] = dataset.MethodResult{Status: "failed", Reason: "not_compared"}
				}
			}
		}, map[string]record.Status{}, "", "what was not put to a row is no failure of the method"},
		{"a method that never answers", func(r *healthy.Run) {
			for i := range r.LogProbs {
				r.LogProbs[i].Methods["echo_based"] = dataset.MethodResult{Status: "failed", Reason: "unsupported"}
			}
		}, map[string]record.Status{"logprobs.methods": record.Fail}, "echo_based", "pitfall 6: a stub that always fails"},
		{"methods that disagree", func(r *healthy.Run) { healthy.LogprobRow(r, 2, "pi_bad").Spread = dataset.Known(30) },
			map[string]record.Status{"logprobs.agreement": record.Hold}, "q0002/pi_bad/0", "30 nats on at most 300 tokens"},
		{"a noisy clone", func(r *healthy.Run) {
			for i := range 30 {
				healthy.LogprobRow(r, i, "pi_clone").LogProb = dataset.Known(healthy.LogprobRow(r, i,
					"pi_clone").LogProb.OrNaN() - 2)
			}
		}, map[string]record.Status{"weights.clone": record.Fail}, "q0000/pi_clone/0", "pitfall 10: gate the tails"},
		{"identical columns", func(r *healthy.Run) {
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = healthy.LogprobRow(r, i, "p0").LogProb
			}
		}, map[string]record.Status{"weights.identical": record.Fail}, "pi_cot",
			"pitfall 1: the system prompt never reached the scorer"},
		{"a label above 1", func(r *healthy.Run) { r.Labels[5].Label = dataset.Known(1.2) },
			map[string]record.Status{"oracle.range": record.Fail, "judge.calibration": record.Fail}, "q0005",
			"labels live in [0, 1], and calibrate nothing beyond it"},
		{"missing labels", func(r *healthy.Run) {
			for i := range 6 {
				r.Labels[i].Label, r.Labels[i].Error = dataset.Float{}, &dataset.RecordError{Class: "unparsable", Message: "m"}
			}
		}, map[string]record.Status{"oracle.range": record.Fail}, "q0000/p0/0", "6 of 100 is over 5%"},
		{"labels that do not vary", func(r *healthy.Run) {
			for i := range r.Labels {
				r.Labels[i].Label = dataset.Known(0.5)
			}
		}, map[string]record.Status{"oracle.distribution": record.Hold, "judge.calibration": record.Hold}, "",
			"a constant calibrates nothing"},
		{"unscored responses", func(r *healthy.Run) {
			for i := range 3 {
				r.Scores[5*i+4].Mean, r.Scores[5*i+4].Error = dataset.Float{},
					&dataset.RecordError{Class: "unparsable", Message: "m"}
			}
		}, map[string]record.Status{"judge.complete": record.Hold, "judge.parse": record.Hold,
			"missing.pattern": record.Info}, "pi_bad", "3 of 100 is over 1%"},
		{"refused by one policy's texts", func(r *healthy.Run) {
			for i := range 5 {
				r.Scores[5*i+4].Mean, r.Scores[5*i+4].Error = dataset.Float{}, &dataset.RecordError{Class: "refused", Message: "m"}
			}
		}, map[string]record.Status{"judge.complete": record.Hold, "missing.pattern": record.Info}, "pi_bad",
			"a refusal is no parse error; five failures show no pattern"},
		{"the longest fail", func(r *healthy.Run) {
			for i := range 8 {
				text := strings.Repeat("long ", 1000+i)
				r.Responses[5*i+i%5].Text = &text
				r.Scores[5*i+i%5].Mean, r.Scores[5*i+i%5].Error = dataset.Float{},
					&dataset.RecordError{Class: "too_long", Message: "m"}
			}
		}, map[string]record.Status{"judge.complete": record.Hold, "missing.pattern": record.Hold}, "q0000/p0/0",
			"spread over the policies, and all long"},
		{"scores beyond the labels", func(r *healthy.Run) {
			for i := range r.Labels {
				if r.Scores[5*i].Mean.OrNaN() > .7 {
					r.Labels[i].Label = dataset.Float{}
				}
			}
		}, map[string]record.Status{"judge.support": record.Info, "oracle.range": record.Fail}, "",
			"there is no label above .7"},
		{"canaries move the judge", func(r *healthy.Run) {
			for i := range 4 {
				r.Canaries[i].Planted, r.Canaries[i].Moved = dataset.Known(1), true
			}
		}, map[string]record.Status{"judge.injection": record.Hold}, "instruction/experiment", "4 of 20"},
		{"one canary moves the judge",
			func(r *healthy.Run) { r.Canaries[7].Planted, r.Canaries[7].Moved = dataset.Known(1), true },
			map[string]record.Status{"judge.injection": record.Info}, "", "1 of 20 is information"},
		{"most canaries unscored", func(r *healthy.Run) {
			for i := range 11 {
				r.Canaries[i].Planted = dataset.Float{}
			}
		}, map[string]record.Status{"judge.injection": record.Hold}, "11 more were not scored",
			"9 of 20 are too few to tell"},
		{"no canaries", func(r *healthy.Run) { r.Canaries = nil }, map[string]record.Status{"judge.injection": record.Hold},
			"no canary", "what was not tried is not known"},
		{"a score without variance", func(r *healthy.Run) { r.Scores[11].Variance = dataset.Float{} },
			map[string]record.Status{"judge.uncertainty": record.Fail}, "q0002/pi_clone/0",
			"the plan wants uncertainty with every score"},
		{"no calibrator", func(r *healthy.Run) { r.Labels, r.Design = r.Labels[:9], r.Design[:9] },
			map[string]record.Status{"judge.calibration": record.Fail}, "9 labels", "it could not be computed"},
		{"the bad policy is liked", func(r *healthy.Run) {
			for i := range r.Scores {
				if r.Scores[i].Policy == "pi_bad" {
					r.Scores[i].Mean = dataset.Known(0.95)
				}
			}
		}, map[string]record.Status{"policies.ranking": record.Hold}, "", "the judge does not see what is wrong"},
		{"a torn file", func(r *healthy.Run) { r.FileProblems = []string{"judge.jsonl lacks q1"} },
			map[string]record.Status{"files.valid": record.Fail}, "judge.jsonl", "pitfall 27: missing judge files"},
		{"30% over", func(r *healthy.Run) { r.Cost.ExpectedUSD /= 1.3 },
			map[string]record.Status{"cost.estimate": record.Hold}, "", "20-50% over is neither in the plan"},
		{"100% over", func(r *healthy.Run) { r.Cost.ExpectedUSD /= 2 },
			map[string]record.Status{"cost.estimate": record.Fail}, "", "over 50% is NO-GO in the plan"},
		{"80% under", func(r *healthy.Run) { r.Cost.ExpectedUSD *= 5 },
			map[string]record.Status{"cost.estimate": record.Hold}, "", "under never fails"},
		{"a row failed by rate limiting",
			func(r *healthy.Run) { healthy.FailLogProb(healthy.LogprobRow(r, 1, "pi_cot"), "rate_limited") },
			map[string]record.Status{"run.ratelimit": record.Fail}, "q0001/pi_cot/0",
			"the plan: rate limiting causes failures"},
		{"a fifth and one cut", func(r *healthy.Run) {
			for i := range 21 {
				r.Responses[5*i+3].FinishReason = "length"
			}
		}, map[string]record.Status{"responses.truncated": record.Hold}, "q0000/pi_bigger_model/0",
			"21 of 100 is over 20%: max_tokens is too small"},
		{"a target likelier than P0 on every row", func(r *healthy.Run) {
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() + 1.5)
			}
		}, map[string]record.Status{"weights.mean_one": record.Fail}, "pi_cot",
			"weights of 4.5 throughout: E[w] <= 1 does not hold"},
		{"a target somewhat likelier", func(r *healthy.Run) {
			for i := range r.Prompts {
				d := dataset.Known(-0.001 * float64(i))
				if i < 14 {
					d = dataset.Known(1)
				}
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() +
					d.OrNaN())
			}
		}, map[string]record.Status{"weights.mean_one": record.Info}, "pi_cot",
			"an e-value of a few dozen is told and no more"},
		{"a target that the logs do not cover", func(r *healthy.Run) {
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "pi_cot").LogProb.OrNaN() - 30)
			}
		}, map[string]record.Status{"weights.overlap": record.Info}, "pi_cot",
			"readiness: its weights are refused, the run goes on"},
		{"reweighted logs that say something else", func(r *healthy.Run) {
			for i := range r.Scores {
				if r.Scores[i].Policy == "pi_cot" {
					r.Scores[i].Mean = dataset.Known(0.99)
				}
			}
			for i := range r.Prompts {
				healthy.LogprobRow(r, i, "pi_cot").LogProb = dataset.Known(healthy.LogprobRow(r, i, "p0").LogProb.OrNaN() +
					0.1 - 0.2*float64(i%2) - 0.01)
			}
		}, map[string]record.Status{"weights.balance": record.Info}, "pi_cot",
			"the judge sees another policy than the weights make"},
		{"own labels that the judge misses", func(r *healthy.Run) { healthy.OwnLabels(r, "pi_bad", 60, -0.25) },
			map[string]record.Status{"transport.pi_bad": record.Info}, "the judge means something else",
			"readiness: it is told, and the corrected estimate stands"},
		{"own labels that fit", func(r *healthy.Run) { healthy.OwnLabels(r, "pi_cot", 100, 0) },
			map[string]record.Status{"transport.pi_cot": record.Pass}, "transported", "about a hundred labels can pass"},
		{"a budget for the full run, too small", func(r *healthy.Run) { r.FullBudget = 90 },
			map[string]record.Status{"projection.cost": record.Hold}, "$90.00", "100 a prompt of $0.01 each for 10,000"},
		{"a budget for the full run, large enough", func(r *healthy.Run) { r.FullBudget = 200 },
			map[string]record.Status{"projection.cost": record.Info}, "$100.00", "within it, a projection is for information"},
		{"a run of no known length", func(r *healthy.Run) { r.StageSeconds = nil },
			map[string]record.Status{"projection.time": record.Info}, "not projected", "no time is no zero"},
		{"targets without log-probs", func(r *healthy.Run) {
			for i := range r.Prompts {
				for _, name := range []string{"pi_cot", "pi_bigger_model", "pi_bad"} {
					healthy.FailLogProb(healthy.LogprobRow(r, i, name), "missing_logprob")
				}
			}
		}, map[string]record.Status{"missing.pattern": record.Hold, "projection.ess": record.Info,
			"projection.width": record.Info, "logprobs.complete": record.Fail, "logprobs.range": record.Fail,
			"weights.identical": record.Fail}, "", "nothing to project is no number"},
		{"stopped by an exhausted balance", func(r *healthy.Run) {
			r.Stop = &record.Stop{Stage: "judge", Class: "quota", Message: "m", Key: "q/p/0",
				Open: []string{"judge", "canaries"}}
		},
			map[string]record.Status{"run.errors": record.Fail, "judge.complete": record.Fail, "judge.uncertainty": record.Fail,
				"judge.parse": record.Fail, "judge.calibration": record.Fail, "judge.injection": record.Fail,
				"missing.pattern": record.Fail, "policies.ranking": record.Fail, "files.valid": record.Fail,
				"cost.estimate": record.Fail}, "", "what was not computed fails"},
		{"stopped by the budget", func(r *healthy.Run) {
			r.Stop = &record.Stop{Stage: "judge", Class: "budget", Message: "m", Key: "q/p/0",
				Open: []string{"judge", "canaries"}}
		},
			map[string]record.Status{"run.errors": record.Hold, "judge.complete": record.Hold, "judge.uncertainty": record.Hold,
				"judge.parse": record.Hold, "judge.calibration": record.Hold, "judge.injection": record.Hold,
				"missing.pattern": record.Hold, "policies.ranking": record.Hold, "files.valid": record.Hold,
				"cost.estimate": record.Hold}, "", "a budget can be raised and the run resumed"},
	}
	touched := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.reason == "" {
				t.Fatal("the row gives no reason")
			}
			r := healthy.New(100, 5)
			tt.alter(r)
			checks := findings(r.Evaluated(), nil)
			for _, c := range checks {
				want, listed := tt.want[c.ID]
				if !listed && c.Status != record.Pass && c.Status != record.Info || listed && c.Status != want {
					t.Errorf("%s is %s (%s), want %q", c.ID, c.Status, c.Summary, want)
				}
				if listed {
					touched[c.ID] = true
					if c.Remedy == "" && (want == record.Hold || want == record.Fail) {
						t.Errorf("%s gives no remedy", c.ID)
					}
					text := c.Summary + strings.Join(c.Evidence.Records, " ")
					if tt.names != "" && !strings.Contains(text, tt.names) {
						t.Errorf("%s does not name %q: %s %v", c.ID, tt.names, c.Summary, c.Evidence.Records)
					}
				}
			}
			decision, reasons := record.Decide(checks)
			want := record.GO
			for _, s := range tt.want {
				if s == record.Fail {
					want = record.NoGo
				} else if s == record.Hold && want == record.GO {
					want = record.HOLD
				}
			}
			if decision != want {
				t.Errorf("decision %s (%v), want %s", decision, reasons, want)
			}
		})
	}
	for _, c := range all() {
		id := c.ID
		if c.PerTarget {
			id += ".pi_bad"
		}
		if !touched[id] {
			t.Errorf("no row makes %s leave pass", id)
		}
	}
}

// Failures under one policy that are no accident: up to 1% of them move no mean, and of
// those that no endpoint can avoid (a response that holds a piece of a character cannot
// be scored under another model) 5% are left to the estimates, which model them.
func TestFewMissingOfManyAreTold(t *testing.T) {
	runs, whole := map[int]*healthy.Run{}, map[int][]dataset.LogProb{} // by their number of prompts
	for _, n := range []int{100, 2000} {
		runs[n] = healthy.New(n, 3)
		whole[n] = slices.Clone(runs[n].LogProbs)
	}
	for _, tt := range []struct {
		failed, of        int
		class             string
		pattern, complete record.Status
	}{
		{6, 2000, "overloaded", record.Info, record.Pass},
		{20, 2000, "overloaded", record.Info, record.Pass},
		{21, 2000, "overloaded", record.Hold, record.Hold},
		{21, 2000, "retokenised", record.Info, record.Pass},
		{100, 2000, "retokenised", record.Info, record.Pass},
		{101, 2000, "retokenised", record.Hold, record.Hold},
		{401, 2000, "retokenised", record.Hold, record.Fail},
		{2, 100, "retokenised", record.Info, record.Pass},
		{2, 100, "seam", record.Info, record.Pass},
		{2, 100, "overloaded", record.Info, record.Hold},
		{6, 100, "seam", record.Hold, record.Hold},
	} {
		r := runs[tt.of]
		copy(r.LogProbs, whole[tt.of])
		for i := range tt.failed {
			healthy.FailLogProb(healthy.LogprobRow(r, i*(tt.of/(tt.failed+1)), "pi_bigger_model"), tt.class)
		}
		var c, complete record.Finding
		checkMissing(alone(r), &c)
		checkLogProbsComplete(alone(r), &complete)
		if c.Status != tt.pattern || len(c.Evidence.Records) == 0 && tt.failed >= patternLeast {
			t.Errorf("%d of %d %s: the pattern is %q, %s", tt.failed, tt.of, tt.class, c.Status, c.Summary)
		}
		if complete.Status != tt.complete || !strings.Contains(complete.Summary,
			fmt.Sprintf("pi_bigger_model lacks %d", tt.failed)) {
			t.Errorf("%d of %d %s: complete is %q, %s", tt.failed, tt.of, tt.class, complete.Status, complete.Summary)
		}
	}
}

// The exact p-value against tables: Fisher's tea tasting, doubled tails.
func TestHypergeometric(t *testing.T) {
	tests := []struct {
		k, n, bad, total int
		want             float64
		reason           string
	}{
		// Fisher 1935: 8 cups, 4 of each, all right: 1/70 on one side.
		{4, 4, 4, 8, 2. / 70, "all right"},
		{3, 4, 4, 8, 2 * 17. / 70, "three right: 17/70"},
		{2, 4, 4, 8, 1, "as many as expected"},
		{0, 4, 4, 8, 2. / 70, "all wrong"},
		{6, 100, 6, 500, 2 * 1192052400. / 21057686727000, "six of six in a fifth: C(100,6)/C(500,6)"},
		{0, 10, 0, 20, 1, "nothing failed"},
	}
	for _, tt := range tests {
		if got := hypergeometric(tt.k, tt.n, tt.bad, tt.total); math.Abs(got/tt.want-1) > 1e-9 {
			t.Errorf("%s: %v, want %v", tt.reason, got, tt.want)
		}
	}
}

// Every test is paid for: the p-value that counts is the exact one times the
// number of tests.
func TestPatternsCountTheirTests(t *testing.T) {
	r := healthy.New(100, 5)
	for i := range 6 {
		r.Scores[5*i+4].Mean = dataset.Float{}
	}
	tests, failed := patterns(r.Rows())
	if failed != 6 || len(tests) != 7 { // five policies, two ends of length
		t.Fatalf("%d failures, %d tests", failed, len(tests))
	}
	if want := 7 * hypergeometric(6, 100, 6, 500); tests[0].group != "pi_bad" || math.Abs(tests[0].p/want-1) > 1e-12 {
		t.Errorf("%+v, want p %v", tests[0], want)
	}
}

// The worst case counts an unscored response against the ranking: as the best
// for the policy that should be last, as the worst for the others.
func TestWorstCase(t *testing.T) {
	unscore := func(policy string, n int) func(*healthy.Run) {
		return func(r *healthy.Run) {
			for i := range r.Scores {
				if r.Scores[i].Policy == policy && n > 0 {
					r.Scores[i].Mean = dataset.Float{}
					n--
				}
			}
		}
	}
	tests := []struct {
		alter  func(*healthy.Run)
		want   string
		reason string
	}{
		{func(*healthy.Run) {}, "", "nothing is unscored"},
		{unscore("pi_bad", 5), "stays last", ".3 + 5 of 100 at 1 is below .7"},
		{unscore("pi_bad", 70), "may not be below p0, pi_clone", ".3·.3 + .7 is not below .7"},
		{unscore("p0", 70), "may not be below p0", ".7·.3 is below .3"},
	}
	for _, tt := range tests {
		r := healthy.New(100, 5)
		tt.alter(r)
		var missing, ranking record.Finding
		got := worstCase(r.Rows(), &missing)
		checkRanking(alone(r), &ranking)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || !strings.Contains(ranking.Summary, got) {
			t.Errorf("%s: %q, want %q, in the ranking too: %s", tt.reason, got, tt.want, ranking.Summary)
		}
	}
}

// Failures that are chance must not hold a run: with 25 of 500 at random, at
// most one of 1,000 healthy runs may.
func TestMissingPatternSize(t *testing.T) {
	held := 0
	r := healthy.New(100, 5)
	scores := slices.Clone(r.Scores)
	rng := rand.New(rand.NewPCG(11, 12))
	const runs = 300
	for range runs {
		copy(r.Scores, scores)
		for _, i := range rng.Perm(len(scores))[:25] {
			r.Scores[i].Mean = dataset.Float{}
		}
		c := record.Finding{}
		checkMissing(alone(r), &c)
		if c.Status == record.Hold {
			held++
		}
	}
	if held > 2 { // P(Poisson(.3) > 2) = .004
		t.Errorf("%d of %d runs held for failures at random", held, runs)
	}
}

func TestWaiver(t *testing.T) {
	r := healthy.New(100, 5)
	r.Cost.ExpectedUSD /= 2
	checks := findings(r.Rows(), map[string]string{"cost.estimate": "prices changed today"})
	d, reasons := record.Decide(checks)
	if d != record.GO || len(reasons) != 1 || !strings.Contains(reasons[0], "prices changed today") ||
		!strings.Contains(reasons[0], "cost.estimate") {
		t.Errorf("decision %s, reasons %q: want GO that names the waiver", d, reasons)
	}
	if statuses(checks)["cost.estimate"] != record.Fail {
		t.Error("a waiver must not change the check itself")
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	r := healthy.New(100, 5)
	for i := range 60 {
		healthy.FailLogProb(healthy.LogprobRow(r, i, "pi_cot"), "missing_logprob")
	}
	for _, c := range findings(r.Rows(), nil) {
		if c.ID == "logprobs.complete" && (len(c.Evidence.Records) != 20 || c.Evidence.MoreRecords != 40) {
			t.Errorf("%d records and %d more: want %d and 40", len(c.Evidence.Records), c.Evidence.MoreRecords, 20)
		}
	}
}

func TestShareStatus(t *testing.T) {
	// The rule of the plan for 100 records: at most 1 passes, 2-5 hold.
	for bad, want := range map[int]record.Status{0: record.Pass, 1: record.Pass, 2: record.Hold, 5: record.Hold,
		6: record.Fail} {
		if got := shareStatus(bad, 100, 0.01, 0.05); got != want {
			t.Errorf("%d of 100: %s, want %s", bad, got, want)
		}
	}
}

// The ids are a contract, and so is their order in a report.
func TestListedInTheOrderOfARun(t *testing.T) {
	want := strings.Fields(`prompts.fields prompts.unique endpoint.certified p0.complete p0.logprobs targets.complete
		targets.diversity responses.truncated models.served logprobs.complete logprobs.zero logprobs.sign logprobs.range
		logprobs.methods logprobs.agreement weights.clone weights.identical weights.mean_one weights.overlap weights.balance
		oracle.range oracle.distribution judge.complete judge.uncertainty judge.parse judge.calibration judge.support
		judge.injection missing.pattern transport.pi_cot transport.pi_bigger_model transport.pi_bad policies.ranking
		files.valid cost.estimate projection.cost projection.time projection.ess projection.width run.errors run.ratelimit`)
	var got []string
	for _, c := range For(record.PlanArms()) {
		got = append(got, c.ID)
		if c.Threshold == nil || c.Find == nil {
			t.Errorf("%s has no threshold or no function", c.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("checks %q, want %q", got, want)
	}
}

// said moves what was said at the generation of P0's responses.
func said(r *healthy.Run, nats float64) {
	for i := range r.Responses {
		if r.Responses[i].Policy == "p0" {
			r.Responses[i].LogProb = dataset.Known(r.Responses[i].LogProb.OrNaN() + nats)
		}
	}
}

// TestGenerationIsNotTheEcho: what may lie apart, and which policies are not compared.
func TestGenerationIsNotTheEcho(t *testing.T) {
	status := func(alter func(*healthy.Run)) record.Status {
		r := healthy.New(40, 1)
		alter(r)
		var f record.Finding
		checkP0LogProbs(alone(r), &f)
		return f.Status
	}
	if got := status(func(r *healthy.Run) { said(r, 17.6); r.Arms[0].Policy.Sampling.Temperature = 0.7 }); got !=
		record.Pass {
		t.Errorf("%s: at another temperature generation may say the sampled distribution's", got)
	}
	if got := status(func(r *healthy.Run) { said(r, 1.5); r.Noise = dataset.Known(.05) }); got != record.Pass {
		t.Errorf("%s: that noise was stated", got)
	}
	if got := status(func(r *healthy.Run) {
		for i := range r.Responses { // the last token's is not among those of generation
			if row := healthy.LogprobRow(r, i/len(r.Arms), "p0"); r.Responses[i].Policy == "p0" {
				last := len(row.TokenLogProbs) - 1
				row.LogProb = dataset.Known(row.LogProb.OrNaN() - 3)
				row.TokenLogProbs[last] -= 3
				r.Responses[i].LogProb = dataset.Known(row.LogProb.OrNaN() - row.TokenLogProbs[last])
			}
		}
	}); got != record.Pass {
		t.Errorf("%s: a server need not say what it gave the end-of-turn token", got)
	}
}
