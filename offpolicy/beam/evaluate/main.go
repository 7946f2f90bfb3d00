// Evaluate evaluates logs on an engine of Apache Beam's, and writes the document that
// analyze prints with -json.
//
//	go run ./evaluate -logged 'logs/*.jsonl' -fresh fresh_draws -out evaluation.json
//	evaluate -logged '/shared/logs/*.parquet' -out /shared/evaluation.json \
//	    -runner universal -endpoint jobserver:8099 -environment_type DOCKER
//
// Without -runner it is Prism, in this process. Flags that are not below are those of
// Beam's Go SDK. Files are on paths that every worker sees; a program that imports another
// of Beam's filesystems reads from there.
//
// Exit codes: 0 done, 1 the input cannot be read or evaluated, 2 usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/beam"
)

var (
	logged = flag.String("logged", "", "files of logged responses, `patterns` separated by commas")
	fresh  = flag.String("fresh", "", "`folder` of fresh draws, NAME_responses.jsonl each")
	probes = flag.String("probes", "", "`folder` of labeled fresh draws, NAME_probe.jsonl each")
	out    = flag.String("out", "", "`file` to write the evaluation to, as JSON")
	policy = flag.String("logging", "base", "`name` of the policy whose responses were logged")
	judge  = flag.String("judge", "an unnamed judge", "`name` of the judge that gave the scores")
	margin = flag.Float64("margin", .05, "largest mean residual with which the transport audit passes; 0 does not grade")
	seed   = flag.Uint64("seed", 42, "seed of folds and bootstrap replicates")
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20) // columns hold no pointers: to collect often costs little
	}
	flag.Parse()
	sdk.Init() // a worker ends here
	if *logged == "" || *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "evaluate: want -logged and -out, and nothing without a flag\nRun with -h for the flags.")
		os.Exit(2)
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "evaluate: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var in beam.Files
	var err error
	for pattern := range strings.SplitSeq(*logged, ",") {
		names, err := list(ctx, strings.TrimSpace(pattern))
		if err != nil {
			return err
		}
		in.Logged = append(in.Logged, names...)
	}
	if *fresh != "" {
		if in.Draws, err = dataset.FreshDrawFiles(*fresh); err != nil {
			return err
		}
	}
	if *probes != "" {
		if in.Probes, err = dataset.ProbeFiles(*probes); err != nil {
			return err
		}
	}
	p, s := sdk.NewPipelineWithRoot()
	outcome, err := beam.Evaluate(s, in, beam.Evaluation{
		Plan: offpolicy.Plan{Logging: *policy, Judge: *judge}, Config: offpolicy.Config{Seed: *seed, Margin: *margin},
		Source: *logged,
	})
	if err != nil {
		return err
	}
	beam.Write(s, outcome, *out)
	engine := *runners.Runner
	if engine == "" {
		engine = "prism"
	}
	_, err = sdk.Run(ctx, engine, p)
	return err
}

// list are the files that a pattern names.
func list(ctx context.Context, pattern string) ([]string, error) {
	fs, err := filesystem.New(ctx, pattern)
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	names, err := fs.List(ctx, pattern)
	if err == nil && len(names) == 0 {
		err = errors.New("no file has such a name")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	slices.Sort(names)
	return names, nil
}
