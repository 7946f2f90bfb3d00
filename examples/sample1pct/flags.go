package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/oracle"
)

// options are the command line.
type options struct {
	out, input, policies, labels, prices string
	n, full, concurrency                 int
	anytime, looks, labelsBudget         int
	design                               oracle.Design
	seed                                 uint64
	live, preflight, json, batchLabels   bool
	quiet                                bool
	share                                bool
	fireworksURL, openaiURL              string
	insecureHTTP                         bool
	endpoints                            endpoints.List
	judgeModel, oracleModel              string
	judgeMaxTokens                       int
	budget, fullBudget, width            float64
	noise                                dataset.Float
	assurance                            float64
	stated                               *offpolicy.Planning // nil: none
	faults                               string
	waive                                waivers
	filters
	shard   pilot.Shard
	ledgers []string
	merge   *merging // nil: no merge
	args    []string // the flags as they were given
}

// merging collects -merge, which is a flag of its own and may hold folders too; the others
// are arguments.
type merging struct{ dirs []string }

func (m *merging) String() string   { return "" }
func (m *merging) IsBoolFlag() bool { return true }

func (m *merging) Set(s string) error {
	if s != "true" {
		m.add(s)
	}
	return nil
}

// add takes a folder, or several with commas between them.
func (m *merging) add(s string) {
	if _, err := os.Stat(s); err == nil {
		m.dirs = append(m.dirs, s)
		return
	}
	m.dirs = append(m.dirs, strings.Split(s, ",")...)
}

// setShard reads INDEX/OF.
func setShard(s *pilot.Shard, spec string) error {
	index, of, ok := strings.Cut(spec, "/")
	var err1, err2 error
	s.Index, err1 = strconv.Atoi(index)
	s.Of, err2 = strconv.Atoi(of)
	if !ok || err1 != nil || err2 != nil || s.Of < 1 {
		return errors.New("want INDEX/OF, as 0/4 for the first of four")
	}
	return s.Validate()
}

// waivers collects -waive id=reason.
type waivers map[string]string

func (w waivers) String() string { return "" }

