package pilot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/forecast"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// Preflight is what was found before anything was spent.
type Preflight struct {
	Cost     record.CostEstimate
	Warnings []string
}

// stalePrices is the age from which a price table is warned of in a live run.
const stalePrices = 180 * 24 * time.Hour

// priceAge warns of a price table that may be out of date.
func priceAge(date string, now time.Time) string {
	d, err := time.Parse(time.DateOnly, date)
	switch {
	case err != nil:
		return fmt.Sprintf("the price table has no date (%q): its age is unknown", date)
	case now.Sub(d) > stalePrices:
		return fmt.Sprintf("the price table is of %s, %d days old: compare it with the provider's, and give newer prices",
			date, int(now.Sub(d).Hours()/24))
	}
	return ""
}

// An announced shutdown within endingNow may come while the pilot runs, and one
// within endingSoon before the full run has ended.
const (
	endingNow  = 24 * time.Hour
	endingSoon = 60 * 24 * time.Hour
)

// preflight is what is found before anything is spent.
type preflight struct {
	cfg      Config // with its defaults
	found    Preflight
	problems []record.Problem
	free     providers.MemoryLedger // its calls, before there is a folder
	forcer   *teacherforce.Forcer   // renders; it has nobody to ask for scores
	work     forecast.Work          // what the run has to do, with judge and oracle around a dry run
	models   []string               // of judge and oracle
	judges   []string               // the judge's
	oracles  []string               // the oracle's
	identity []byte
	shares   []float64       // of the budget, by shard
	kept     json.RawMessage // what a merge needs to know; of a shard alone
	held     *engine.Found   // in the folder
	metadata *engine.Metadata
	saying   sync.Mutex // over calls of cfg.Progress
}

func (p *preflight) add(what string, r record.Remedy, err error) {
	p.problems = append(p.problems, record.Problem{What: what, Remedy: r, Err: err})
}

func (p *preflight) warn(format string, a ...any) {
	p.found.Warnings = append(p.found.Warnings, fmt.Sprintf(format, a...))
}

// newPreflight makes free calls only, and leaves the folder as it was. The error is a
// [*PreflightError], or says that ctx ended.
func newPreflight(ctx context.Context, cfg Config) (*preflight, error) {
	p := &preflight{cfg: cfg.withDefaults()}
	if cfg.Oracle == nil || cfg.Judge == nil || cfg.Policies == nil {
		panic("pilot: Config lacks Policies, Judge or Oracle")
	}
	// Each step needs what the one before it found.
	for _, step := range []func(context.Context){p.settings, p.identify, p.graders, p.services, p.costs,
		p.pack, p.folder} {
		step(ctx)
		if len(p.problems) == 0 {
			continue
		}
		if ctx.Err() != nil {
			return p, fmt.Errorf("pilot: interrupted in the preflight; nothing was spent: %w", context.Canceled)
		}
		return p, &PreflightError{p.cfg.spelled(p.problems)}
	}
	return p, nil
}

