package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/oracle"
)

// Planted is a response and the canary that it is to carry.
type Planted struct {
	Score  dataset.JudgeScore
	Canary judge.Canary
}

// Plants chooses the responses that carry the canaries, from every policy in
// turn: those whose own score is nearest to the middle, where a push shows and
// a few lines more or less decide little. The choice follows from the scores
// alone, so that a run made in one go and one that was extended end alike.
func Plants(scores iter.Seq[dataset.JudgeScore]) []Planted {
	byPolicy := map[string][]dataset.JudgeScore{}
	for s := range scores {
		if s.Mean.Valid() && s.DrawIdx == 0 && s.Mean.OrNaN() <= 1-judge.CanaryShift {
			byPolicy[s.Policy] = append(byPolicy[s.Policy], s)
		}
	}
	policies := slices.Sorted(maps.Keys(byPolicy))
	for _, name := range policies {
		slices.SortFunc(byPolicy[name], func(a, b dataset.JudgeScore) int {
			return cmp.Or(cmp.Compare(math.Abs(a.Mean.OrNaN()-.5), math.Abs(b.Mean.OrNaN()-.5)), a.Key().Compare(b.Key()))
		})
	}
	var out []Planted
	canaries := judge.Canaries()
	for round := 0; len(canaries) > 0; round++ {
		more := false
		for _, name := range policies {
			if round < len(byPolicy[name]) && len(canaries) > 0 {
				out = append(out, Planted{byPolicy[name][round], canaries[0]})
				canaries, more = canaries[1:], true
			}
		}
		if !more {
			break
		}
	}
	return out
}

// ComparedRows is how many prompts, the first by the rank that samples them, have
// their log-probs from two calls, context and joint text, so that every method
// is computed: the whole of a pilot of 100. Of those beyond, one in AuditEvery
// has, chosen by a hash of its id; the others are scored by one call where the
// ids of the context are known from the policy's own answer.
const (
	ComparedRows = 100
	AuditEvery   = 32
)

// Compared are the prompts on which every method is computed. The choice depends
// on the seed and the ids, so that a larger run makes the smaller one's again.
func Compared(prompts []dataset.Prompt, seed uint64) map[string]bool {
	out := make(map[string]bool, ComparedRows)
	first, err := dataset.SamplePrompts(prompts, min(ComparedRows, len(prompts)), seed)
	if err != nil { // ids that occur twice; prompts.unique says so
		first = prompts
	}
	for _, p := range first {
		out[p.ID] = true
	}
	for _, p := range prompts {
		b := binary.BigEndian.AppendUint64([]byte("reweigh audit 1"), seed)
		h := sha256.Sum256(append(b, p.ID...))
		if binary.BigEndian.Uint64(h[:8])%AuditEvery == 0 {
			out[p.ID] = true
		}
	}
	return out
}

// ResponseKeys are the responses that a run owes.
func ResponseKeys(prompts []dataset.Prompt, arms Arms) []dataset.Key {
	keys := make([]dataset.Key, 0, len(prompts)*len(arms))
	for _, p := range prompts {
		for _, a := range arms {
			keys = append(keys, dataset.Key{PromptID: p.ID, Policy: a.Policy.Name})
		}
	}
	return keys
}

// CertificateKey names what one certificate covers.
func CertificateKey(p offpolicy.Policy) string { return p.Model + " " + p.Template }

// ClassHidden marks responses that hide part of what the policy did.
const ClassHidden = "hidden_action"

// ClassNoResponse marks records that could not be made because the response
// they are about failed.
const ClassNoResponse = "no_response"

// Assigned are the responses that a design labels, of one with strata as many others.
func Assigned(d oracle.Design, prompts []dataset.Prompt, arms Arms) []oracle.Assignment {
	d.Strata = 0
	return d.Assign(ResponseKeys(prompts, arms), arms.Logging().Policy.Name)
}
