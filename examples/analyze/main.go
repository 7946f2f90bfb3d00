// Analyze says what logged responses tell of other policies: their values by
// several estimators, with intervals, and which of them must not be believed.
//
//	go run ./examples/analyze -logged my.csv
//	go run ./examples/analyze -logged my.csv -columns prompt_id=qid,label=human -scale 1:5
//	go run ./examples/analyze -logged logged.jsonl -fresh fresh_draws -probes probes -html report.html
//	go run ./examples/analyze -run runs/sample1pct
//
// It reads a table of logged responses, whose columns it finds by their names, with
// folders of NAME_responses.jsonl and NAME_probe.jsonl in CJE's layout beside it, or the
// folder of a run. Rows that name their "logger" are of several logging policies, under
// all of which each has its log-prob (its own as base_policy_logprob): weights are then
// those of their mixture. Tables go to the terminal, or JSON with -json. An estimate that is refused
// has no number, with one exception: a cje_ estimator that is asked for by name,
// not through "all", shows the reference's number, since the reference refuses
// nothing and there would be nothing to compare.
//
// Exit codes: 0 done, 1 the input cannot be read or evaluated, 2 usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/cje"
	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/console"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/report"
)

const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// options are the command line.
type options struct {
	run, logged, fresh, probes string
	logging                    string
	columns                    map[string]string
	labels, scores             dataset.Scale
	logger                     string
	margin                     *float64 // nil: the run's own, or the default for files
	seed                       *uint64  // likewise
	html                       string
	json                       bool
	mode                       cje.Mode
	estimators                 selection
}

// selection is the estimators to show, in the order in which they are listed.
type selection struct {
	house []offpolicy.Estimator
	cje   []cje.Estimator
	// named says that the cje estimators were asked for one by one.
	named bool
}

// choose reads -estimators.
func choose(list string) (selection, error) {
	house, reference := offpolicy.Estimators(), cje.Estimators()
	switch list {
	case "":
		return selection{house: house}, nil
	case "all":
		return selection{house: house, cje: reference}, nil
	}
	asked := map[string]bool{}
	for id := range strings.SplitSeq(list, ",") {
		id = strings.TrimSpace(id)
		if !slices.Contains(house, offpolicy.Estimator(id)) && !slices.Contains(reference, cje.Estimator(id)) {
			return selection{}, fmt.Errorf("-estimators: %q is not known: have all, %s", id,
				strings.Join(append(names(house), names(reference)...), ", "))
		}
		asked[id] = true
	}
	return selection{
		house: slices.DeleteFunc(house, func(e offpolicy.Estimator) bool { return !asked[string(e)] }),
		cje:   slices.DeleteFunc(reference, func(e cje.Estimator) bool { return !asked[string(e)] }),
		named: true,
	}, nil
}

func names[T ~string](ids []T) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("analyze", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.run, "run", "", "`folder` of a run")
	fs.StringVar(&o.logged, "logged", "", "`file` of logged responses: CSV, JSON lines or a JSON array, compressed or "+
		"not; - is the standard input")
	columns := fs.String("columns", "", "with -logged: the column of a field, as prompt_id=qid,label=human; fields are "+
		"prompt_id, prompt, response, policy, logprob, NAME_logprob, judge, label, inclusion_prob and draw (a `list`)")
	scale := fs.String("scale", "", "with -logged: `LOW:HIGH`, the scale of labels and judge scores, or "+
		"label=1:5,judge=0:100 (default 0:1)")
	fs.StringVar(&o.logging, "logging", "", "with -logged: `name` of the policy that wrote the logged responses")
	fs.StringVar(&o.fresh, "fresh", "", "with -logged: `folder` of fresh draws, NAME_responses.jsonl each")
	fs.StringVar(&o.probes, "probes", "", "with -logged: `folder` of labeled fresh draws, NAME_probe.jsonl each")
	fs.StringVar(&o.logger, "logger", "", "with -logged, of lines that name several loggers: the rows of this `policy` "+
		"alone, and weights by it (default: all rows, weights by the mixture of the loggers)")
	list := fs.String("estimators", "", "estimators to show, a `list` separated by commas, or all (default: ours, "+
		"without the reference's)")
	margin := fs.Float64("margin", defaultMargin,
		"largest mean residual with which the transport audit passes a policy; 0 does not grade (of a run: its own)")
	seed := fs.Uint64("seed", defaultSeed, "seed of folds and bootstrap replicates (of a run: its own)")
	fs.StringVar(&o.html, "html", "", "write a page to this `file` as well")
	fs.BoolVar(&o.json, "json", false, "write JSON to stdout, and nothing else there")
	mode := fs.String("cje-mode", string(cje.Monotone), "calibration of the cje_ estimators: `monotone` or two_stage")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	fail := func(format string, a ...any) (options, error) {
		err := fmt.Errorf(format, a...)
		fmt.Fprintf(stderr, "analyze: %v\nRun with -h for the flags.\n", err)
		return o, err
	}
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "margin":
			o.margin = margin
		case "seed":
			o.seed = seed
		}
	})
	var err error
	o.mode = cje.Mode(*mode)
	switch o.estimators, err = choose(*list); {
	case err != nil:
		return fail("%v", err)
	case fs.NArg() > 0:
		return fail("unexpected argument %q", fs.Arg(0))
	case (o.run == "") == (o.logged == ""):
		return fail("want either -run or -logged")
	case o.run != "" && (*columns != "" || *scale != "" || o.logging != ""):
		return fail("-columns, -scale and -logging go with -logged: a run says what it holds")
	case o.run != "" && o.logger != "":
		return fail("-logger goes with -logged: a run has one logging policy")
	case o.logger != "" && o.logging != "":
		return fail("-logger names the logging policy: leave -logging out")
	case o.run != "" && (o.fresh != "" || o.probes != ""):
		return fail("-fresh and -probes go with -logged: a run has its own")
	case !(*margin >= 0 && *margin <= 1):
		return fail("-margin %v: want a difference of labels, from 0 to 1", *margin)
	case o.mode != cje.Monotone && o.mode != cje.TwoStage:
		return fail("-cje-mode %q: want %s or %s", o.mode, cje.Monotone, cje.TwoStage)
	}
	if o.columns, err = parseColumns(*columns); err != nil {
		return fail("%v", err)
	}
	if o.labels, o.scores, err = parseScales(*scale); err != nil {
		return fail("%v", err)
	}
	return o, nil
}

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30) // columns hold no pointers: to collect often costs little, and memory is what logs need
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitUsage
	}
	if err := analyze(o, stdout, stderr); err != nil {
		clean.Error(stderr, "analyze", err)
		return exitFail
	}
	return exitOK
}

func analyze(o options, stdout, stderr io.Writer) error {
	in, err := load(o)
	if err != nil {
		return err
	}
	e, err := evaluate(in, o)
	if err != nil {
		return err
	}
	if o.html != "" {
		err := dataset.WriteFile(o.html, func(w io.Writer) error { return report.EvaluationHTML(w, e) })
		if err != nil {
			return err
		}
	}
	if o.json {
		return report.EvaluationJSON(stdout, e)
	}
	if err := report.EvaluationText(stdout, e, console.Width(stdout)); err != nil {
		return err
	}
	if o.html != "" {
		fmt.Fprintf(stdout, "\nThe page is %s\n", o.html)
	}
	return nil
}