// settings looks at the configuration alone.
func (p *preflight) settings(context.Context) {
	c := &p.cfg
	if err := c.Arms.Validate(); err != nil {
		p.add("the policies do not fit together: "+err.Error(), record.Do("correct the policies", record.FieldArms), err)
		return
	}
	p.connections()
	var err error
	if p.forcer, err = teacherforce.New(teacherforce.Config{Scorer: noScorer{}, Templates: c.Templates}); err != nil {
		p.add(err.Error(), record.Do("give templates of your own names that are not taken", record.FieldTemplates), err)
	}
	if err := c.Shard.Validate(); err != nil {
		p.add(err.Error(), record.Do("give a shard that there is", record.FieldShard), err)
	} else if len(c.Prompts) == 0 && len(c.plan) > 0 {
		p.add(fmt.Sprintf("none of the %d prompts is of shard %d of %d", len(c.plan), c.Shard.Index, c.Shard.Of),
			record.Do("divide the run into fewer shards, or take more prompts", record.FieldShard, record.FieldPrompts), nil)
	} else if len(c.Prompts) == 0 {
		p.add("the input holds no prompts", record.Do("give an input with prompts", record.FieldPrompts), nil)
	}
	if err := c.Labels.Validate(); err != nil {
		p.add(err.Error(), record.Do("correct the labeling design", record.FieldLabels), err)
	}
	p.labelsBudget()
	if s, ok := c.Noise.Get(); ok && !(s >= 0 && s < 1) {
		p.add(fmt.Sprintf("Noise is %v: want nats a token", c.Noise),
			record.Do("give one in [0, 1), or none for what the clones show", record.FieldNoise), nil)
	}
	if !(c.Resolution > 0 && c.Resolution < 1) {
		p.add(fmt.Sprintf("Resolution is %v: want a half-width of a value in [0, 1]", c.Resolution),
			record.Do("give one in (0, 1), or 0 for the default", record.FieldResolution), nil)
	}
	if c.Anytime < 0 {
		p.add(fmt.Sprintf("Anytime is %d: want a number of prompts", c.Anytime),
			record.Do("give one, or 0 for intervals for one look", record.FieldAnytime), nil)
	}
	if c.Looks > 1 && !c.Shard.Whole() {
		p.add("a shard sees a part of the sample and cannot tell when the run may stop",
			record.Do("look once", record.FieldLooks, record.FieldShard), nil)
	}
	if c.Looks < 0 || c.Looks > 1 && c.Anytime == 0 {
		p.add(fmt.Sprintf("Looks is %d and Anytime %d: what is looked at as it grows needs intervals for any time", c.Looks,
			c.Anytime), record.Do("say at how many prompts these are narrowest, or look once", record.FieldAnytime,
			record.FieldLooks), nil)
	}
	if c.Assurance != 0 && !(c.Assurance >= .5 && c.Assurance < 1) {
		p.add(fmt.Sprintf("Assurance is %v: want a share of runs in [0.5, 1)", c.Assurance),
			record.Do("give one in [0.5, 1), or 0 for the expected width", record.FieldAssurance), nil)
	}
	var ids []string
	for _, q := range check.For(c.Arms) {
		ids = append(ids, q.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Waived)) {
		if !slices.Contains(ids, id) {
			p.add(fmt.Sprintf("a check is waived that does not exist: %q", id),
				record.Do("the ids are: "+strings.Join(ids, ", "), record.FieldWaived), nil)
		}
	}
}

// labelsBudget looks whether a budget of labels can be divided.
func (p *preflight) labelsBudget() {
	switch c := &p.cfg; {
	case c.LabelsBudget == 0:
	case c.LabelsBudget < 0:
		p.add(fmt.Sprintf("LabelsBudget is %d: want a number of labels", c.LabelsBudget),
			record.Do("give one, or 0 for what the design says", record.FieldLabelsBudget), nil)
	case c.Labels.Strata > 1 || c.Labels.Probes > 0 || c.Labels.Fraction != 1:
		p.add("a budget of labels is divided among the policies, and a design says how many each has",
			record.Do("give one of the two", record.FieldLabelsBudget, record.FieldLabels, record.FieldProbes), nil)
	case !c.Shard.Whole() || c.Looks > 1:
		p.add("a budget of labels is divided by what the labels of all prompts show",
			record.Do("make the run in one part and look once, or say how many labels each policy has",
				record.FieldLabelsBudget, record.FieldLabels, record.FieldProbes), nil)
	}
}

// connections looks whether there is room for as many as the run has calls in flight.
func (p *preflight) connections() {
	ends := 2 // a service for policies and one for judge and oracle
	if engine.SameProvider(p.cfg.Policies, p.cfg.Grader) {
		ends = 1
	}
	if !p.cfg.Live {
		ends *= 2 // the simulator's in this process
	}
	var problem *record.Problem
	if err := engine.CheckFiles(p.cfg.Concurrency, ends); errors.As(err, &problem) {
		p.problems = append(p.problems, *problem)
	}
}

type noScorer struct{}

func (noScorer) ScorePrompt(context.Context, providers.ScoreRequest) (providers.PromptScore, error) {
	return providers.PromptScore{}, errors.ErrUnsupported
}

