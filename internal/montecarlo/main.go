package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
)

const trialsMark = "<!-- trials: "

// options are the command line.
type options struct {
	repetitions, cellRepetitions, replicates, cellReplicates, concurrency int
	out, state                                                            string
}

func main() {
	var o options
	flag.IntVar(&o.repetitions, "reps", 2000, "repetitions of each design")
	flag.IntVar(&o.replicates, "replicates", 400, "bootstrap replicates of each repetition of a design")
	flag.IntVar(&o.cellRepetitions, "world-reps", 1500, "repetitions of each world and size")
	flag.IntVar(&o.cellReplicates, "world-replicates", 400, "bootstrap replicates of each repetition of a world")
	flag.IntVar(&o.concurrency, "concurrency", runtime.GOMAXPROCS(0), "evaluations at a time")
	flag.StringVar(&o.out, "out", "", "`file` to write; default: standard output")
	flag.StringVar(&o.state, "state", "", "`file` that keeps what is finished: starting again goes on from there")
	flag.Parse()
	if flag.NArg() > 0 || o.repetitions < 2 || o.cellRepetitions < 2 || o.replicates < 2 || o.cellReplicates < 2 ||
		o.concurrency < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "montecarlo:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	s, err := openState(o.state)
	if err != nil {
		return err
	}
	start := time.Now()
	var all []outcome
	for i, d := range designs() {
		x, err := once(s, fmt.Sprintf("%+v, %d repetitions, %d replicates", d, o.repetitions, o.replicates),
			func() (outcome, error) {
				return simulate(d, o.repetitions, o.replicates, o.concurrency)
			})
		if err != nil {
			return err
		}
		all = append(all, x)
		fmt.Fprintf(os.Stderr, "%d of %d designs, %v\n", i+1, len(designs()), time.Since(start).Round(time.Second))
	}
	var byCell []cellOutcome
	for i, c := range cells() {
		x, err := once(s, fmt.Sprintf("%+v, %d repetitions, %d replicates", c, o.cellRepetitions, o.cellReplicates),
			func() (cellOutcome, error) {
				return simulateCell(c, o.cellRepetitions, o.cellReplicates, o.concurrency)
			})
		if err != nil {
			return err
		}
		byCell = append(byCell, x)
		fmt.Fprintf(os.Stderr, "%d of %d worlds, %v\n", i+1, len(cells()), time.Since(start).Round(time.Second))
	}
	table := func(w io.Writer) error {
		if err := write(w, all, o.repetitions, o.replicates); err != nil {
			return err
		}
		return writeCells(w, byCell, o.cellRepetitions, o.cellReplicates)
	}
	if o.out == "" {
		return table(os.Stdout)
	}
	kept := trials(o.out)
	return dataset.WriteFile(o.out, func(w io.Writer) error {
		if err := table(w); err != nil {
			return err
		}
		_, err := io.WriteString(w, kept)
		return err
	})
}

// trials is the end of the file, which internal/trials writes; "" if there is none.
func trials(file string) string {
	old, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if _, rest, found := strings.Cut(string(old), trialsMark); found {
		return "\n" + trialsMark + rest
	}
	return ""
}
