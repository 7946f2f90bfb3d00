package pilot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

// Preflight is what was found before anything was spent.
type Preflight struct {
	Estimate Estimate
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
		return fmt.Sprintf("the price table is of %s, %d days old: compare it with the provider's, and give newer prices with -prices", date, int(now.Sub(d).Hours()/24))
	}
	return ""
}

// An announced shutdown within endingNow may come while the pilot runs, and one
// within endingSoon before the full run has ended.
const (
	endingNow  = 24 * time.Hour
	endingSoon = 60 * 24 * time.Hour
)

// preflight makes free calls only. It collects every problem that it can see,
// so that a person mends them in one go.
func (r *run) preflight(ctx context.Context) (Preflight, error) {
	var pf Preflight
	var problems []Problem
	add := func(what, remedy string, err error) { problems = append(problems, Problem{what, remedy, err}) }

	c := &r.cfg
	if err := validateArms(c.Arms); err != nil {
		add("the policies do not fit together: "+err.Error(), "correct the policies file", err)
		return pf, &PreflightError{problems}
	}
	if len(c.Prompts) == 0 {
		add("the input holds no prompts", "give an -input with prompts", nil)
	}
	if c.Oracle == nil || c.Judge == nil || c.Policies == nil || c.Grader == nil {
		panic("pilot: Config lacks a provider, Judge or Oracle")
	}
	if err := c.Labels.Validate(); err != nil {
		add(err.Error(), "correct the labelling design", err)
	}
	if !(c.Resolution > 0 && c.Resolution < 1) {
		add(fmt.Sprintf("Resolution is %v: a half-width of a value in [0, 1]", c.Resolution), "give one in (0, 1), or 0 for the default", nil)
	}
	var ids []string
	for _, q := range questionsFor(&Records{Arms: c.Arms}) {
		ids = append(ids, q.id)
	}
	for id := range c.Waived {
		if !slices.Contains(ids, id) {
			add(fmt.Sprintf("-waive names a check that does not exist: %q", id), "the ids are: "+strings.Join(ids, ", "), nil)
		}
	}
	if len(problems) > 0 {
		return pf, &PreflightError{problems}
	}

	// What the graders would send names their models.
	est := estimator{cfg: c, forcer: r.forcer, dry: &dryRun{}}
	var err error
	if est.judge, err = c.Judge(est.dry); err != nil {
		add(err.Error(), "correct the judge's configuration", err)
		return pf, &PreflightError{problems}
	}
	if est.oracle, err = c.Oracle(est.dry); err != nil {
		add(err.Error(), "correct the oracle's configuration", err)
		return pf, &PreflightError{problems}
	}
	_, isFile := est.oracle.(*oracle.File)
	if isFile && c.Labels.Duplicates > 0 {
		add("labels from a file have no duplicates", "leave Duplicates at 0: the file would be compared with itself", nil)
	}
	if c.BatchLabels != nil {
		_, batches := c.Grader.(providers.Batcher)
		if _, ok := est.oracle.(batchLabeler); !ok || !batches {
			add("the labels cannot be bought by batch", "take a service that has batches and a language model as the oracle, or label by single calls", errors.ErrUnsupported)
		}
	}
	graders, err := graderModels(ctx, est)
	r.graderModels = graders
	if err != nil {
		add(err.Error(), "correct the judge's or oracle's configuration", err)
	}
	models := armModels(c.Arms)
	for _, a := range c.Arms {
		if _, err := r.forcer.Render(a.Policy, dataset.Prompt{ID: "any", Text: "Hello."}); err != nil {
			add(err.Error(), "name the chat template of the model's own family, and a system prompt where it takes one", err)
		}
	}
	for _, m := range append(slices.Clone(models), graders...) {
		if _, err := c.Prices.For(m); err != nil {
			add(fmt.Sprintf("model %s has no price", m), "give one with -prices; an unpriced model is refused, not free", err)
		}
	}
	pf.Warnings = append(pf.Warnings, r.checkModels(ctx, c.Policies, models, add)...)
	if len(graders) > 0 {
		pf.Warnings = append(pf.Warnings, r.checkModels(ctx, c.Grader, graders, add)...)
	}
	if len(problems) > 0 {
		return pf, &PreflightError{problems}
	}

	if warning := priceAge(c.Prices.Date, time.Now()); c.Live && warning != "" {
		pf.Warnings = append(pf.Warnings, warning)
	}
	if pf.Estimate, err = est.estimate(ctx); err != nil {
		add("the run cannot be estimated: "+err.Error(), "correct what it names", err)
		return pf, &PreflightError{problems}
	}
	if c.Budget > 0 {
		if e := pf.Estimate.ExpectedUSD; e > float64(c.Budget) {
			add(fmt.Sprintf("the run is expected to cost $%.4f, more than the budget of $%.4f", e, float64(c.Budget)),
				fmt.Sprintf("set -budget %.2f or more, or a smaller -n", ceilCents(e)), providers.ErrBudget)
		} else if w := pf.Estimate.WorstUSD; w > float64(c.Budget) {
			pf.Warnings = append(pf.Warnings, fmt.Sprintf("the worst case, $%.4f, would pass the budget of $%.4f: the run would stop there, resumable", w, float64(c.Budget)))
		}
	}
	if len(problems) > 0 {
		return pf, &PreflightError{problems}
	}
	return pf, nil
}

