// Altered runs pilots against a simulator whose replies are altered on the way, as
// services are known to write theirs, at rates of 3% and 100%:
//
//	go run ./internal/altered
//
// It prints a table: the verdict of each run, whether a check names the cause, what the
// ledger says, and what the service would bill. It fails if a verdict is another than
// expected, if no check names the cause, if the ledger is below the bill, or above it although
// the usage can be read, or if a run that went through has other records than an undisturbed
// one. It takes about half a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// rates are the shares of replies that are altered.
var rates = []float64{.03, 1}

func main() {
	only := flag.String("only", ".", "the kinds whose names match")
	n := flag.Int("n", 30, "prompts of a run")
	why := flag.Bool("v", false, "print the checks that did not pass")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "altered: -only:", err)
		os.Exit(2)
	}
	fmt.Printf("%-34s %5s %8s %-6s %6s %9s %10s %10s\n", "kind", "rate", "altered", "verdict", "cause", "again",
		"ledger", "bill")
	plain, err := run(context.Background(), kind{}, 0, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, "altered:", err)
		os.Exit(1)
	}
	failed := 0
	for _, k := range kinds {
		if !match.MatchString(k.name) {
			continue
		}
		for _, rate := range rates {
			r, err := run(context.Background(), k, rate, *n)
			if err != nil {
				fmt.Fprintf(os.Stderr, "altered: %s: %v\n", k.name, err)
				os.Exit(1)
			}
			wrong := r.wrong(plain)
			cause := "-"
			if r.want().words != "" {
				cause = map[bool]string{true: "named", false: "no"}[r.names()]
			}
			fmt.Printf("%-34s %5v %8d %-6s %6s %9d %10.6f %10.6f  %s\n", k.name, rate, r.altered, r.verdict.Decision, cause,
				r.again, r.verdict.Run.Spent, r.bill, strings.Join(wrong, "; "))
			if len(wrong) > 0 {
				failed++
			}
			if *why {
				for _, c := range r.verdict.Checks {
					words := r.want().words
					if words != "" && strings.Contains(c.Summary, words) || c.Status == record.Hold || c.Status == record.Fail {
						fmt.Printf("\t%s %s: %.400s\n", c.ID, c.Status, c.Summary)
					}
				}
			}
		}
	}
	if failed > 0 {
		fmt.Printf("%d runs went wrong\n", failed)
		os.Exit(1)
	}
}
