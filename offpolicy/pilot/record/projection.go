package record

import (
	"fmt"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// Projection is what the sample says of the full run. Its intervals are of
// what that run will give, at Level.
type Projection struct {
	Prompts int      `json:"prompts"`
	Held    int      `json:"held,omitempty"` // prompts of the input: see Input
	Level   float64  `json:"level"`
	Calls   Quantity `json:"calls"`
	USD     Quantity `json:"usd"`
	// BatchUSD is USD with labels and scores bought in batches; null where their
	// models have no price.
	BatchUSD Quantity `json:"batch_usd"`
	Tokens   Quantity `json:"tokens"`
	Seconds  Quantity `json:"seconds"` // at the throughput of this run
	// Failed counts prompts that lack a record. Its interval is that of
	// Clopper and Pearson.
	Failed Quantity `json:"failed_prompts"`
	// HalfWidth is the expected half-width of a 95% interval for P0's mean
	// oracle label at Prompts prompts and this label fraction.
	HalfWidth dataset.Float      `json:"p0_half_width"`
	Policies  []PolicyProjection `json:"policies"` // the targets
	Notes     []string           `json:"notes"`
	// FurtherUSD is what of USD is still to be spent, and FurtherBatchUSD of
	// BatchUSD.
	FurtherUSD      dataset.Float `json:"further_usd"`
	FurtherBatchUSD dataset.Float `json:"further_batch_usd"`
	// Resolution is the half-width of a 95% interval at which a policy's value
	// counts as answered. Answer says in words whether the full run would
	// answer, and whether a cheaper one would; Questions say it by policy, P0
	// first.
	Resolution dataset.Float `json:"resolution"`
	// Assurance is the share of runs that the half-widths below hold in; missing if they
	// are the expected ones, which about half of the runs exceed.
	Assurance dataset.Float `json:"assurance,omitzero"`
	Answer    string        `json:"answer"`
	Questions []Question    `json:"questions"`
	// Cheapest is the cheapest run found that answers for P0 and every target;
	// nil where none of up to Prompts prompts is known to.
	Cheapest *LargerRun `json:"cheapest,omitempty"`
	// Answered says that the sample gives P0 and every target to within the
	// resolution already.
	Answered bool `json:"answered,omitempty"`
	// Command starts the full run, or as much of it as the input holds: see Missing.
	Command string `json:"command"`
}

// Missing is how many prompts the full run has beyond those that the input holds.
func (p *Projection) Missing() int {
	if p.Held <= 0 {
		return 0
	}
	return max(0, p.Prompts-p.Held)
}

// Question is one policy's value in the full run.
type Question struct {
	Policy  string  `json:"policy"`
	FullRun Outlook `json:"full_run"`
	// By is the estimator, and HalfWidth the width that it is expected to give;
	// by weights it is the least that it can be. Null where weights are refused.
	By        string        `json:"by"`
	HalfWidth dataset.Float `json:"half_width"`
	Reason    string        `json:"reason"`
	// Difference is that of the judge's scores, the policy's minus P0's, prompt
	// by prompt, in the sample.
	Difference Quantity `json:"judge_difference"`
	// Cheapest is the cheapest run found that answers for this policy, with
	// labels for it alone.
	Cheapest *LargerRun `json:"cheapest,omitempty"`
}

// LargerRun is a run that extends the sample. Its dollars are those still to be
// spent; null where something has no price.
type LargerRun struct {
	By        string        `json:"by"`      // the estimator
	Prompts   int           `json:"prompts"` // in all
	Labels    int           `json:"labels"`  // of a target's own responses, in all
	HalfWidth dataset.Float `json:"half_width"`
	USD       dataset.Float `json:"usd"`
	BatchUSD  dataset.Float `json:"batch_usd"` // with labels and scores in batches
	Command   string        `json:"command"`   // empty where it is of one policy alone
}

// PolicyProjection bounds what weights can say of a target in the full run.
type PolicyProjection struct {
	Name             string        `json:"name"`
	ESSAtMost        dataset.Float `json:"ess_at_most"`         // ESS/n · Prompts
	HalfWidthAtLeast dataset.Float `json:"half_width_at_least"` // of a 95% interval by ips on the judge's scores
}

// Outlook says whether a full run would give a policy's value.
type Outlook string

// The outlooks.
const (
	OutlookYes    Outlook = "yes"     // as far as a sample can tell
	OutlookAtBest Outlook = "at best" // the bound from below is narrow enough, which is no promise
	OutlookNo     Outlook = "no"
)

// Gives says for which policies a full run would answer: "for p0, perhaps for pi_cot, but
// not for pi_bad".
func (p *Projection) Gives() string {
	var parts []string
	for _, k := range []struct {
		answer Outlook
		words  string
	}{{OutlookYes, "for "}, {OutlookAtBest, "perhaps for "}, {OutlookNo, "not for "}} {
		if names := p.Answering(k.answer); len(names) > 0 {
			if k.answer == OutlookNo && len(parts) > 0 {
				k.words = "but " + k.words
			}
			parts = append(parts, k.words+And(names))
		}
	}
	return strings.Join(parts, ", ")
}

// Answering are the policies with that outlook.
func (p *Projection) Answering(outlook Outlook) []string {
	var names []string
	for _, q := range p.Questions {
		if q.FullRun == outlook {
			names = append(names, q.Policy)
		}
	}
	return names
}

// Promise says of a half-width, in digits, how far it is promised.
func (p *Projection) Promise(halfWidth dataset.Float) string {
	if a, ok := p.Assurance.Get(); ok {
		return fmt.Sprintf("±%s or better in %.0f%% of such runs", HalfWidth(halfWidth.OrNaN()), 100*a)
	}
	return "about ±" + HalfWidth(halfWidth.OrNaN())
}

// Words says what the run is, to one who has a sample of n prompts.
func (d *LargerRun) Words(n int) string {
	s := Plural(d.Prompts, "prompt", "prompts")
	if d.Prompts == n {
		s = "the same " + s
	}
	if d.Labels > 0 {
		s += fmt.Sprintf(", with %d responses of every other policy labeled", d.Labels)
	}
	return s
}
