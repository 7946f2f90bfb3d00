package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
)

const bundledName = "bundled conversations"

// bundledBlock is the size of the bundled data set, of which -n 100 is the 1%. A run
// that takes all its prompts goes on with as many conversations more.
const bundledBlock = 10_000

// sampleBundled samples the bundled conversations, which come in blocks of that size. A
// sample of more prompts than the first block holds has all of them, and the rest from the
// following blocks, the last of
// which is sampled: samples are nested, and the input's hash is that of the first block,
// since the generator makes the others from nothing else.
func sampleBundled(size int, opt dataset.ReadOptions, sample dataset.SampleOptions) (*dataset.Ingest,
	error) {
	all, err := bundled(0, size).Prompts(opt)
	if err != nil {
		return nil, err
	}
	if sample.N <= all.Eligible {
		all.Prompts, err = dataset.SampleStrata(all.Prompts, sample)
		return all, err
	}
	seen := map[string]bool{}
	for _, p := range all.Prompts {
		seen[sameText(p)] = true
	}
	for from := size; len(all.Prompts) < sample.N; from += size {
		more, err := bundled(from, from+size).Prompts(opt)
		if err != nil {
			return nil, fmt.Errorf("%w; there are %d prompts before it", err, len(all.Prompts))
		}
		fresh := more.Prompts[:0]
		for _, p := range more.Prompts {
			if text := sameText(p); !seen[text] {
				seen[text] = true
				fresh = append(fresh, p)
			}
		}
		all.Rows, all.Eligible = all.Rows+more.Rows, all.Eligible+len(fresh)
		for i := range all.Attrition {
			all.Attrition[i].Dropped += more.Attrition[i].Dropped
		}
		all.Attrition[len(all.Attrition)-1].Dropped += len(more.Prompts) - len(fresh) // the last reason: duplicates
		if lacks := sample.N - len(all.Prompts); lacks < len(fresh) {
			if fresh, err = dataset.SamplePrompts(fresh, lacks, sample.Seed); err != nil {
				return nil, err
			}
		}
		all.Prompts = append(all.Prompts, fresh...)
	}
	return all, nil
}

// sameText is the form in which two prompts count as the same.
func sameText(p dataset.Prompt) string {
	return strings.ToLower(strings.Join(strings.Fields(p.Text), " "))
}

// bundled are the conversations from..to-1, the same in every run: the seed chooses among
// them.
func bundled(from, to int) dataset.Source {
	return dataset.Source{Name: bundledName, Open: func() (dataset.RowReader, error) {
		text, made := io.Pipe()
		go func() {
			made.CloseWithError(arenagen.WriteRows(made, from, to, 1))
		}()
		rows, err := dataset.NewRowReader(text, bundledName)
		if err != nil {
			text.Close()
			return nil, err
		}
		return piped{rows, text}, nil
	}}
}

// piped are rows whose maker is stopped when they are closed.
type piped struct {
	dataset.RowReader
	text *io.PipeReader
}

func (p piped) Close() error {
	p.text.Close()
	return p.RowReader.Close()
}
