package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// WriteSamplesCSV writes samples as CSV in UTF-8, with a header line: their fields
// in the order of the JSON, a column target_policy_logprobs.<name> for each of
// targets, and metadata as JSON. A missing number is an empty cell. A log-prob
// under a policy that is not among targets is an error, because it would be lost.
func WriteSamplesCSV(w io.Writer, targets []string, samples iter.Seq[Sample]) error {
	header := []string{"prompt_id", "prompt", "response", "base_policy_logprob"}
	for _, t := range targets {
		header = append(header, "target_policy_logprobs."+t)
	}
	header = append(header, "judge_score", "oracle_label", "inclusion_prob", "metadata")
	out := bufio.NewWriter(w)
	writeCells(out, header)
	n := 0
	for s := range samples {
		n++
		cells, err := s.cells(targets)
		if err != nil {
			return fmt.Errorf("dataset: write CSV: row %d: %w", n, err)
		}
		writeCells(out, cells)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dataset: write CSV: %w", err)
	}
	return nil
}

// writeCells writes a row as RFC 4180 says. A text that tables spell a missing value with
// stands between quotes, too, and so is read as the text that it is.
func writeCells(w *bufio.Writer, cells []string) {
	for i, cell := range cells {
		if i > 0 {
			w.WriteByte(',') // the writer keeps its first error for Flush
		}
		if missing[cell] || strings.ContainsAny(cell, ",\"\r\n") || strings.HasPrefix(cell, " ") {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		w.WriteString(cell)
	}
	w.WriteByte('\n')
}

// cells are the sample's values in the order of WriteSamplesCSV's header.
func (s Sample) cells(targets []string) ([]string, error) {
	var failed error
	number := func(f Float) string {
		v, ok := f.Get()
		if !ok {
			return ""
		}
		text, err := appendFloat(nil, v)
		failed = errors.Join(failed, err)
		return string(text)
	}
	for t := range s.TargetPolicyLogProbs {
		if !slices.Contains(targets, t) {
			failed = errors.Join(failed, fmt.Errorf("a log-prob under %q, which is not among the targets", t))
		}
	}
	meta, err := json.Marshal(s.Metadata)
	failed = errors.Join(failed, err)
	cells := []string{s.PromptID, s.Prompt, s.Response, number(s.BasePolicyLogProb)}
	for _, t := range targets {
		cells = append(cells, number(s.TargetPolicyLogProbs[t]))
	}
	cells = append(cells, number(s.JudgeScore), number(s.OracleLabel), number(s.InclusionProb), string(meta))
	return cells, failed
}