// graders builds judge and oracle around a dry run: what they would send names their
// models.
func (p *preflight) graders(ctx context.Context) {
	c := &p.cfg
	p.work = forecast.Work{
		Prompts: c.plan, Shard: c.Shard, Arms: c.Arms, Seed: c.Seed, Labels: c.Labels, Batches: c.BatchLabels != nil,
		Concurrency: c.Concurrency, Prices: c.Prices,
		Templates: c.Templates, Reference: c.Reference, Forcer: p.forcer, Dry: &forecast.DryRun{},
		Chats: providers.ScoresChats(c.Policies), OneService: engine.SameProvider(c.Policies, c.Grader),
	}
	e := &p.work
	var err error
	if e.Judge, err = c.Judge(e.Dry); err != nil {
		p.add(err.Error(), record.Remedy{Do: "correct the judge's configuration"}, err)
		return
	}
	if e.Oracle, err = c.Oracle(e.Dry); err != nil {
		p.add(err.Error(), record.Remedy{Do: "correct the oracle's configuration"}, err)
		return
	}
	if _, isFile := e.Oracle.(*oracle.File); isFile && c.Labels.Duplicates > 0 {
		p.add("labels from a file have no duplicates",
			record.Do("ask for no duplicates: the file would be compared with itself", record.FieldLabels), nil)
	}
	p.judges, p.oracles, err = e.GraderModels(ctx)
	if err != nil {
		p.add(err.Error(), record.Remedy{Do: "correct the judge's or oracle's configuration"}, err)
	}
	p.models = slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.judges, p.oracles))))
	if c.BatchLabels != nil {
		_, labels := e.Oracle.(engine.BatchLabeler)
		single := func(model string) bool {
			_, ok := providers.Batches(c.Grader, model)
			return !ok
		}
		if !labels || slices.ContainsFunc(p.oracles, single) {
			p.add("the labels cannot be bought by batch", record.Do("take a service that has batches and a language model as "+
				"the oracle, or label by single calls", record.FieldGrader, record.FieldOracle), errors.ErrUnsupported)
		}
	}
	if len(p.models) > 0 && c.Grader == nil {
		p.add("judge or oracle ask "+strings.Join(p.models, ", ")+", and there is no service for it",
			record.Do("give the service of judge and oracle, or a judge and an oracle that ask no model", record.FieldGrader),
			nil)
	}
	if p.identity, err = c.identity(e.Judge.Identity()); err != nil {
		p.add(err.Error(), record.Remedy{Do: "give values that have a JSON form"}, err)
	}
}

// enough refuses a run that has too few labels for any estimate, if another command line
// would give it enough. If the input holds no more, or the caller has no command line, the
// run is theirs to make; a shard has a part of what the whole has.
func (p *preflight) enough() {
	c := &p.cfg
	if c.Waived[check.Calibration] != "" || !c.Shard.Whole() {
		return
	}
	labels := logged(p.work.Assigned())
	if labels >= offpolicy.MinLabels {
		return
	}
	if c.LabelsBudget > 0 && len(c.Prompts) >= offpolicy.MinLabels {
		p.add(fmt.Sprintf("a budget of %s: nothing is estimated from fewer than %d",
			record.Plural(c.LabelsBudget, "label", "labels"), offpolicy.MinLabels),
			record.Remedy{Do: fmt.Sprintf("give %d labels to each policy that is to be answered", offpolicy.MinLabels),
				Changes: []record.Change{{Field: record.FieldLabelsBudget, To: strconv.Itoa(record.LeastLabels(c.Arms))}}}, nil)
		return
	}
	what := fmt.Sprintf("%s give %s of %s: nothing is estimated from fewer than %d",
		record.Plural(len(c.Prompts), "prompt", "prompts"), record.Plural(labels, "label", "labels"),
		c.Arms.Logging().Policy.Name, offpolicy.MinLabels)
	enough := int(math.Ceil((offpolicy.MinLabels - 0.5) / c.Labels.Fraction)) // the share is rounded
	if held := c.Input.Held; c.Command == nil || held > 0 && held < enough {
		p.warn("%s; %d prompts would do", what, enough)
		return
	}
	p.add(what, record.Remedy{Do: fmt.Sprintf("take %d prompts or more; to run the pipeline alone, waive %s", enough,
		check.Calibration), Changes: []record.Change{{Field: record.FieldPrompts, To: strconv.Itoa(enough)},
		{Field: record.FieldWaived, To: check.Calibration + "=" + Reason}}}, nil)
}

