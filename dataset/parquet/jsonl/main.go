// Jsonl writes the rows of Parquet files as JSON lines, for commands that read these:
//
//	go run ./jsonl train-*.parquet | sample1pct -input -
//	go run ./jsonl -columns all logged.parquet | analyze -logged -
//
// It is run in the folder of its module, dataset/parquet, or installed from there. Without
// -columns it decodes what prompts and their metadata are made of. A row with bytes that are
// no text, or a number that JSON does not have, ends it, unless -skip leaves such rows out
// and says how many there were.
//
// Exit codes: 0 done, 1 a file cannot be read, 2 usage.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/parquet"
	"github.com/reweigh/reweigh/internal/clean"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("jsonl", flag.ContinueOnError)
	fs.SetOutput(stderr)
	list := fs.String(
		"columns",
		"",
		"columns to write, a `list` separated by commas, or all (default: those that prompts and "+
			"their metadata are made of)",
	)
	skip := fs.Bool("skip", false, "leave out rows that JSON cannot hold, and say how many")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() == 0:
		fmt.Fprintln(stderr, "jsonl: want one Parquet file or more\nRun with -h for the flags.")
		return 2
	}
	var columns parquet.Columns
	switch *list {
	case "":
	case "all":
		columns.All = true
	default:
		for name := range strings.SplitSeq(*list, ",") {
			columns.Names = append(columns.Names, strings.TrimSpace(name))
		}
	}
	out := bufio.NewWriterSize(stdout, 256<<10)
	skipped := 0
	for _, path := range fs.Args() {
		err := write(out, path, columns, *skip, &skipped)
		if err != nil {
			out.Flush() // the rows before it
			clean.Error(stderr, "jsonl", err)
			return 1
		}
	}
	if err := out.Flush(); err != nil {
		clean.Error(stderr, "jsonl", err)
		return 1
	}
	if skipped > 0 {
		fmt.Fprintf(stderr, "jsonl: left out %d rows that JSON cannot hold\n", skipped)
	}
	return 0
}

func write(out *bufio.Writer, path string, columns parquet.Columns, skip bool, skipped *int) error {
	rows, err := parquet.File(path, columns).Open()
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		_, row, err := rows.Next()
		var bad *dataset.LineError
		switch {
		case err == io.EOF:
			return nil
		case skip && errors.As(err, &bad) && bad.Skip:
			*skipped++
			continue
		case err != nil:
			return err
		}
		out.Write(row) // the writer keeps its first error for Flush
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
}
