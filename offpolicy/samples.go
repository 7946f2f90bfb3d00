package offpolicy

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
)

// Samples is what an evaluation reads: the logging policy's responses, and, if
// there are any, the targets' own. The order of rows, draws and maps decides
// nothing.
type Samples struct {
	Logging string // name of the policy whose responses were logged
	// Pooled says that several policies wrote the rows, each of which names its Logger.
	// Logging is then a name for all of the logs together, that no policy has. Every row
	// ought to have its log-probs under all loggers; one that lacks some has no weight, and
	// -Inf says that a logger cannot have written it. A policy's weights are those of the
	// mixture (the balance heuristic),
	//
	//	w = π / Σ_k (n_k/n) π_k,   n_k of n rows being logger k's,
	//
	// so that a response which one logger gives hardly ever and another often has no large
	// weight. They are right if the loggers saw alike prompts. How many rows each logger
	// has was chosen: errors are taken within loggers.
	//
	// Source: Veach and Guibas, SIGGRAPH 1995; Agarwal, Basu, Schnabel and Joachims,
	// "Effective evaluation using logged bandit feedback from multiple loggers", KDD 2017.
	Pooled bool
	Judge  string // identity of the judge that gave every score, name and hash
	// Scored says, by policy, what its log-probs on the rows are of. Every policy that
	// has a log-prob must be in it: raw values give no weight, and "unstated" is the
	// word of a caller whose source does not say.
	Scored map[string]dataset.Scored
	Rows   []Row // the logged responses
	// Draws are by target policy: its own responses to the prompts. Those of the
	// logging policy would be the logged responses again, and are not used.
	Draws map[string][]Draw
	// Notes are what to know of where the samples come from; they stand in the document.
	Notes []string
}

// Row is a response of the logging policy. What is left out is not known: a
// Row{PromptID: "q1"} has no label, no score and no log-prob. Rows of one prompt
// form a cluster.
type Row struct {
	PromptID string
	// Logger names the policy that wrote the response; "" means Samples.Logging, and is
	// not allowed of Samples.Pooled ones.
	Logger string
	// LogProbs are the response's log-probs by policy, the logger's among them, nats.
	// A policy that is absent is missing on this row. A target's may be -Inf: it never
	// gives that response.
	LogProbs map[string]dataset.Float
	// Intervals are [lower, upper] of log-probs that are not known exactly, by policy; a
	// missing lower bound says that the policy may not give that response at all. Such a
	// log-prob in LogProbs is a value within, or missing, and is not used.
	Intervals map[string][2]dataset.Float
	Score     dataset.Float // the judge's, in [0, 1]
	Label     dataset.Float // the oracle's, in [0, 1]
	// InclusionProb is the probability, in (0, 1], with which the design chose
	// this response for labeling, known whether it was chosen or not; missing if none
	// was stated on any row. It is read of every row, labeled or not.
	InclusionProb dataset.Float
	Length        dataset.Float // of the response in tokens, or any one unit
	// Covariate is what Config.Covariate names, in the same unit as the draws';
	// else it is not read.
	Covariate dataset.Float
	// Segments name the groups that the prompt belongs to, by kind: language,
	// category.
	Segments map[string]string
}

// Draw is a response of a target policy, drawn by itself. Those with a Label
// are its probes: a random subset of its draws, labeled by the oracle.
type Draw struct {
	PromptID      string
	Index         int           // tells several draws for one prompt apart
	Score         dataset.Float // the judge's, in [0, 1]
	Label         dataset.Float // the oracle's, in [0, 1]
	InclusionProb dataset.Float // as in Row
	Covariate     dataset.Float // as in Row
}