// services asks after templates, prices and models.
func (p *preflight) services(ctx context.Context) {
	p.enough()
	c := &p.cfg
	models := c.Arms.Models()
	for _, a := range c.Arms {
		if teacherforce.Served(a.Policy.Template) {
			continue
		}
		if _, err := p.forcer.Render(a.Policy, dataset.Prompt{ID: "any", Text: "Hello."}); err != nil {
			p.add(err.Error(), record.Do("name the chat template of the model's own family, and a system prompt where it "+
				"takes one", record.FieldArms), err)
		}
	}
	for _, a := range c.Arms.Unsized() {
		p.warn("%s, or its weights are refused", a.WantsVocabulary())
	}
	if r, ok := c.Policies.(*providers.Router); ok {
		c.Prices = r.Prices(c.Prices, models...)
	}
	if r, ok := c.Grader.(*providers.Router); ok {
		c.Prices = r.Prices(c.Prices, p.models...)
	}
	p.work.Prices = c.Prices
	for _, m := range append(slices.Clone(models), p.models...) {
		if _, err := c.Prices.For(m); err != nil {
			p.add(fmt.Sprintf("model %s has no price", m),
				record.Do("give one; an unpriced model is refused, not free", record.FieldPrices), err)
		}
	}
	if graders := p.models; p.work.OneService {
		p.checkModels(ctx, c.Policies, slices.Compact(slices.Sorted(slices.Values(append(graders, models...)))))
	} else {
		p.checkModels(ctx, c.Policies, models)
		if len(graders) > 0 {
			p.checkModels(ctx, c.Grader, graders)
		}
	}
	for _, m := range models {
		if err := providers.ScoresPrompts(c.Policies, m); err != nil {
			if len(p.problems) == 0 {
				p.add(fmt.Sprintf("%s cannot be the model of a policy: %v", m, err),
					record.Do("take a server that scores given text for the policies; this one may judge and label",
						record.FieldPolicies), err)
			}
			continue
		}
		switch k, said := providers.ShownKind(c.Policies, m); {
		case k != "":
			p.warn("%s is on a server that shows itself to be of kind %s, and was not declared as such: its log-probs may be "+
				"of another text", m, k)
		case !said && c.Waived[check.Certified] == "":
			p.add(m+unknownKind, record.Remedy{
				Do: "declare the kind of the engine that answers, behind a gateway too; to go on without, waive " +
					check.Certified,
				Changes: []record.Change{{Field: record.FieldPolicies},
					{Field: record.FieldWaived, To: check.Certified + "=" + Reason}}}, nil)
		case !said:
			p.warn("%s%s", m, unknownKind)
		}
	}
	if slices.Contains(p.models, c.Arms.Logging().Policy.Model) {
		p.warn("judge or oracle is %s, the logging policy's own model: it may favour its own responses",
			c.Arms.Logging().Policy.Model)
	}
}

// unknownKind is what keeps a policy from a server of which nobody says what it is. Raw log-probs
// are the model's own whatever is drawn from, and so no value of such a server shows that it drew
// from something else: weights would be wrong without a sign.
const unknownKind = " is on a server whose kind was neither declared nor shown: what it samples from may be set " +
	"elsewhere, as top_k and penalties by the model's generation_config, and its log-probs need not show it"