func (w waivers) Set(s string) error {
	id, reason, ok := strings.Cut(s, "=")
	if !ok || id == "" || strings.TrimSpace(reason) == "" {
		return errors.New("want id=reason: a waiver states its reason")
	}
	if reason == pilot.Reason {
		return fmt.Errorf("put your reason in place of %s", reason)
	}
	w[id] = reason
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{waive: waivers{}, args: args, design: oracle.Design{Fraction: 1}}
	fs := flag.NewFlagSet("sample1pct", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.out, "out", "runs/sample1pct", "output `folder`; starting again in it resumes")
	fs.BoolVar(&o.share, "share", false, "let others read what is written, but for the journal")
	fs.StringVar(&o.input, "input", "", "Arena conversations or prompts, a `file`, or - for the standard input "+
		"(default: a bundled generator)")
	o.filters.register(fs)
	fs.IntVar(&o.n, "n", 100, "prompts to sample; a larger n extends a run")
	fs.IntVar(&o.full, "full", 10_000, "prompts of the run to project to, at least -n")
	fs.Float64Var(&o.fullBudget, "full-budget", 0,
		"what that run may cost, in `USD`: HOLD where it may cost more; 0 says nothing of it")
	fs.Float64Var(&o.width, "width", 0.02, "half-width of a 95% interval at which a policy's value counts as answered")
	fs.Float64Var(&o.assurance, "assurance", 0, "`share` of larger runs, in [0.5, 1), that are to be that narrow; "+
		"0 plans for the expected width, which about half of them exceed")
	fs.Func("stated", "run nothing: say which runs reach -width if labels and judge are as in `SPEC`, such as "+
		"sd=0.25,correlation=0.7", func(s string) error {
		o.stated = new(offpolicy.Planning)
		return setStated(o.stated, s)
	})
	fs.IntVar(&o.anytime, "anytime", 0, "`prompts` at which intervals that hold however often a growing run is looked "+
		"at are narrowest, such as those of the run you plan; 0 makes none")
	fs.IntVar(&o.looks, "looks", 1, "evaluate the run at so many sizes as it grows, and stop when every comparison is "+
		"decided or known to -width; needs -anytime")
	fs.Func("noise", "standard deviation of a token's log-prob from one scoring to the next, `nats`; 0 says that there "+
		"is none (default: as the clone shows it)", func(s string) error { return o.noise.UnmarshalJSON([]byte(s)) })
	fs.Uint64Var(&o.seed, "seed", 42, "seed of sampling and generation")
	fs.StringVar(&o.policies, "policies", "", "JSON `file` of policies (default: the plan's five)")
	fs.BoolVar(&o.live, "live", false, "use Fireworks and OpenAI, with keys from FIREWORKS_API_KEY and OPENAI_API_KEY")
	fs.StringVar(&o.fireworksURL, "fireworks-url", "", "with -live: Fireworks' base `URL`")
	fs.StringVar(&o.openaiURL, "openai-url", "", "with -live: OpenAI's base `URL`")
	fs.BoolVar(&o.insecureHTTP, "insecure-http", false,
		"allow plain HTTP to another machine, which sends keys and prompts in clear")
	fs.Func("endpoint", "a server by name, `"+endpoints.Form+"` (repeatable); policies name it as endpoint, judge and "+
		"oracle as NAME/MODEL, and what names none is of the first", o.endpoints.Add)
	fs.StringVar(&o.judgeModel, "judge-model", "gpt-4o-mini", "the judge's model")
	fs.IntVar(&o.judgeMaxTokens, "judge-max-tokens", 0,
		"`tokens` that judge and oracle may generate for a reply, thoughts included (default 200)")
	fs.StringVar(&o.oracleModel, "oracle-model", "gpt-4o", "the oracle's model")
	fs.StringVar(&o.labels, "labels", "", "oracle labels from people, a `file` of prompt_id, policy, draw_idx, "+
		"label; id and label are enough for responses of one policy")
	fs.IntVar(&o.design.Probes, "probes", 0, "oracle labels per target policy; more extend a run")
	fs.Func("label-design", "which logged responses get a label: `SPEC` such as fraction=0.25,strata=5,duplicates=10 "+
		"(default: all, once)", func(s string) error {
		return setDesign(&o.design, s)
	})
	fs.IntVar(&o.labelsBudget, "labels-budget", 0, "oracle `labels` of all policies together, in place of -probes and "+
		"of one for each logged response: at least 25 of each as far as they go, the rest where intervals are widest")
	fs.BoolVar(&o.batchLabels, "batch-labels", false, "have the oracle label by batch: within a day, at the batch price")
	fs.StringVar(&o.prices, "prices", "", "JSON `file` of prices that override the table")
	fs.Float64Var(&o.budget, "budget", 0, "hard limit in `USD`; 0 sets none")
	fs.Func("shard", "`INDEX/OF`: make this part of the run alone, from 0/OF, in a folder and perhaps on a machine of "+
		"its own; all else is given as for the whole run", func(s string) error { return setShard(&o.shard, s) })
	fs.Func("ledger", "with -shard: `folder` of another shard that has ended (repeatable); what it left of its part of "+
		"-budget is divided among the others", func(s string) error {
		o.ledgers = append(o.ledgers, s)
		return nil
	})
	m := &merging{}
	fs.Var(m, "merge", "put the folders of all shards, the arguments, together in -out, and report on the whole")
	fs.IntVar(&o.concurrency, "concurrency", 16, "calls in flight per provider")
	fs.BoolVar(&o.preflight, "preflight", false, "check and estimate only; spend nothing")
	fs.Var(o.waive, "waive", "`id=reason`: do not count this check (repeatable)")
	fs.StringVar(&o.faults, "faults", "", "offline drills, `name=rate[:arg]` separated by commas")
	fs.BoolVar(&o.json, "json", false, "write report.json to stdout, and nothing else there")
	fs.BoolVar(&o.quiet, "quiet", false, "no progress: only the report, errors, and alerts about money and services")
	err := fs.Parse(args)
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for err == nil && given["merge"] && fs.NArg() > 0 { // flags may follow folders
		m.add(fs.Arg(0))
		err = fs.Parse(fs.Args()[1:])
	}
	if err != nil {
		return o, err
	}
	if given["merge"] {
		o.merge = m
	}
	fail := func(format string, a ...any) (options, error) {
		err := fmt.Errorf(format, a...)
		fmt.Fprintf(stderr, "sample1pct: %v\nRun with -h for the flags.\n", err)
		return o, err
	}
	if !given["full"] {
		o.full = max(o.full, o.n)
	}
	if err := o.filters.check(); err != nil {
		return fail("%v", err)
	}
	switch {
	case fs.NArg() > 0:
		return fail("unexpected argument %q", fs.Arg(0))
	case o.n < 1:
		return fail("-n %d: want at least 1", o.n)
	case o.full < o.n:
		return fail("-full %d is less than -n %d", o.full, o.n)
	case o.concurrency < 1:
		return fail("-concurrency %d: want at least 1", o.concurrency)
	case !(o.budget >= 0), !(o.fullBudget >= 0):
		return fail("-budget %v, -full-budget %v: want positive amounts, or 0 for none", o.budget, o.fullBudget)
	case len(o.ledgers) > 0 && o.shard.Whole():
		return fail("-ledger names other shards: it needs -shard")
	case o.merge != nil && (len(o.merge.dirs) == 0 || !o.shard.Whole()):
		return fail("-merge wants the folders of all shards, and no -shard")
	case !(o.width > 0 && o.width < 1):
		return fail("-width %v: want a half-width in (0, 1)", o.width)
	case o.assurance != 0 && !(o.assurance >= .5 && o.assurance < 1):
		return fail("-assurance %v: want a share of runs in [0.5, 1), or 0 for the expected width", o.assurance)
	case o.anytime < 0:
		return fail("-anytime %d: want a number of prompts, or 0", o.anytime)
	case o.looks < 1 || o.looks > 1 && o.anytime == 0:
		return fail("-looks %d needs -anytime N: intervals for one look would miss too often at many", o.looks)
	case o.labelsBudget < 0:
		return fail("-labels-budget %d: want 0 or more", o.labelsBudget)
	case o.labelsBudget > 0 && (o.design.Probes > 0 || o.design.Fraction != 1 || o.design.Strata > 1):
		return fail("-labels-budget divides the labels among the policies: it cannot be used with -probes, or " +
			"fraction or strata of -label-design")
	case o.design.Probes < 0:
		return fail("-probes %d: want 0 or more", o.design.Probes)
	case o.live && o.faults != "":
		return fail("-faults drills the simulator: it cannot be used with -live")
	case len(o.endpoints) > 0 && (o.live || o.faults != ""):
		return fail("-endpoint declares the servers: it cannot be used with -live or -faults")
	case !o.live && (o.fireworksURL != "" || o.openaiURL != ""):
		return fail("-fireworks-url and -openai-url need -live")
	}
	return o, nil
}
