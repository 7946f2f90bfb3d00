package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/reweigh/reweigh/dataset"
)

func main() {
	repetitions := flag.Int("reps", 2000, "repetitions of each design")
	replicates := flag.Int("replicates", 400, "bootstrap replicates of each repetition")
	concurrency := flag.Int("concurrency", runtime.GOMAXPROCS(0), "evaluations at a time")
	out := flag.String("out", "", "file to write; default: standard output")
	flag.Parse()
	if flag.NArg() > 0 || *repetitions < 2 || *replicates < 2 || *concurrency < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*repetitions, *replicates, *concurrency, *out); err != nil {
		fmt.Fprintln(os.Stderr, "montecarlo:", err)
		os.Exit(1)
	}
}

func run(repetitions, replicates, concurrency int, out string) error {
	var all []outcome
	start := time.Now()
	for i, d := range designs() {
		o, err := simulate(d, repetitions, replicates, concurrency)
		if err != nil {
			return err
		}
		all = append(all, o)
		fmt.Fprintf(os.Stderr, "%d of %d designs, %v\n", i+1, len(designs()), time.Since(start).Round(time.Second))
	}
	table := func(w io.Writer) error { return write(w, all, repetitions, replicates) }
	if out == "" {
		return table(os.Stdout)
	}
	return dataset.WriteFile(out, table)
}
