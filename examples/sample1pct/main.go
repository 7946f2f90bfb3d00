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
// responses labeled twice, which measures how far the oracle agrees with itself. Every label
// keeps its probability of having been chosen. Starting again with more of any of
// them but strata tops a run up.
//
// -labels-budget 100 spends as many labels as the logging policy has by default on all
// policies but the clone: 25 each of four, the least that calibration and probes need, and
// what is beyond that where intervals are widest. A response that the oracle cannot label
// gives way to another at random.
//
// People can label only responses that exist: start once with a model as the
// oracle, have people label the responses that oracle.jsonl names, and start again
// in the same folder with -labels FILE, whose labels take the model's place.
//
// A run can be made in parts, on one machine or several: each start with -shard INDEX/OF makes
// those of all prompts that fall to it, in a folder of its own, under its part of -budget and
// of the services' limits, and -merge puts the folders together:
//
//	go run ./examples/sample1pct -n 1000 -budget 8 -shard 0/2 -out runs/a
//	go run ./examples/sample1pct -n 1000 -budget 8 -shard 1/2 -out runs/b
//	go run ./examples/sample1pct -merge -out runs/all runs/a runs/b
//
// A part that has spent its share of the budget goes on with what another that has ended left
// over, if it is started again with -ledger and that one's folder.
//
// Servers of one's own, or several services in one run, are declared by name:
//
//	go run ./examples/sample1pct -endpoint a=vllm:http://127.0.0.1:8000/v1 -endpoint o=openai -policies FILE \
//		-judge-model o/gpt-4o-mini -oracle-model o/gpt-4o
//
// A policy of the file names its server as "endpoint". Models on this machine need no
// key, and cost nothing unless -prices says otherwise.
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
	"slices"
	"syscall"

	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/console"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
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
	if o.stated != nil {
		printStated(stdout, o)
		return exitGO
	}
	if o.merge != nil {
		return merge(o, stdout, stderr)
	}
	display := newDisplay(stderr, o.quiet)
	stderr = console.Wrap(stderr)
	info := stderr // what is no error
	if o.quiet {
		info = io.Discard
	}
	fmt.Fprintln(info, begun(o))
	ctx, gently, release := signals(display.print)
	defer release()

	cfg, closeAll, err := configure(o, info)
	if err != nil {
		clean.Error(stderr, "sample1pct: preflight refused", err)
		return exitPreflight
	}
	defer closeAll()
	cfg.Progress = display.event
	cfg.Render = report.WriteFiles
	cfg.Stop = gently

	// It holds no prompts, so that the run has the only copy of what they say of themselves.
	n, live, pricesDate := len(cfg.Shard.Own(cfg.Prompts)), cfg.Live, cfg.Prices.Date
	announce := func(pf pilot.Preflight) { printPreflight(info, n, live, pricesDate, pf) }
	cfg.Announce = announce
	if o.preflight {
		pf, err := pilot.RunPreflight(ctx, cfg)
		if err != nil {
			return refused(err, stderr)
		}
		announce(pf)
		fmt.Fprintln(info, "preflight passed; nothing was spent")
		return exitGO
	}
	v, err := pilot.Run(ctx, cfg)
	display.close()
	if v == nil {
		return refused(err, stderr)
	}
	return conclude(o, v, err, stdout, stderr)
}

// conclude prints a verdict and returns its exit code; err says that the run was interrupted.
func conclude(o options, v *pilot.Verdict, err error, stdout, stderr io.Writer) int {
	if o.json {
		if err := report.JSON(stdout, v); err != nil {
			clean.Error(stderr, "sample1pct", err)
			return exitNoReport
		}
	} else if err := report.Text(stdout, v, console.Width(stdout)); err != nil {
		clean.Error(stderr, "sample1pct", err)
		return exitNoReport
	}
	if !o.quiet {
		fmt.Fprintf(stderr, "\nThe report is %s/report.html\n", o.out)
	}
	if err != nil {
		clean.Error(stderr, "", err)
		return exitInterrupted
	}
	switch v.Decision {
	case record.GO:
		return exitGO
	case record.HOLD:
		return exitHold
	default:
		return exitNoGo
	}
}

// begun is the first line, which is there before anything is read.
func begun(o options) string {
	servers := "simulated servers: no key, nothing is charged"
	if o.live || len(o.endpoints) > 0 {
		servers = "live servers"
	}
	prompts := o.input
	if prompts == "" {
		prompts = "bundled conversations"
	}
	return clean.Line(fmt.Sprintf("Pilot of %d prompts of %s, into %s; %s.", o.n, prompts, o.out, servers))
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
	clean.Error(stderr, "", err)
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
// the command line can fix.
func configure(o options, stderr io.Writer) (cfg pilot.Config, closeAll func(), err error) {
	cfg = pilot.Config{
		Dir: o.out, Share: o.share, Seed: o.seed, Full: o.full, FullBudget: providers.USD(o.fullBudget),
		Concurrency: o.concurrency,
		Live:        o.live || len(o.endpoints) > 0,
		Shard:       o.shard, Ledgers: o.ledgers,
		Budget: providers.USD(o.budget), Waived: o.waive,
		Labels: o.design, LabelsBudget: o.labelsBudget,
		Versions: versions(), Resolution: o.width, Assurance: o.assurance, Anytime: o.anytime, Looks: o.looks,
		Noise: o.noise,
		Command: func(fresh bool, changes ...record.Change) string {
			return commandLine(again(o, fresh, changes...))
		},
		Drill: o.faults != "", Words: words,
	}
	if o.policies == "" { // the plan is of these five
		cfg.Reference = &seedPlan
	}
	if cfg.Arms, err = readArms(o.policies); err != nil {
		return cfg, nil, err
	}
	if cfg.Prompts, cfg.Input, err = readInput(o, os.Stdin); err != nil {
		return cfg, nil, err
	}
	for _, note := range cfg.Input.Notes {
		fmt.Fprintln(stderr, clean.Line(note))
	}
	for _, a := range cfg.Arms {
		declared := func(e endpoints.Spec) bool { return e.Name == a.Endpoint }
		if a.Endpoint != "" && !slices.ContainsFunc(o.endpoints, declared) {
			return cfg, nil, fmt.Errorf("policy %s is of endpoint %q, which is not declared: give -endpoint %s=KIND:URL",
				a.Policy.Name, a.Endpoint, a.Endpoint)
		}
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
		return judge.NewInterval(judge.Config{
			Name: "interval", Generator: g, Model: o.judgeModel, MaxTokens: o.judgeMaxTokens,
		})
	}
	cfg.Oracle = func(g judge.Generator) (oracle.Oracle, error) {
		return oracle.NewLabeler(judge.Config{Name: "oracle", Generator: g, Model: o.oracleModel,
			MaxTokens: o.judgeMaxTokens})
	}
	if o.labels != "" {
		if cfg.Oracle, err = people(o.labels, cfg.LabelKeys()); err != nil {
			return cfg, nil, err
		}
	}
	return cfg, closeAll, nil
}

func readArms(name string) (record.Arms, error) {
	if name == "" {
		return record.PlanArms(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return record.ReadArms(f, name)
}

func versions() map[string]string {
	v := map[string]string{"reweigh": "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		v["go"] = info.GoVersion
		if info.Main.Version != "" {
			v["reweigh"] = info.Main.Version
		}
		if revision := revisionOf(info.Settings); revision != "" {
			v["revision"] = revision
		}
	}
	return v
}

// revisionOf is the revision that a program was built of, and whether it was changed then.
func revisionOf(settings []debug.BuildSetting) string {
	revision, dirty := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