// costs estimates the run and compares it with its budget.
func (p *preflight) costs(ctx context.Context) {
	c := &p.cfg
	if warning := priceAge(c.Prices.Date, time.Now()); c.Live && warning != "" {
		p.warn("%s", warning)
	}
	var err error
	if p.found.Cost, err = p.work.Cost(ctx); err != nil {
		p.add("the run cannot be estimated: "+err.Error(), record.Remedy{Do: "correct what it names"}, err)
		return
	}
	if err := p.divide(ctx); err != nil {
		p.add(err.Error(), record.Do("give folders of this run's other shards, or none", record.FieldLedgers), err)
		return
	}
	if c.Budget <= 0 {
		return
	}
	of := fmt.Sprintf("the budget of $%.4f", float64(c.whole))
	if !c.Shard.Whole() {
		of = fmt.Sprintf("$%.4f, this shard's part of %s", float64(c.Budget), of)
	}
	if e := p.found.Cost.ExpectedUSD; e > float64(c.Budget) {
		enough := fmt.Sprintf("%.2f", ceilCents(c.part.asks(e)))
		p.add(fmt.Sprintf("the run is expected to cost $%.4f, more than %s", e, of),
			record.Remedy{Do: fmt.Sprintf("set a budget of $%s or more, or take fewer prompts", enough),
				Changes: []record.Change{{Field: record.FieldBudget, To: enough}, {Field: record.FieldPrompts}}},
			providers.ErrBudget)
	} else if w := p.found.Cost.WorstUSD; w > float64(c.Budget) {
		p.warn("the worst case, $%.4f, would pass %s: the run would stop there, resumable", w, of)
	}
}

// pack has what the prompts say of themselves in less memory from here on. The prompts are copies
// of the caller's: one that lets go of its own, as by giving them to Run alone, has them once.
func (p *preflight) pack(context.Context) {
	p.metadata = engine.TakeMetadata(p.cfg.Prompts)
	for i := range p.cfg.plan {
		p.cfg.plan[i].Metadata = nil // a shard needs that of its own prompts
	}
}

// folder looks whether the folder can take the run.
func (p *preflight) folder(context.Context) {
	tokens := 0.0
	for _, s := range p.found.Cost.Stages {
		tokens += s.PromptTokens + s.CompletionTokens
	}
	j := p.job()
	var problem *record.Problem
	var err error
	if p.held, err = j.CheckFolder(p.work.Oracle, tokens); errors.As(err, &problem) {
		p.problems = append(p.problems, *problem)
	}
}

// job is what the engine has to do.
func (p *preflight) job() engine.Job {
	c := &p.cfg
	return engine.Job{
		Dir: c.Dir, Share: c.Share, Identity: p.identity, Prompts: c.Prompts, Metadata: p.metadata,
		Plan: c.plan, Shard: c.Shard,
		Shares: p.shares, Settings: p.kept, Arms: c.Arms, Templates: c.Templates,
		Seed:  c.Seed,
		Input: c.Input, Versions: c.Versions,
		Policies: c.Policies, Grader: c.Grader, GraderModels: p.models, Judge: c.Judge, Oracle: c.Oracle, Labels: c.Labels,
		Assigned:     p.work.Assigned(),
		LabelsBudget: c.LabelsBudget,
		BatchLabels:  c.BatchLabels,
		Prices:       c.Prices, Budget: c.Budget, Concurrency: c.Concurrency, Retry: c.Retry, Pause: c.Pause, Live: c.Live,
		Noise: c.Noise, Anytime: c.Anytime, Uncertified: c.Waived[check.Certified] != "",
		TransportMargin: c.Thresholds.TransportMargin, Free: p.free.Entries(), Found: p.held, Progress: c.Progress,
	}
}

// spelled are problems whose changes are in the program's own words.
func (c *Config) spelled(problems []record.Problem) []record.Problem {
	for i := range problems {
		problems[i].Remedy.Changes = c.spell(problems[i].Remedy.Changes)
	}
	return problems
}

// spell says changes in the program's own words.
func (c *Config) spell(changes []record.Change) []record.Change { return spell(c.Words, changes) }

func spell(words func(record.Change) string, changes []record.Change) []record.Change {
	if words == nil {
		return changes
	}
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].As = words(changes[i])
	}
	return changes
}

// refused makes a problem of the folder the error of a refused preflight.
func (c *Config) refused(err error) error {
	var problem *record.Problem
	if errors.As(err, &problem) {
		return &PreflightError{c.spelled([]record.Problem{*problem})}
	}
	return err
}

func ceilCents(usd float64) float64 { return float64(int(usd*100)+1) / 100 }
