// Spark evaluates logs that it makes on a Beam engine, and fails unless the document is, to
// the byte, what this process computes of the same rows: run.sh starts it.
//
//	spark -dir DIR [-fail panic|hang] -runner universal -endpoint HOST:PORT -environment_type LOOPBACK
//
// With -fail panic the worker that opens the second file panics the first time, and the engine
// has to try again. With -fail hang it writes the id of the process that started it, Spark's
// executor, to the file failed in DIR, and waits for that process to be killed. Exit codes: 0
// equal, 1 not, 2 usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/beam"
)

const (
	files   = 4
	rows    = 10_000 // a file
	per     = 3      // rows a prompt
	logging = "base"
	judge   = "j"
	source  = "logs"
)

var (
	dir  = flag.String("dir", "", "`folder` for the files")
	fail = flag.String("fail", "", "`how` a worker fails once: panic or hang")
	// What starts a process in the place of a container gives it no more than this and an id.
	provision = flag.String("provision_endpoint", "", "`address` of the engine's provision service: be a worker")
)

func init() { filesystem.Register("once", newOnce) }

func main() {
	flag.Parse()
	if *provision != "" {
		if err := beWorker(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "spark: worker: %v\n", err)
			os.Exit(1)
		}
	}
	sdk.Init()
	if *dir == "" || flag.NArg() > 0 || !slices.Contains([]string{"", "panic", "hang"}, *fail) {
		fmt.Fprintln(os.Stderr, "spark: want -dir, and -fail panic or hang")
		os.Exit(2)
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "spark: %v\n", err)
		os.Exit(1)
	}
}

// beWorker sets the flags that make a worker of this process, as a container's program does.
func beWorker(ctx context.Context) error {
	info, err := tools.ProvisionInfo(grpcx.WriteWorkerID(ctx, flag.Lookup("id").Value.String()), *provision)
	if err != nil {
		return err
	}
	return errors.Join(flag.Set("worker", "true"), flag.Set("logging_endpoint", info.GetLoggingEndpoint().GetUrl()),
		flag.Set("control_endpoint", info.GetControlEndpoint().GetUrl()))
}

func run(ctx context.Context) error {
	l := logs()
	config := offpolicy.Config{Seed: 42, Margin: .05, Method: offpolicy.InfluenceFunction}
	want, err := alone(l, config)
	if err != nil {
		return err
	}
	in, err := write(l)
	if err != nil {
		return err
	}
	if *fail != "" {
		in.Logged[1] = "once://" + in.Logged[1]
	}
	out := filepath.Join(*dir, "evaluation.json")
	p, s := sdk.NewPipelineWithRoot()
	outcome, err := beam.Evaluate(s, in, beam.Evaluation{Plan: offpolicy.Plan{Logging: logging, Judge: judge},
		Config: config, Source: source})
	if err != nil {
		return err
	}
	beam.Write(s, outcome, out)
	if _, err := sdk.Run(ctx, *runners.Runner, p); err != nil {
		return err
	}
	got, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if string(got) != string(want)+"\n" {
		return fmt.Errorf("%s is another document than one process makes:\n%s", out, want)
	}
	if _, err := os.Stat(mark()); *fail != "" && err != nil {
		return fmt.Errorf("no worker failed: %w", err)
	}
	fmt.Printf("equal: %d bytes, of %d rows in %d files\n", len(got), files*rows, files)
	return nil
}

// alone is the document that this process makes.
func alone(l dataset.Logs, c offpolicy.Config) ([]byte, error) {
	s, err := offpolicy.FromRecords(l)
	if err != nil {
		return nil, err
	}
	t := offpolicy.TableOf(s)
	c.Clones, c.Segments = t.Clones(), t.Segments()
	r, err := t.Evaluate(c)
	if err != nil {
		return nil, err
	}
	d := r.Document()
	d.Source = source
	return json.Marshal(d)
}

// write writes the rows of a prompt into several files, and draws into one more.
func write(l dataset.Logs) (in beam.Files, err error) {
	parts := make([][]dataset.Sample, files)
	for i, x := range l.Samples {
		parts[i%files] = append(parts[i%files], x)
	}
	for k, part := range parts {
		name := filepath.Join(*dir, fmt.Sprintf("logged%d.jsonl", k))
		if err := file(name, part); err != nil {
			return in, err
		}
		in.Logged = append(in.Logged, name)
	}
	for policy, draws := range l.Draws {
		name := filepath.Join(*dir, policy+"_responses.jsonl")
		if err := file(name, draws); err != nil {
			return in, err
		}
		in.Draws = append(in.Draws, dataset.FreshDrawFile{Policy: policy, Path: name})
	}
	return in, nil
}

func file[T any](name string, rows []T) error {
	return dataset.WriteFile(name, func(w io.Writer) error { return dataset.WriteJSONL(w, slices.Values(rows)) })
}

func logs() dataset.Logs {
	rng := rand.New(rand.NewPCG(5, 5))
	out := dataset.Logs{Logging: logging, Judge: judge, Draws: map[string][]dataset.FreshDraw{}}
	for i := range files * rows {
		s := rng.Float64()
		x := dataset.Sample{PromptID: fmt.Sprint("q", i/per), Response: "a response", BasePolicyLogProb: dataset.Known(-40),
			JudgeScore: dataset.Known(s), TargetPolicyLogProbs: map[string]dataset.Float{
				"near": dataset.Known(-40 + math.Log(.4+1.2*s)), "nearer": dataset.Known(-40 + math.Log(.8+.4*s)),
				"twin": dataset.Known(-40)}, Metadata: map[string]any{"language": []string{"Welsh", "German"}[i/per%2]}}
		if rng.IntN(10) == 0 {
			x.OracleLabel = dataset.Known(min(max(.25+.5*s+.1*rng.NormFloat64(), 0), 1))
		}
		out.Samples = append(out.Samples, x)
		if i%per == 0 {
			out.Draws["near"] = append(out.Draws["near"], dataset.FreshDraw{PromptID: x.PromptID, Response: "own",
				JudgeScore: dataset.Known((math.Sqrt(.16+2.4*rng.Float64()) - .4) / 1.2)}) // of density .4 + 1.2 s
		}
	}
	out.Scored = dataset.Unstated(logging, out.Samples)
	return out
}

// once opens local files, and fails the first time.
type once struct{ filesystem.Interface }

func newOnce(ctx context.Context) filesystem.Interface { return once{local.New(ctx)} }

// mark is the file that says that a worker has failed.
func mark() string { return filepath.Join(*dir, "failed") }

func (o once) OpenRead(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := os.OpenFile(mark(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return o.Interface.OpenRead(ctx, strings.TrimPrefix(name, "once://"))
	}
	if *fail == "panic" {
		panic(errors.Join(errors.New("spark: the panic that was asked for"), f.Close()))
	}
	_, err = fmt.Fprintln(f, os.Getppid())
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	time.Sleep(2 * time.Minute)
	panic("spark: nobody killed the executor")
}
