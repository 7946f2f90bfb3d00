package pilot

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// maxSpecimens is how many records a report quotes.
const maxSpecimens = 6

// specimens picks records worth a look: failures first, then the least likely
// logged response, the lowest and the highest score.
func specimens(rec *record.Records) []Specimen {
	out := []Specimen{}
	add := func(k dataset.Key, of, why string) {
		if len(out) == maxSpecimens {
			return
		}
		p, _ := rec.Prompts.Brief().Get(dataset.Key{PromptID: k.PromptID})
		s := Specimen{Key: k.String(), Why: why, Prompt: p.Text}
		if rec.ReadText != nil {
			// A text that cannot be read is quoted by nobody; the outputs that need it say so.
			s.Response, _ = rec.ReadText(dataset.Key{PromptID: k.PromptID, Policy: of, DrawIdx: k.DrawIdx})
		}
		out = append(out, s)
	}
	p0 := rec.Logging().Policy.Name
	failed := 0
	for _, row := range rec.LogProbs.Brief().All() {
		if row.Error != nil && failed < 3 {
			failed++
			add(row.Key(), p0, fmt.Sprintf("no log-prob under %s: %s", row.Policy, row.Error.Message))
		}
	}
	var least *dataset.LogProb
	for _, row := range rec.LogProbs.Brief().All() {
		if row.Policy == p0 && row.LogProb.Valid() && row.Tokens > 0 &&
			(least == nil || row.LogProb.OrNaN()/float64(row.Tokens) < least.LogProb.OrNaN()/float64(least.Tokens)) {
			least = &row
		}
	}
	if least != nil {
		add(least.Key(), p0, fmt.Sprintf("least likely logged response: %.3f nats a token",
			least.LogProb.OrNaN()/float64(least.Tokens)))
	}
	var low, high *dataset.JudgeScore
	for _, s := range rec.Scores.All() {
		if !s.Mean.Valid() {
			continue
		}
		if low == nil || s.Mean.OrNaN() < low.Mean.OrNaN() {
			low = &s
		}
		if high == nil || s.Mean.OrNaN() > high.Mean.OrNaN() {
			high = &s
		}
	}
	if low != nil {
		add(low.Key(), low.Policy, fmt.Sprintf("lowest judge score: %.2f", low.Mean.OrNaN()))
		add(high.Key(), high.Policy, fmt.Sprintf("highest judge score: %.2f", high.Mean.OrNaN()))
	}
	return out
}
