package pilot

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/check"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Config is one pilot. Fields marked (identity) change what is answered or
// scored: a folder that was begun under other values is refused. The rest,
// budget, prices and concurrency among them, may change between starts.
type Config struct {
	Dir     string           // output folder; what is written can be read by its owner only
	Share   bool             // others may read it as well, but for the journal
	Prompts []dataset.Prompt // already sampled; more of the same sample extend a run
	Input   record.Input     // SHA256 is (identity)
	Arms    record.Arms      // (identity), but for their expectations
	// Templates are chat templates of the caller's own, which the arms name as
	// they name those of chat.Names; a model without one is refused. They are
	// (identity) as far as an arm names them: a policy's hash covers the name of
	// its template, and this what stands behind the name.
	Templates []chat.Template
	Seed      uint64 // (identity)
	// Origin says in words what stands behind the providers: "live", or the
	// simulator and its faults. (identity)
	Origin string
	Live   bool

	// Policies serves the models of the arms, and Grader those of judge and oracle; it
	// may be nil if neither asks a model.
	Policies, Grader providers.Provider
	// Judge and Oracle are built around the client that the run gives them.
	// The judge is (identity), by its own. Labels are of one oracle; where people
	// labeled the responses of an earlier start, an oracle.File takes the place
	// of the model that labeled them then.
	Judge  func(judge.Generator) (judge.Scorer, error)
	Oracle func(judge.Generator) (oracle.Oracle, error)
	// Labels says which responses the oracle labels. Its seed is the run's. Where
	// it has strata the labels wait for the scores, and what was drawn is kept:
	// see the package comment. Its Strata are (identity); more labels than an
	// earlier start had top that one's up.
	Labels oracle.Design
	// LabelsBudget, if not 0, is a number of labels for all policies together, in place of
	// Labels' Fraction and Probes: see the package comment.
	LabelsBudget int
	// BatchLabels, where not nil, has the oracle's labels bought through the
	// service's batches, once all responses are there: within a day, and at the
	// batch price. Its Store and Run are the pilot's. The Grader must take batches
	// for the oracle's model (providers.Batches), and the Oracle be an
	// oracle.Labeler. A reply that holds no label is not asked for again by a
	// later start.
	BatchLabels *batch.Config

	// Shard makes one of several parts of the run, each in a folder of its own and on any
	// machine; the zero value makes all of it. Every shard is given all prompts and the
	// same configuration: see the package comment. (identity)
	Shard Shard
	// Ledgers are folders of other shards of the run, or copies of their manifest.json. What
	// those that have ended left of their part of Budget is divided among the others.
	Ledgers []string

	Prices      providers.Prices
	Budget      providers.USD // of all shards together; 0 sets no budget
	Concurrency int           // attempts in flight per provider; 0 means 16
	Retry       providers.Retry
	// Pause is how long a service gets to recover when twenty calls in a row
	// failed. Each further pause is twice as long; after the fifth the run stops,
	// and can be resumed. 0 means 30 s.
	Pause time.Duration
	// Stop, once closed, ends the run gently: nothing more is sent, calls in
	// flight end and are kept. The end of Run's context breaks them off.
	Stop <-chan struct{}

	Full       int           // prompts of the run to project to; 0 means 10,000
	FullBudget providers.USD // what that run may cost; 0 says nothing of it
	// Resolution is the half-width of a 95% interval at which a policy's value
	// counts as answered; 0 means 0.02, which tells two policies apart that
	// differ by 0.04.
	Resolution float64
	// Assurance is the share of larger runs, in [.5, 1), that are to reach what is planned
	// for them; 0 plans for the expected width, which about half of the runs exceed. See
	// offpolicy.Pilot.
	Assurance float64
	// Anytime is how many prompts the intervals that may be looked at at any time are
	// narrowest at; 0 makes none of them. See offpolicy.Sequence. (identity)
	Anytime int
	// Looks, above 1, has the run grow in as many equal steps, and evaluated after each: it
	// stops buying at the first at which every comparison is decided or known to within
	// Resolution (offpolicy.Result.Decided). It needs Anytime. Probes grow in
	// proportion. A look takes an evaluation, and steps with too few labels for one are left
	// out.
	Looks int
	// Noise is the standard deviation of a token's log-prob from one scoring of a text
	// to the next, nats: 0 says that there is none, and missing that the clones show it. See
	// offpolicy.Noise.
	Noise dataset.Float
	// Reference is what somebody else expected of this run, shown beside its own
	// estimate; nil shows none.
	Reference *record.Reference
	// Truth is what the policies are known to score, for a report to show beside the
	// estimates: a simulator knows it. nil if nobody does.
	Truth      *record.Truth
	Thresholds *check.Thresholds // nil means DefaultThresholds
	Waived     map[string]string // check id -> reason
	Versions   map[string]string // for the manifest
	// Command, if not nil, is the command line that starts this run again with some
	// settings changed, in a new folder if fresh; for the report's next step, which names
	// none without it. A change without a value is the reader's to make. With it, a run that
	// has too few labels for any estimate is refused: another command line gives it enough.
	Command func(fresh bool, changes ...record.Change) string
	// Drill says that faults were planted on purpose. The next step is then a fresh run,
	// and Command leaves the faults out of that.
	Drill bool
	// Words, if not nil, says a change of a setting as the program that was started
	// has it, such as a flag and its value: remedies then name that. Without it they name
	// the field.
	Words func(record.Change) string
	// Announce, where not nil, is told what the run is expected to take, before
	// anything is spent.
	Announce func(Preflight)
	// Render writes the verdict into the folder; it is called as the run goes
	// and once at the end. The report package's WriteFiles is meant for it.
	Render func(dir string, v *Verdict) error
	// Progress, where not nil, is told of every item. It is called from many
	// goroutines at once.
	Progress func(record.Event)

	plan    []dataset.Prompt // those of all shards
	whole   providers.USD    // the budget of all shards
	part    part             // of it, that Budget is
	batches bool             // the grader has them
}

