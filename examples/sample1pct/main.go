// Sample1pct runs the validation pilot: 100 prompts, five policies, and a
// verdict on whether the full run may start. Without -live it needs no key: an
// in-process server over a known language model stands in for the providers.
//
//	go run ./examples/sample1pct
//
// The oracle labels every response of the logging policy, and -probes N of each
// target's. On larger runs -label-design says which instead: fraction=0.25 labels
// a quarter of the logged responses, strata=5 spreads the labels over five ranges
// of the judge's scores, which then come first, and duplicates=10 has ten
// responses labelled twice, which measures the oracle's own noise. Every label
// keeps its probability of having been chosen. Starting again with more of any of
// them but strata tops a run up.
//
// People can label only responses that exist: start once with a model as the
// oracle, have people label the responses that oracle.jsonl names, and start again
// in the same folder with -labels FILE, whose labels take the model's place.
//
// Exit codes: 0 GO, 1 the run could not report, 2 usage, 3 NO-GO, 4 HOLD,
// 5 preflight refused, 130 interrupted and resumable.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
)

const (
	exitGO          = 0
	exitNoReport    = 1
	exitUsage       = 2
	exitNoGo        = 3
	exitHold        = 4
	exitPreflight   = 5
	exitInterrupted = 130
)

// options are the command line.
type options struct {
	out, input, policies, labels, prices string
	n, full, concurrency                 int
	design                               oracle.Design
	seed                                 uint64
	live, preflight, json, batchLabels   bool
	fireworksURL, openaiURL              string
	judgeModel, oracleModel              string
	budget, fullBudget, width            float64
	faults                               string
	waive                                waivers
	args                                 []string // the flags as they were given
}

// waivers collects -waive id=reason.
type waivers map[string]string

func (w waivers) String() string { return "" }

func (w waivers) Set(s string) error {
	id, reason, ok := strings.Cut(s, "=")
	if !ok || id == "" || strings.TrimSpace(reason) == "" {
		return errors.New("want id=reason: a waiver states its reason")
	}
	w[id] = reason
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{waive: waivers{}, args: args, design: oracle.Design{Fraction: 1}}
	fs := flag.NewFlagSet("sample1pct", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.out, "out", "runs/sample1pct", "output `folder`; starting again in it resumes")
	fs.StringVar(&o.input, "input", "", "Arena conversations or prompts, a `file` (default: a bundled generator)")
	fs.IntVar(&o.n, "n", 100, "prompts to sample; a larger n extends a run")
	fs.IntVar(&o.full, "full", 10_000, "prompts of the run to project to")
	fs.Float64Var(&o.fullBudget, "full-budget", 0, "what that run may cost, in `USD`: HOLD where it may cost more; 0 says nothing of it")
	fs.Float64Var(&o.width, "width", 0.02, "half-width of a 95% interval at which a policy's value counts as answered")
	fs.Uint64Var(&o.seed, "seed", 42, "seed of sampling and generation")
	fs.StringVar(&o.policies, "policies", "", "JSON `file` of policies (default: the plan's five)")
	fs.BoolVar(&o.live, "live", false, "use Fireworks and OpenAI, with keys from FIREWORKS_API_KEY and OPENAI_API_KEY")
	fs.StringVar(&o.fireworksURL, "fireworks-url", "", "with -live: Fireworks' base `URL`")
	fs.StringVar(&o.openaiURL, "openai-url", "", "with -live: OpenAI's base `URL`")
	fs.StringVar(&o.judgeModel, "judge-model", "gpt-4o-mini", "the judge's model")
	fs.StringVar(&o.oracleModel, "oracle-model", "gpt-4o", "the oracle's model")
	fs.StringVar(&o.labels, "labels", "", "oracle labels from people, a `file` of prompt_id, policy, draw_idx, label")
	fs.IntVar(&o.design.Probes, "probes", 0, "oracle labels per target policy; more extend a run")
	fs.Func("label-design", "which logged responses get a label: `SPEC` such as fraction=0.25,strata=5,duplicates=10 (default: all, once)", func(s string) error {
		return setDesign(&o.design, s)
	})
	fs.BoolVar(&o.batchLabels, "batch-labels", false, "have the oracle label by batch: within a day, at the batch price")
	fs.StringVar(&o.prices, "prices", "", "JSON `file` of prices that override the table")
	fs.Float64Var(&o.budget, "budget", 0, "hard limit in `USD`; 0 sets none")
	fs.IntVar(&o.concurrency, "concurrency", 16, "calls in flight per provider")
	fs.BoolVar(&o.preflight, "preflight", false, "check and estimate only; spend nothing")
	fs.Var(o.waive, "waive", "`id=reason`: do not count this check (repeatable)")
	fs.StringVar(&o.faults, "faults", "", "offline drills, `name=rate[:arg]` separated by commas")
	fs.BoolVar(&o.json, "json", false, "write report.json to stdout, and nothing else there")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	fail := func(format string, a ...any) (options, error) {
		err := fmt.Errorf(format, a...)
		fmt.Fprintf(stderr, "sample1pct: %v\nRun with -h for the flags.\n", err)
		return o, err
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
	case !(o.width > 0 && o.width < 1):
		return fail("-width %v: want a half-width in (0, 1)", o.width)
	case o.design.Probes < 0:
		return fail("-probes %d: want 0 or more", o.design.Probes)
	case o.live && o.faults != "":
		return fail("-faults drills the simulator: it cannot be used with -live")
	case !o.live && (o.fireworksURL != "" || o.openaiURL != ""):
		return fail("-fireworks-url and -openai-url need -live")
	}
	return o, nil
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitGO
	}
	if err != nil {
		return exitUsage
	}
	display := newDisplay(stderr)
	ctx, gently, release := signals(display.print)
	defer release()

	cfg, closeAll, err := configure(o, stderr)
	if err != nil {
		complain(stderr, fmt.Errorf("sample1pct: preflight refused: %w", err))
		return exitPreflight
	}
	defer closeAll()
	cfg.Progress = display.event
	cfg.Render = report.WriteFiles
	cfg.Stop = gently

	cfg.Announce = func(pf pilot.Preflight) { printPreflight(stderr, cfg, pf) }
	if o.preflight {
		pf, err := pilot.RunPreflight(ctx, cfg)
		if err != nil {
			return refused(err, stderr)
		}
		printPreflight(stderr, cfg, pf)
		fmt.Fprintln(stderr, "preflight passed; nothing was spent")
		return exitGO
	}
	v, err := pilot.Run(ctx, cfg)
	display.close()
	if v == nil {
		return refused(err, stderr)
	}
	if o.json {
		if err := report.JSON(stdout, v); err != nil {
			fmt.Fprintln(stderr, "sample1pct:", err)
			return exitNoReport
		}
	} else if err := report.Text(stdout, v, 100); err != nil {
		fmt.Fprintln(stderr, "sample1pct:", err)
		return exitNoReport
	}
	fmt.Fprintf(stderr, "\nThe report is %s/report.html\n", o.out)
	if err != nil {
		complain(stderr, err)
		return exitInterrupted
	}
	switch v.Decision {
	case pilot.GO:
		return exitGO
	case pilot.HOLD:
		return exitHold
	default:
		return exitNoGo
	}
}