// FromRecords makes samples of joined records: the logged samples, each
// target's own draws, and its probes, if they are in files of their own. A
// sample's id is [dataset.Sample.ID]. Length is response_token_count in the metadata, else the response's
// characters; Segments are the metadata's language and category; Covariate is the
// response's length in characters, of rows and draws alike. Draws of the logging
// policy are left out: they are the logged responses again.
//
// A probe is the draw of its key, with its label; it joins the draws if they
// lack it. If the two disagree on score or label there is an error that names
// the key, as there is if a key occurs twice.
func FromRecords(logs dataset.Logs) (Samples, error) {
	t := NewTable(Plan{Logging: logs.Logging, Pooled: logs.Pooled, Judge: logs.Judge, Scored: stated(logs.Scored)})
	t.notes = slices.Clone(logs.Notes)
	for _, s := range logs.Samples {
		if err := t.AddSample(s); err != nil {
			return Samples{}, err
		}
	}
	for policy, draws := range logs.Draws {
		for _, d := range draws {
			t.AddFresh(policy, d)
		}
	}
	for policy, draws := range logs.Probes {
		for _, d := range draws {
			t.AddProbe(policy, d)
		}
	}
	return t.Samples()
}

// rowOf is a sample's row, with its length in tokens, and whether the sample has an id.
func rowOf(s dataset.Sample, logging string, pooled bool) (r Row, named bool, err error) {
	if pooled {
		r.Logger = s.Logger()
	}
	base, logger := logging, r.Logger
	if pooled {
		base = logger // whose log-prob base_policy_logprob is
	}
	r = Row{
		PromptID: s.ID(), LogProbs: make(map[string]dataset.Float, len(s.TargetPolicyLogProbs)+1),
		Intervals: s.LogProbIntervals, Score: s.JudgeScore, Label: s.OracleLabel, InclusionProb: s.InclusionProb,
		Length: tokenCount(s), Covariate: characters(s.Response), Logger: logger,
	}
	for name, v := range s.TargetPolicyLogProbs {
		if name == "" {
			return Row{}, false,
				fmt.Errorf("offpolicy: samples: %s has a log-prob under a target policy without a name: name it", r.PromptID)
		}
		r.LogProbs[name] = v
	}
	for _, name := range s.OutsideSupport {
		r.LogProbs[name] = dataset.Known(math.Inf(-1))
	}
	if _, taken := r.LogProbs[logging]; taken {
		return Row{}, false,
			fmt.Errorf("offpolicy: samples: %s has a target policy named %q, which %w: rename one of the two", r.PromptID,
				logging, ErrLoggingName)
	}
	if have, ok := r.LogProbs[base]; ok && have.Valid() && s.BasePolicyLogProb.Valid() && have != s.BasePolicyLogProb {
		return Row{}, false, fmt.Errorf("offpolicy: samples: %s has log-prob %v under its logger %q, and %v as "+
			"base_policy_logprob: leave out the one that is wrong", r.PromptID, have, base, s.BasePolicyLogProb)
	}
	if s.BasePolicyLogProb.Valid() || !pooled {
		r.LogProbs[base] = s.BasePolicyLogProb
	}
	for _, kind := range []string{"language", "category"} {
		if v, ok := s.Metadata[kind].(string); ok && v != "" {
			if r.Segments == nil {
				r.Segments = map[string]string{}
			}
			r.Segments[kind] = v
		}
	}
	stated, _ := s.Metadata["prompt_id"].(string)
	return r, s.PromptID != "" || stated != "", nil
}

func unnamedNote(unnamed, rows int) string {
	return fmt.Sprintf("%d of %d rows state no prompt_id: each has one made of its prompt's text.", unnamed, rows)
}

func fromDraw(d dataset.FreshDraw) Draw {
	return Draw{
		PromptID: d.PromptID, Index: d.DrawIdx, Score: d.JudgeScore, Label: d.OracleLabel, InclusionProb: d.InclusionProb,
		Covariate: characters(d.Response),
	}
}

func tokenCount(s dataset.Sample) dataset.Float {
	n, ok := s.Metadata["response_token_count"].(float64)
	if !ok {
		return dataset.Float{}
	}
	return dataset.Known(n)
}

func characters(text string) dataset.Float {
	return dataset.Known(float64(utf8.RuneCountInString(text)))
}