// Shard is one of several parts of a run; its zero value is all of it.
type Shard = record.Shard

func (c *Config) withDefaults() Config {
	d := *c
	if d.Concurrency == 0 {
		d.Concurrency = 16
	}
	if d.Full == 0 {
		d.Full = 10_000
	}
	if d.Resolution == 0 {
		d.Resolution = defaultResolution
	}
	if d.Thresholds == nil {
		t := check.DefaultThresholds()
		d.Thresholds = &t
	}
	d.plan = engine.SortPrompts(d.Prompts)
	d.Prompts, d.whole = d.Shard.Own(d.plan), d.Budget
	d.part = part{of: 1}
	_, d.batches = providers.Batches(d.Grader, "")
	d.Labels.Seed = d.Seed
	if d.Labels.Fraction == 0 {
		d.Labels.Fraction = 1
	}
	logs := func(a record.Arm) bool { return a.Role == record.Logging }
	if d.LabelsBudget > 0 && len(d.plan) > 0 && slices.ContainsFunc(d.Arms, logs) {
		d.Labels.Shares = oracle.Share(d.LabelsBudget, d.Arms.Logging().Policy.Name, record.LabelPools(d.plan, d.Arms), nil)
	}
	return d
}

// stratified reports whether what is labeled follows from scores.
func (c Config) stratified() bool { return c.Labels.Strata > 1 }

// LabelKeys are the responses that Labels has the oracle label. Where they follow
// from scores, which nobody has yet, or from labels, they are all that it draws from.
func (c Config) LabelKeys() []dataset.Key {
	var keys []dataset.Key
	if c.LabelsBudget > 0 {
		c = c.withDefaults()
	}
	if c.stratified() || c.LabelsBudget > 0 {
		for _, k := range record.ResponseKeys(c.Prompts, c.Arms) {
			if c.Labels.Probes > 0 || c.Labels.Shares[k.Policy] > 0 || k.Policy == c.Arms.Logging().Policy.Name {
				keys = append(keys, k)
			}
		}
		return keys
	}
	for _, as := range c.assignments() {
		if as.Role != oracle.RoleDuplicate {
			keys = append(keys, as.Key)
		}
	}
	return keys
}

// assignments are what Labels draws without strata: of a design with strata, as
// many others.
func (c Config) assignments() []oracle.Assignment {
	c.Labels.Seed = c.Seed
	return Shard{}.Assigned(c.Labels, c.Prompts, c.Arms)
}

// logged counts the logging policy's responses that are labeled.
func logged(assigned []oracle.Assignment) (n int) {
	for _, as := range assigned {
		if as.Role == oracle.RoleCalibration {
			n++
		}
	}
	return n
}

// identity is the canonical JSON of everything that changes answers. The
// journal compares it key by key.
func (c *Config) identity(judgeID string) ([]byte, error) {
	type arm struct {
		Name       string      `json:"name"`
		Role       record.Role `json:"role"`
		PolicyHash string      `json:"policy_hash"`
		Model      string      `json:"model"`
	}
	arms := make([]arm, len(c.Arms))
	for i, a := range c.Arms {
		arms[i] = arm{a.Policy.Name, a.Role, a.Policy.Hash(), a.Policy.Model}
	}
	id := map[string]any{
		"schema_version": record.SchemaVersion,
		"origin":         c.Origin,
		"input_sha256":   c.Input.SHA256,
		"seed":           c.Seed,
		"policies":       arms,
		"judge":          judgeID,
		"labels":         map[string]any{"strata": max(c.Labels.Strata, 1)},
	}
	if c.Anytime > 0 {
		id["anytime"] = c.Anytime
	}
	if !c.Shard.Whole() {
		id["shard"] = c.Shard
	}
	own := map[string]string{}
	for _, t := range c.Templates {
		for _, a := range c.Arms {
			if a.Policy.Template == t.Name() {
				own[t.Name()] = t.Hash()
			}
		}
	}
	if len(own) > 0 {
		id["templates"] = own
	}
	return json.Marshal(id)
}

// defaultResolution is the half-width at which a policy's value counts as
// answered where a run does not say.
const defaultResolution = 0.02