// signals turns the first interrupt into a gentle stop, which lets the calls in
// flight end and keeps them, and the second into the end of ctx.
func signals(say func(string)) (ctx context.Context, gently <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	stop := make(chan struct{})
	go func() {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
		say("stopping: calls in flight are awaited and kept; interrupt again to stop now")
		close(stop)
		select {
		case <-c:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, stop, func() { signal.Stop(c); cancel() }
}

// refused maps an error without a verdict to an exit code.
func refused(err error, stderr io.Writer) int {
	complain(stderr, err)
	var pf *pilot.PreflightError
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &pf):
		return exitPreflight
	default:
		return exitNoReport
	}
}

// configure turns the command line into a pilot. Its errors are things that
// the command line can mend.
func configure(o options, stderr io.Writer) (cfg pilot.Config, closeAll func(), err error) {
	cfg = pilot.Config{
		Dir: o.out, Seed: o.seed, Full: o.full, FullBudget: providers.USD(o.fullBudget), Concurrency: o.concurrency, Live: o.live,
		Budget: providers.USD(o.budget), Waived: o.waive,
		Labels:   o.design,
		Versions: versions(), Resolution: o.width, Command: commandLine(o.args), Afresh: commandLine(replaced(o.args, map[string]string{"out": unused(o.out)})),
		Extend: func(prompts, probes int, usd float64) string { return commandLine(extended(o, prompts, probes, usd)) },
	}
	if cfg.Arms, err = readArms(o.policies); err != nil {
		return cfg, nil, err
	}
	if cfg.Prompts, cfg.Input, err = readInput(o); err != nil {
		return cfg, nil, err
	}
	for _, note := range cfg.Input.Notes {
		fmt.Fprintln(stderr, note)
	}
	if closeAll, err = connect(o, &cfg); err != nil {
		return cfg, nil, err
	}
	if o.prices != "" {
		f, err := os.Open(o.prices)
		if err != nil {
			return cfg, nil, err
		}
		defer f.Close()
		over, err := providers.ReadPrices(f, o.prices)
		if err != nil {
			return cfg, nil, err
		}
		cfg.Prices = cfg.Prices.Merge(over)
	}
	cfg.Judge = func(g judge.Generator) (judge.Scorer, error) {
		return judge.NewInterval(judge.Config{Name: "interval", Generator: g, Model: o.judgeModel})
	}
	cfg.Oracle = func(g oracle.Generator) (oracle.Oracle, error) {
		return oracle.NewLabeler(oracle.Config{Name: "oracle", Generator: g, Model: o.oracleModel})
	}
	if o.labels != "" {
		if cfg.Oracle, err = people(o.labels, cfg.LabelKeys()); err != nil {
			return cfg, nil, err
		}
	}
	return cfg, closeAll, nil
}

func readArms(name string) ([]pilot.Arm, error) {
	if name == "" {
		return pilot.PlanArms(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return pilot.ReadArms(f, name)
}

func versions() map[string]string {
	v := map[string]string{"reweigh": "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		v["go"] = info.GoVersion
		if info.Main.Version != "" {
			v["reweigh"] = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["revision"] = s.Value
			}
		}
	}
	return v
}
