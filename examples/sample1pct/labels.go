package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/oracle"
)

// setDesign reads -label-design into d: fraction=0.25,strata=5,duplicates=10, any
// of them.
func setDesign(d *oracle.Design, spec string) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(spec, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seen[name] {
			return fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "fraction":
			if d.Fraction, err = strconv.ParseFloat(value, 64); err == nil && !(d.Fraction > 0 && d.Fraction <= 1) {
				return fmt.Errorf("fraction %s: want a number in (0, 1]", value)
			}
		case "strata":
			d.Strata, err = strconv.Atoi(value)
		case "duplicates":
			d.Duplicates, err = strconv.Atoi(value)
		default:
			return fmt.Errorf("%q: want fraction=SHARE, strata=N or duplicates=N, separated by commas", part)
		}
		if err != nil {
			return fmt.Errorf("%s %q is not a number", name, value)
		}
	}
	return d.Validate()
}

// people reads -labels, which may hold those of the given responses.
func people(name string, expected []dataset.Key) (func(judge.Generator) (oracle.Oracle, error), error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	labels, err := oracle.ReadLabels(f, name, expected)
	if err != nil {
		return nil, err
	}
	return func(judge.Generator) (oracle.Oracle, error) { return oracle.NewFile("people", labels) }, nil
}
