package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// filters are the flags that say which rows of -input make prompts.
type filters struct {
	languages, setAside string
	dataset.ReadOptions
}

func (f *filters) register(fs *flag.FlagSet) {
	fs.StringVar(&f.languages, "languages", "", "languages to keep, a `list` of names or codes separated by commas, "+
		"or all (default English, of conversations that state one; plain prompts are all kept)")
	fs.BoolVar(&f.KeepFlagged, "keep-flagged", false, "keep prompts that moderation flagged, or the data set calls toxic")
	fs.Float64Var(&f.MaxModerationScore, "max-moderation-score", 0,
		"highest moderation `score` to keep, in (0, 1]; 0 sets no limit")
	fs.IntVar(&f.MinBytes, "min-bytes", 0, "shortest prompt to keep, in `bytes` of all its turns; 0 sets no limit")
	fs.IntVar(&f.MaxBytes, "max-bytes", 0, "longest prompt to keep, in `bytes` of all its turns; 0 sets no limit")
	fs.BoolVar(&f.SingleTurn, "single-turn", false,
		"keep only conversations in which the user speaks once")
	fs.BoolVar(&f.KeepSetApart, "keep-deduplicated", false,
		"keep rows that the data set's own removal of frequent prompts left out")
	fs.StringVar(&f.setAside, "set-aside", "", "write rows that cannot be read, or held in a prompt, to this `file` "+
		"and go on (default: stop at the first)")
}

func (f *filters) check() error {
	switch {
	case !(f.MaxModerationScore >= 0 && f.MaxModerationScore <= 1):
		return fmt.Errorf("-max-moderation-score %v: want a score in (0, 1], or 0 for no limit", f.MaxModerationScore)
	case f.MinBytes < 0 || f.MaxBytes < 0 || f.MaxBytes > 0 && f.MaxBytes < f.MinBytes:
		return fmt.Errorf("-min-bytes %d, -max-bytes %d: want at least 0, and the first not above the second", f.MinBytes,
			f.MaxBytes)
	}
	var list []string
	for l := range strings.SplitSeq(f.languages, ",") {
		if l = strings.TrimSpace(l); l != "" {
			list = append(list, l)
		}
	}
	switch {
	case f.languages == "":
		f.ConversationLanguages = []string{"English"}
	case len(list) == 0:
		return fmt.Errorf("-languages %q: want names or codes separated by commas, or all", f.languages)
	case len(list) > 1 || list[0] != "all":
		f.Languages = list
	}
	return nil
}

// plain reports whether the filters are those that nobody has set.
func (f *filters) plain() bool {
	return f.languages == "" && !f.KeepFlagged && f.MaxModerationScore == 0 && f.MinBytes == 0 && f.MaxBytes == 0 &&
		!f.SingleTurn && !f.KeepSetApart
}

// String says what is kept, the defaults included.
func (f *filters) String() string {
	var kept []string
	switch {
	case len(f.Languages) > 0:
		kept = append(kept, strings.Join(f.Languages, ", "))
	case len(f.ConversationLanguages) > 0:
		kept = append(kept, strings.Join(f.ConversationLanguages, ", ")+", of conversations that state a language "+
			"(-languages)")
	default:
		kept = append(kept, "every language")
	}
	if f.KeepFlagged {
		kept = append(kept, "flagged or not")
	} else {
		kept = append(kept, "not flagged by moderation (-keep-flagged)")
	}
	if f.MaxModerationScore > 0 {
		kept = append(kept, fmt.Sprintf("moderation scores up to %v", f.MaxModerationScore))
	}
	if f.MinBytes > 0 {
		kept = append(kept, fmt.Sprintf("%d bytes or more", f.MinBytes))
	}
	if f.MaxBytes > 0 {
		kept = append(kept, fmt.Sprintf("%d bytes or fewer", f.MaxBytes))
	}
	if f.SingleTurn {
		kept = append(kept, "one turn of the user's")
	}
	if f.KeepSetApart {
		kept = append(kept, "frequent prompts too")
	}
	return strings.Join(kept, "; ")
}

// readInput reads, filters and samples the prompts. A file is streamed, and so may
// be larger than memory; of what comes by the standard input the prompts are held.
func readInput(o options, stdin io.Reader) ([]dataset.Prompt, record.Input, error) {
	in := record.Input{Name: o.input}
	read := func(opt dataset.ReadOptions) (*dataset.Ingest, error) {
		sample := dataset.SampleOptions{N: o.n, Seed: o.seed}
		switch o.input {
		case "":
			return sampleBundled(bundledBlock, opt, sample)
		case "-":
			got, err := dataset.ReadPrompts(stdin, "standard input", opt)
			if err == nil {
				got.Prompts, err = dataset.SampleStrata(got.Prompts, sample)
			}
			return got, err
		}
		return dataset.File(o.input).Sample(opt, sample)
	}
	got, err := o.readAside(read)
	if err != nil {
		return nil, in, inputError(err, o)
	}
	in.SHA256, in.Held = got.SHA256, got.Eligible
	stored := ""
	switch o.input {
	case "":
		in.Name, in.Held = bundledName, 0
	case "-":
		in.Name = "standard input"
		fallthrough
	default:
		stored = " in " + got.Container
	}
	in.Notes = append(in.Notes, fmt.Sprintf("%s: %d rows of %s%s, %d prompts left", in.Name, got.Rows, got.Format, stored,
		got.Eligible))
	for _, a := range got.Attrition {
		if a.Dropped > 0 {
			in.Notes = append(in.Notes, fmt.Sprintf("  dropped %d: %s", a.Dropped, a.Reason))
		}
	}
	if o.input != "" {
		in.Notes = append(in.Notes, "  kept: "+o.filters.String())
	}
	return got.Prompts, in, nil
}

// readAside reads with the file of -set-aside, if there is one.
func (o options) readAside(read func(dataset.ReadOptions) (*dataset.Ingest, error)) (got *dataset.Ingest, err error) {
	opt := o.filters.ReadOptions
	if o.setAside == "" {
		return read(opt)
	}
	if a, err := os.Stat(o.setAside); err == nil {
		if b, err := os.Stat(o.input); err == nil && os.SameFile(a, b) {
			return nil, errors.New("-set-aside is the file of -input: name another")
		}
	}
	err = dataset.WriteFile(o.setAside, func(w io.Writer) error {
		opt.SetAside = w
		var err error
		got, err = read(opt)
		return err
	})
	return got, err
}

// inputError says which flags an input that is refused may need.
func inputError(err error, o options) error {
	var line *dataset.LineError
	switch {
	case errors.As(err, &line) && line.Skip && o.setAside == "":
		return fmt.Errorf("%w; -set-aside FILE puts such rows aside and reads the others", err)
	case errors.Is(err, dataset.ErrNoPrompts):
		return fmt.Errorf("%w; kept are %s", err, &o.filters)
	}
	return fmt.Errorf("%w: give an -input that can be read, and an -n that it has prompts for", err)
}
