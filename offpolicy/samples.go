package offpolicy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
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
	Judge   string // identity of the judge that gave every score, name and hash
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
	// Logger names the policy that wrote the response; "" means [Samples.Logging],
	// which is the only one there may be so far.
	Logger string
	// LogProbs are the response's log-probs by policy, the logger's among them, nats.
	// A policy that is absent is missing on this row. A target's may be -Inf: it never
	// gives that response.
	LogProbs map[string]dataset.Float
	Score    dataset.Float // the judge's, in [0, 1]
	Label    dataset.Float // the oracle's, in [0, 1]
	// InclusionProb is the probability, in (0, 1], with which the design chose
	// this response for labelling, known whether it was chosen or not; missing if none
	// was stated on any row. It is read on labelled rows.
	InclusionProb dataset.Float
	Length        dataset.Float // of the response in tokens, or any one unit
	// Covariate is what [Config.Covariate] names, in the same unit as the draws';
	// else it is not read.
	Covariate dataset.Float
	// Segments name the groups that the prompt belongs to, by kind: language,
	// category.
	Segments map[string]string
}

// Draw is a response of a target policy, drawn by itself. Those with a Label
// are its probes: a random subset of its draws, labelled by the oracle.
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
// sample's id is its PromptID, else prompt_id in its metadata, else "prompt_"
// and the first 12 hexadecimal digits of its prompt's SHA-256, which is how CJE
// names it. Length is response_token_count in the metadata, else the response's
// characters; Segments are the metadata's language and category; Covariate is the
// response's length in characters, of rows and draws alike. Draws of the logging
// policy are left out: they are the logged responses again.
//
// A probe is the draw of its key, with its label; it joins the draws if they
// lack it. If the two disagree on score or label there is an error that names
// the key, as there is if a key occurs twice.
func FromRecords(logs dataset.Logs) (Samples, error) {
	out := Samples{Logging: logs.Logging, Judge: logs.Judge, Scored: logs.Scored, Draws: map[string][]Draw{}}
	unnamed := 0
	tokens := slices.ContainsFunc(logs.Samples, func(s dataset.Sample) bool { return tokenCount(s).Valid() })
	for _, s := range logs.Samples {
		r := Row{
			PromptID: promptID(s), LogProbs: make(map[string]dataset.Float, len(s.TargetPolicyLogProbs)+1),
			Score: s.JudgeScore, Label: s.OracleLabel, InclusionProb: s.InclusionProb,
			Length: characters(s.Response), Covariate: characters(s.Response),
		}
		if tokens {
			r.Length = tokenCount(s)
		}
		for name, v := range s.TargetPolicyLogProbs {
			if name == "" {
				return Samples{},
					fmt.Errorf("offpolicy: samples: %s has a log-prob under a target policy without a name: name it", r.PromptID)
			}
			r.LogProbs[name] = v
		}
		if stated, _ := s.Metadata["prompt_id"].(string); s.PromptID == "" && stated == "" {
			unnamed++
		}
		if _, taken := r.LogProbs[logs.Logging]; taken {
			return Samples{},
				fmt.Errorf("offpolicy: samples: %s has a target policy named %q, which is the name of the logging policy: "+
					"rename one of the two",
					r.PromptID, logs.Logging)
		}
		r.LogProbs[logs.Logging] = s.BasePolicyLogProb
		for _, kind := range []string{"language", "category"} {
			if v, ok := s.Metadata[kind].(string); ok && v != "" {
				if r.Segments == nil {
					r.Segments = map[string]string{}
				}
				r.Segments[kind] = v
			}
		}
		out.Rows = append(out.Rows, r)
	}
	if unnamed > 0 {
		out.Notes = append(out.Notes,
			fmt.Sprintf("%d of %d rows state no prompt_id: each has one made of its prompt's text.", unnamed, len(out.Rows)))
	}
	for _, policy := range slices.Sorted(maps.Keys(logs.Draws)) {
		if policy == logs.Logging {
			continue
		}
		index := map[dataset.Key]int{}
		for _, d := range logs.Draws[policy] {
			k := dataset.Key{PromptID: d.PromptID, Policy: policy, DrawIdx: d.DrawIdx}
			if _, twice := index[k]; twice {
				return Samples{},
					fmt.Errorf("offpolicy: samples: %w: fresh draw %s occurs twice (keep one of the two)", dataset.ErrDuplicateID, k)
			}
			index[k] = len(out.Draws[policy])
			out.Draws[policy] = append(out.Draws[policy], fromDraw(d))
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(logs.Probes)) {
		if policy == logs.Logging {
			continue
		}
		if err := joinProbes(&out, policy, logs.Probes[policy]); err != nil {
			return Samples{}, err
		}
	}
	return out, nil
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

func promptID(s dataset.Sample) string {
	if s.PromptID != "" {
		return s.PromptID
	}
	if id, ok := s.Metadata["prompt_id"].(string); ok && id != "" {
		return id
	}
	sum := sha256.Sum256([]byte(s.Prompt))
	return "prompt_" + hex.EncodeToString(sum[:])[:12]
}

func joinProbes(out *Samples, policy string, probes []dataset.FreshDraw) error {
	type key struct {
		prompt string
		draw   int
	}
	index := make(map[key]int, len(out.Draws[policy]))
	for i, d := range out.Draws[policy] {
		index[key{d.PromptID, d.Index}] = i
	}
	seen := map[key]bool{}
	agree := func(a, b dataset.Float) bool { return a == b || !a.Valid() || !b.Valid() }
	for _, p := range probes {
		d, k := fromDraw(p), key{p.PromptID, p.DrawIdx}
		at := dataset.Key{PromptID: p.PromptID, Policy: policy, DrawIdx: p.DrawIdx}
		if seen[k] {
			return fmt.Errorf("offpolicy: samples: %w: probe %s occurs twice (keep one of the two)", dataset.ErrDuplicateID, at)
		}
		seen[k] = true
		i, ok := index[k]
		if !ok {
			out.Draws[policy] = append(out.Draws[policy], d)
			continue
		}
		have := &out.Draws[policy][i]
		if !agree(have.Score, d.Score) || !agree(have.Label, d.Label) {
			return fmt.Errorf("offpolicy: samples: probe %s has score %v and label %v, the fresh draw of that key %v and "+
				"%v: they are different responses; "+
				"give the probe a draw_idx of its own", at, d.Score, d.Label, have.Score, have.Label)
		}
		if !have.Score.Valid() {
			have.Score = d.Score
		}
		if !have.Label.Valid() {
			have.Label, have.InclusionProb = d.Label, d.InclusionProb
		}
		have.Covariate = dataset.Known(max(have.Covariate.OrNaN(), d.Covariate.OrNaN())) // one of the two may lack the text
	}
	return nil
}

// targets returns the names of every policy but the logging one, sorted.
func (s *Samples) targets() []string {
	set := map[string]bool{}
	for _, r := range s.Rows {
		for name := range r.LogProbs {
			set[name] = true
		}
	}
	for name := range s.Draws {
		set[name] = true
	}
	delete(set, s.Logging)
	return slices.Sorted(maps.Keys(set))
}

// validate reports the first field of each kind that cannot be what it claims.
// covariate is the name of the covariate in use.
func (s *Samples) validate(covariate string) error {
	const op = "samples"
	if s.Logging == "" {
		return fmt.Errorf("offpolicy: samples: Logging is empty: name the policy whose responses were logged")
	}
	if s.Judge == "" {
		return fmt.Errorf("offpolicy: samples: Judge is empty: name the judge that gave the scores")
	}
	if err := s.validateScored(); err != nil {
		return err
	}
	var bad *RowError
	stated := slices.ContainsFunc(s.Rows, func(r Row) bool { return r.Label.Valid() && r.InclusionProb.OrNaN() > 0 })
	// A probability that cannot be one is the first thing to say.
	wrong := slices.ContainsFunc(s.Rows, func(r Row) bool { p := r.InclusionProb.OrNaN(); return p <= 0 || p > 1 })
	for i, r := range s.Rows {
		if stated && !wrong && r.Label.Valid() && !r.InclusionProb.Valid() {
			bad = bad.add(op, i, r.InclusionProb.OrNaN(),
				"label of "+r.PromptID+" states no inclusion probability, others do; state all or none")
		}
		if r.PromptID == "" {
			bad = bad.add(op, i, math.NaN(), "PromptID is empty: rows are clustered and joined by it")
		}
		bad = gradeError(bad, op, i, r.PromptID, r.Score.OrNaN(), r.Label.OrNaN(), r.InclusionProb.OrNaN())
		if r.Logger != "" && r.Logger != s.Logging {
			bad = bad.add(op, i, math.NaN(),
				"response to "+r.PromptID+" was logged by "+r.Logger+", not by "+s.Logging+": evaluate the rows of one logging "+
					"policy at a time")
		}
		for _, name := range slices.Sorted(maps.Keys(r.LogProbs)) {
			switch v, ok := r.LogProbs[name].Get(); {
			case !ok:
			case v > 0:
				bad = bad.add(op, i, v, "log-prob of "+r.PromptID+" under "+name+" is above 0; score the response again")
			case name == s.Logging && math.IsInf(v, -1):
				bad = bad.add(op, i, v,
					"log-prob of "+r.PromptID+" under the logging policy: want a finite number <= 0, or none; score the "+
						"response again")
			}
		}
		if covariate != "" && r.Score.Valid() && !finite(r.Covariate.OrNaN()) {
			bad = bad.add(op, i, r.Covariate.OrNaN(),
				covariate+" of "+r.PromptID+" is not a finite number: the calibration needs it of every scored response")
		}
		if r.Length.OrNaN() < 0 || math.IsInf(r.Length.OrNaN(), 0) {
			bad = bad.add(op, i, r.Length.OrNaN(), "length of "+r.PromptID+": want a number >= 0, or none")
		}
	}
	if bad != nil {
		return bad
	}
	if err := overdrawn(op, len(s.Rows), func(yield func(dataset.Float, dataset.Float) bool) {
		for _, r := range s.Rows {
			if !yield(r.Label, r.InclusionProb) {
				return
			}
		}
	}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Draws)) {
		op := "fresh draws of " + name
		type key struct {
			prompt string
			draw   int
		}
		seen := make(map[key]bool, len(s.Draws[name]))
		stated := slices.ContainsFunc(s.Draws[name], func(d Draw) bool {
			return d.Label.Valid() &&
				d.InclusionProb.OrNaN() > 0
		})
		for i, d := range s.Draws[name] {
			if stated && d.Label.Valid() && !d.InclusionProb.Valid() {
				bad = bad.add(op, i, d.InclusionProb.OrNaN(),
					"label of "+d.PromptID+" states no inclusion probability, others do; state all or none")
			}
			if d.PromptID == "" {
				bad = bad.add(op, i, math.NaN(), "PromptID is empty: draws are joined by it")
			}
			k := key{d.PromptID, d.Index}
			if seen[k] {
				bad = bad.add(op, i, float64(d.Index),
					"this draw of "+d.PromptID+" occurs twice; keep one of the two, or give the other an index of its own")
			}
			seen[k] = true
			bad = gradeError(bad, op, i, d.PromptID, d.Score.OrNaN(), d.Label.OrNaN(), d.InclusionProb.OrNaN())
			if covariate != "" && d.Score.Valid() && !finite(d.Covariate.OrNaN()) {
				bad = bad.add(op, i, d.Covariate.OrNaN(),
					covariate+" of "+d.PromptID+" is not a finite number: the calibration needs it of every scored response")
			}
		}
		if bad != nil {
			return bad
		}
		if err := overdrawn(op, len(s.Draws[name]), func(yield func(dataset.Float, dataset.Float) bool) {
			for _, d := range s.Draws[name] {
				if !yield(d.Label, d.InclusionProb) {
					return
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// overdrawn reports labels that the design stated for them cannot have drawn: of n
// responses, each labelled with its probability p, the labels' Σ 1/p is n on average,
// with a standard deviation of at most √(Σ (1-p)/p²) as the labels estimate it. Fewer
// are labels that failed, which is a gap and no error.
func overdrawn(op string, n int, grades iter.Seq2[dataset.Float, dataset.Float]) error {
	var labels int
	var sum, variance float64
	for label, inclusion := range grades {
		if p, ok := inclusion.Get(); ok && label.Valid() {
			labels++
			sum += 1 / p
			variance += (1 - p) / (p * p)
		}
	}
	if limit := float64(n) + 5*math.Sqrt(variance); sum > limit*(1+1e-9) {
		return fmt.Errorf("offpolicy: %s: InclusionProb: %d labels of %d responses are more than the stated "+
			"probabilities can have drawn "+
			"(their 1/p sum to %.0f, at most %.0f is plausible): state the probability of the draw that was made, or leave "+
			"out labels that it did not choose",
			op, labels, n, sum, limit)
	}
	return nil
}

// validateScored reports a policy whose log-probs nobody says anything of.
func (s *Samples) validateScored() error {
	for _, r := range s.Rows {
		for _, name := range slices.Sorted(maps.Keys(r.LogProbs)) {
			if !r.LogProbs[name].Valid() {
				continue
			}
			switch d := s.Scored[name].Distribution; d {
			case dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution:
			case "":
				return fmt.Errorf("offpolicy: samples: Scored does not say what the log-probs of %q are of: set its "+
					"Distribution to %q, %q or %q",
					name, dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution)
			default:
				return fmt.Errorf("offpolicy: samples: Scored: Distribution of %q is %q: want %q, %q or %q",
					name, d, dataset.SamplingDistribution, dataset.RawDistribution, dataset.UnstatedDistribution)
			}
		}
	}
	return nil
}

// gradeError checks what rows and draws have in common.
func gradeError(bad *RowError, op string, i int, id string, score, label, p float64) *RowError {
	outside := func(v float64) bool { return v < 0 || v > 1 }
	switch {
	case outside(score):
		return bad.add(op, i, score, "score of "+id+" is not in [0, 1]; leave it out of an unscored response")
	case outside(label):
		return bad.add(op, i, label, "label of "+id+" is not in [0, 1]; leave it out of an unlabelled response")
	case !math.IsNaN(label) && (p <= 0 || p > 1):
		return bad.add(op, i, p,
			"inclusion probability of "+id+" is not in (0, 1]; take it from the labelling design, or leave it out of every row")
	}
	return bad
}