// armModels are the models that the policies name, each once.
func armModels(arms []Arm) []string {
	var models []string
	for _, a := range arms {
		models = append(models, a.Policy.Model)
	}
	slices.Sort(models)
	return slices.Compact(models)
}

func ceilCents(usd float64) float64 { return float64(int(usd*100)+1) / 100 }

// graderModels asks judge and oracle for one request each.
func graderModels(ctx context.Context, e estimator) ([]string, error) {
	p := e.cfg.Prompts[0]
	key := dataset.Key{PromptID: p.ID, Policy: loggingArm(e.cfg.Arms).Policy.Name}
	tag := providers.Tag{Stage: stagePreflight, Key: key}
	if _, err := e.judge.Score(ctx, tag, p, "x"); err != nil {
		return nil, err
	}
	_, _ = e.oracle.Label(ctx, tag, key, p, "x")
	var models []string
	for _, req := range e.dry.take() {
		models = append(models, req.Model)
	}
	slices.Sort(models)
	return slices.Compact(models), nil
}

// checkModels compares what is asked for with what the provider lists.
func (r *run) checkModels(ctx context.Context, p providers.Provider, want []string, add func(what, remedy string, err error)) (warnings []string) {
	var listed []providers.Model
	client, err := providers.NewClient(p, providers.ClientConfig{Prices: r.cfg.Prices, Ledger: &r.free, Retry: r.cfg.Retry})
	if err == nil {
		listed, err = client.Models(ctx)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return []string{p.Name() + " lists no models: whether it serves " + strings.Join(want, ", ") + " shows at the first call"}
	}
	var e *providers.Error
	if err != nil {
		remedy := "check the address and that the service is up"
		if errors.As(err, &e) && e.Hint != "" {
			remedy = e.Hint
		}
		add(fmt.Sprintf("%s does not list its models: %v", p.Name(), err), remedy, err)
		return nil
	}
	byID := map[string]providers.Model{}
	for _, m := range listed {
		byID[m.ID] = m
	}
	now := time.Now()
	for _, id := range want {
		m, ok := byID[id]
		if d, err := client.Describe(ctx, id); err == nil {
			// A listing has been seen to name models that are not served, and
			// it lacks the deployments of one's own.
			m.Serverless, ok = d.Serverless, true
			if !d.Shutdown.IsZero() {
				m.Shutdown = d.Shutdown
			}
		} else if errors.As(err, &e) && e.Class == providers.ClassModelNotFound {
			ok = false
		} else if !errors.Is(err, errors.ErrUnsupported) {
			warnings = append(warnings, fmt.Sprintf("%s lists %s, but does not say whether it can be called without a deployment: %v", p.Name(), id, err))
		}
		switch {
		case !ok:
			add(fmt.Sprintf("%s does not serve %s", p.Name(), id), "set another model; listed are: "+nearest(listed, id), nil)
		case !m.Serverless:
			add(fmt.Sprintf("%s serves %s only on a deployment of one's own", p.Name(), id), "deploy it and name the deployment, or set another model: "+nearest(listed, id), nil)
		case !m.Shutdown.IsZero() && m.Shutdown.Before(now.Add(endingNow)):
			add(fmt.Sprintf("%s shuts %s down on %s", p.Name(), id, m.Shutdown.Format(time.DateOnly)), "set another model: "+nearest(listed, id), nil)
		case !m.Shutdown.IsZero() && m.Shutdown.Before(now.Add(endingSoon)):
			warnings = append(warnings, fmt.Sprintf("%s will shut %s down on %s: end the full run before that, or set another model now: %s",
				p.Name(), id, m.Shutdown.Format(time.DateOnly), nearest(listed, id)))
		}
	}
	return warnings
}

