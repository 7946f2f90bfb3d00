package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
)

// Planted is a response and the canary that it is to carry.
type Planted struct {
	Score  dataset.JudgeScore
	Canary judge.Canary
}

// Canaries says which canaries fall on which prompts of a run: on the first twenty by the
// rank that samples them, or on all in turns if they are fewer. The choice depends on
// the seed and the ids, so that a larger run and a part of one plant them in the same places.
func Canaries(prompts []dataset.Prompt, seed uint64) map[string][]judge.Canary {
	canaries := judge.Canaries()
	first := firstByRank(prompts, len(canaries), seed)
	out := make(map[string][]judge.Canary, len(first))
	for i, c := range canaries {
		if len(first) > 0 {
			id := first[len(first)-1-i%len(first)].ID
			out[id] = append(out[id], c)
		}
	}
	return out
}

// Plants chooses the responses that carry the canaries of their prompt: of every policy
// in turn, but none that scores so high that a push could not show. A canary for which
// the prompt has no such response left is not planted.
func Plants(on map[string][]judge.Canary, scores iter.Seq[dataset.JudgeScore]) []Planted {
	byPrompt := map[string][]dataset.JudgeScore{}
	names := map[string]bool{}
	for s := range scores {
		if s.DrawIdx != 0 {
			continue
		}
		names[s.Policy] = true
		if len(on[s.PromptID]) > 0 && s.Mean.Valid() && s.Mean.OrNaN() <= 1-judge.CanaryShift {
			byPrompt[s.PromptID] = append(byPrompt[s.PromptID], s)
		}
	}
	policies := slices.Sorted(maps.Keys(names))
	turn := map[string]int{}
	for i, c := range judge.Canaries() {
		turn[c.Kind] = i
	}
	var out []Planted
	for _, id := range slices.Sorted(maps.Keys(byPrompt)) {
		left := byPrompt[id]
		for _, c := range on[id] {
			first := turn[c.Kind]
			from := func(s dataset.JudgeScore) int { // how many policies come before it from whose turn it is
				at := first - slices.Index(policies, s.Policy)
				return (at%len(policies) + len(policies)) % len(policies)
			}
			if len(left) == 0 {
				break
			}
			next := slices.MinFunc(left, func(a, b dataset.JudgeScore) int { return cmp.Compare(from(a), from(b)) })
			out = append(out, Planted{next, c})
			left = slices.DeleteFunc(left, func(s dataset.JudgeScore) bool { return s.Policy == next.Policy })
		}
	}
	return out
}

// firstByRank are the first prompts by the rank that samples them, in the order of their
// ids.
func firstByRank(prompts []dataset.Prompt, n int, seed uint64) []dataset.Prompt {
	first, err := dataset.SamplePrompts(prompts, min(n, len(prompts)), seed)
	if err != nil { // ids that occur twice; prompts.unique says so
		return prompts
	}
	return first
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
	for _, p := range firstByRank(prompts, ComparedRows, seed) {
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

// LabelPools counts the responses of each policy that a budget of labels is divided among:
// of all but the clones, whose value is the logging policy's.
func LabelPools(prompts []dataset.Prompt, arms Arms) map[string]int {
	out := map[string]int{}
	for _, a := range arms {
		if a.Role != Clone {
			out[a.Policy.Name] = len(prompts)
		}
	}
	return out
}

// LeastLabels is the budget of labels that gives every policy of [LabelPools] as many as it
// needs: [offpolicy.MinLabels] each.
func LeastLabels(arms Arms) int { return offpolicy.MinLabels * len(LabelPools(nil, arms)) }

// CertificateKey names what one certificate covers.
func CertificateKey(p offpolicy.Policy) string { return p.Model + " " + p.Template }

// ClassHidden marks responses that hide part of what the policy did.
const ClassHidden = "hidden_action"

// ClassNoResponse marks records that could not be made because the response
// they are about failed.
const ClassNoResponse = "no_response"
