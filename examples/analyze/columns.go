package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// parseColumns reads -columns: FIELD=COLUMN, separated by commas.
func parseColumns(list string) (map[string]string, error) {
	if list == "" {
		return nil, nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		field, column, ok := strings.Cut(pair, "=")
		field, column = strings.TrimSpace(field), strings.TrimSpace(column)
		if !ok || field == "" || column == "" {
			return nil, fmt.Errorf("-columns: %q: want FIELD=COLUMN, as label=human", pair)
		}
		if _, twice := out[field]; twice {
			return nil, fmt.Errorf("-columns: %s twice: name one column", field)
		}
		out[field] = column
	}
	return out, nil
}

// parseScales reads -scale: LOW:HIGH for all grades, or KIND=LOW:HIGH, separated by
// commas.
func parseScales(list string) (labels, scores dataset.Scale, err error) {
	if list == "" {
		return labels, scores, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		kind, span, named := strings.Cut(part, "=")
		if !named {
			kind, span = "", part
		}
		lowText, highText, ok := strings.Cut(span, ":")
		low, e1 := strconv.ParseFloat(strings.TrimSpace(lowText), 64)
		high, e2 := strconv.ParseFloat(strings.TrimSpace(highText), 64)
		if !ok || e1 != nil || e2 != nil || !(low < high) {
			return labels, scores, fmt.Errorf("-scale: %q: want LOW:HIGH with the worst grade first, as 1:5", span)
		}
		s := dataset.Scale{Low: low, High: high}
		switch strings.TrimSpace(kind) {
		case "":
			labels, scores = s, s
		case "label", "labels":
			labels = s
		case "judge", "score", "scores":
			scores = s
		default:
			return labels, scores, fmt.Errorf("-scale: %q: want label=LOW:HIGH or judge=LOW:HIGH", part)
		}
	}
	return labels, scores, nil
}

// hint adds to an error the flag that answers it.
func hint(err error) error {
	switch {
	case errors.Is(err, dataset.ErrScale):
		return fmt.Errorf("%w; -scale 1:5 is a scale for all grades, -scale label=1:5,judge=0:100 one for each", err)
	case errors.Is(err, dataset.ErrColumns):
		return fmt.Errorf("%w; -columns prompt_id=qid,label=human names them", err)
	case errors.Is(err, offpolicy.ErrLoggingName):
		return fmt.Errorf("%w; -logging NAME names the logging policy otherwise", err)
	}
	return err
}

// columnsRead says which columns were read as what, unless every field has its own name.
func columnsRead(t *dataset.Table) []string {
	var read []string
	for _, field := range slices.Sorted(maps.Keys(t.Columns)) {
		if t.Columns[field] != field {
			read = append(read, fmt.Sprintf("%s as %s", t.Columns[field], field))
		}
	}
	if len(read) == 0 && len(t.Unread) == 0 {
		return nil
	}
	say := fmt.Sprintf("Read %d rows", t.Rows)
	if len(read) > 0 {
		say += ": " + strings.Join(read, ", ")
	}
	say += "."
	if len(t.Unread) > 0 {
		say += fmt.Sprintf(" Not read: %s.", quoted(t.Unread))
	}
	return []string{say}
}

// whatIsMissing says what an answer needs and the table lacks, by the columns that were
// found. There may be more in other files.
func whatIsMissing(t *dataset.Table, more bool) (out []string) {
	all := slices.Sorted(maps.Values(t.Columns))
	all = append(all, t.Unread...)
	found := fmt.Sprintf("the columns are %s", quoted(all))
	var targets []string
	for _, field := range slices.Sorted(maps.Keys(t.Values)) {
		if name, ok := strings.CutPrefix(field, "target_policy_logprobs."); ok {
			targets = append(targets, name)
		}
	}
	labels, bases := t.Values["oracle_label"], t.Values["base_policy_logprob"]
	column, has := t.Columns["oracle_label"]
	switch {
	case labels > 0 || more:
	case has:
		out = append(out, fmt.Sprintf("The column of labels, %q, holds none: fill it in for 25 responses or more, chosen "+
			"at random.", column))
	default:
		out = append(out, fmt.Sprintf("No column holds labels, which say how good a response is: %s. Name it (-columns "+
			"label=NAME), or add one with labels of 25 responses or more, chosen at random.", found))
	}
	switch {
	case len(targets) > 0 && bases == 0:
		out = append(out, fmt.Sprintf("There are log-probs under %s, and none under %s, which wrote the responses: weights "+
			"need both. If %s wrote them, say so (-logging %[3]s).", strings.Join(targets, ", "), t.Logging, targets[0]))
	case len(targets) == 0 && len(t.DrawLines) == 0 && !more:
		out = append(out, fmt.Sprintf("Only %s can be estimated: no column holds log-probs under another policy "+
			"(NAME_logprob), and none names policies (policy); %s.", t.Logging, found))
	}
	return out
}

func quoted(names []string) string {
	var out []string
	for _, n := range names[:min(len(names), 12)] {
		if n == "" {
			n = "(no name)"
		}
		out = append(out, n)
	}
	if more := len(names) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}