// nearest names a few listed models, those that share most of their name with
// id first.
func nearest(listed []providers.Model, id string) string {
	ids := make([]string, 0, len(listed))
	for _, m := range listed {
		if m.Serverless && m.ID != id {
			ids = append(ids, m.ID)
		}
	}
	common := func(s string) int {
		n := 0
		for n < len(s) && n < len(id) && s[n] == id[n] {
			n++
		}
		return n
	}
	slices.SortStableFunc(ids, func(a, b string) int { return common(b) - common(a) })
	if len(ids) == 0 {
		return "none"
	}
	if len(ids) > 5 {
		ids = ids[:5]
	}
	return strings.Join(ids, ", ")
}

// folderProblem says why a folder cannot take the run, if it cannot.
func folderProblem(dir string, err error) Problem {
	var other *journal.ConfigError
	var damaged *journal.CorruptError
	switch {
	case errors.As(err, &damaged):
		return Problem{fmt.Sprintf("%s holds a run whose journal is damaged: %v", dir, err), "do as it says, or give another -out; a record that is given up is made, and paid for, again", err}
	case errors.As(err, &other):
		return Problem{fmt.Sprintf("%s holds a run of another configuration: %v", dir, err), "give another -out, or the settings that the run was begun with", err}
	case errors.Is(err, journal.ErrLocked):
		return Problem{fmt.Sprintf("%s is in use by another process", dir), "wait for it to end, or give another -out", err}
	default:
		return Problem{fmt.Sprintf("%s cannot be used: %v", dir, err), "give an -out that can be written", err}
	}
}

// checkLabels compares the oracle with the labels that the folder has.
func (r *run) checkLabels() (*Problem, error) {
	drawn, oracles := false, map[string]bool{}
	err := journal.Scan(r.journalPath(), func(rec journal.Record) error {
		var row dataset.OracleLabel
		switch rec.Kind {
		case kindDesign: // of other numbers of labels, perhaps: they were drawn from the same scores
			drawn = true
		case kindLabel:
			if err := json.Unmarshal(rec.Payload, &row); err != nil {
				return err
			}
			oracles[row.Oracle] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	_, people := r.oracle.(*oracle.File)
	switch id := r.oracle.Identity(); {
	case people && r.cfg.stratified() && !drawn:
		return &Problem{
			What:   "which responses are to be labelled follows from judge scores that are not there yet: people cannot have labelled them",
			Remedy: "leave strata out, so that every label of the file is used; or have the responses drawn by a start with a model as the oracle, and give the file when people have labelled those of oracle.jsonl",
		}, nil
	case !people && len(oracles) > 0 && !oracles[id]:
		return &Problem{
			What:   fmt.Sprintf("%s holds labels of %s, and %s would be paid to give them all again", r.cfg.Dir, some(slices.Sorted(maps.Keys(oracles))), id),
			Remedy: "give another -out, or the oracle that the run was begun with",
		}, nil
	}
	return nil, nil
}

// foreignFolder refuses a folder that holds other people's files.
func foreignFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, journalDir)); err != nil {
		return errors.New("it is not empty and holds no run of this program: nothing was overwritten")
	}
	return nil
}
