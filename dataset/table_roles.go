package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// role is what a column of a table holds: the name of a field of a record, or
// targetRole and a policy's name.
type role string

const (
	idRole        role = "prompt_id"
	promptRole    role = "prompt"
	responseRole  role = "response"
	policyRole    role = "policy"
	loggerRole    role = "logger"
	baseRole      role = "base_policy_logprob"
	targetRole    role = "target_policy_logprobs" // an object, or with "." and a policy's name behind it
	scoreRole     role = "judge_score"
	labelRole     role = "oracle_label"
	inclusionRole role = "inclusion_prob"
	drawRole      role = "draw_idx"
	tokensRole    role = "response_token_count"
	metadataRole  role = "metadata"
	languageRole  role = "language"
	categoryRole  role = "category"
)

// spellings are the names by which a column is recognised, the field's own name apart,
// in lower case with an underscore for everything that is no letter or digit, and for
// humps. The weak
// ones mean other things elsewhere and serve only if no column has a better name.
var spellings = []struct {
	role   role
	strong string
	weak   string
}{
	{idRole, "promptid prompt_uid question_id query_id qid example_id item_id task_id instance_id problem_id " +
		"conversation_id", "id uid idx index"},
	{promptRole, "prompt_text question query instruction user_prompt", "input problem"},
	{responseRole, "response_text answer completion generation reply model_output model_response", "output text"},
	{policyRole, "policy_name variant arm", "model model_name"},
	{loggerRole, "logging_policy behavior_policy behaviour_policy", ""},
	{baseRole, "logprob log_prob logp base_logprob base_log_prob base_logp logging_logprob logging_policy_logprob " +
		"behavior_logprob behaviour_logprob behavior_policy_logprob cumulative_logprob total_logprob sum_logprob " +
		"response_logprob p0_logprob logprob_p0 logprob_base", ""},
	{targetRole, "target_policy_log_probs target_logprobs", ""},
	{scoreRole, "score judge judge_rating judge_mean llm_score llm_judge_score llm_judge auto_score grader_score", ""},
	{labelRole, "label human_label human human_score human_rating gold gold_label gold_score oracle oracle_score " +
		"ground_truth truth annotation expert_label expert_score", "rating reward outcome correct is_correct"},
	{inclusionRole, "inclusion_probability label_prob label_probability labelling_prob labeling_prob selection_prob", ""},
	{drawRole, "draw draw_index sample_idx sample_index replicate repeat trial", ""},
	{tokensRole, "response_tokens completion_tokens output_tokens", ""},
	{metadataRole, "", ""},
	{languageRole, "lang", ""},
	{categoryRole, "topic", ""},
}

// How sure a name is of its role.
const (
	stated = iota // by the caller
	own           // the field's own name
	strong
	weak
)

type spelling struct {
	role role
	rank int
}

var bySpelling = func() map[string]spelling {
	out := map[string]spelling{}
	for _, s := range spellings {
		out[string(s.role)] = spelling{s.role, own}
		for _, name := range strings.Fields(s.strong) {
			out[name] = spelling{s.role, strong}
		}
		for _, name := range strings.Fields(s.weak) {
			out[name] = spelling{s.role, weak}
		}
	}
	return out
}()

var (
	camelCase   = regexp.MustCompile(`([\p{Ll}\p{N}])(\p{Lu})`)
	notWord     = regexp.MustCompile(`[^\p{L}\p{N}]+`)
	targetOwn   = regexp.MustCompile(`^(?i:target_policy_logprobs?)[._](.+)$`)
	targetAfter = regexp.MustCompile(`^(?i:(?:target[_. -])?log[_ ]?p(?:rob)?s?)[_. -](.+)$`)
	targetFront = regexp.MustCompile(`^(.+?)(?i:(?:[_. -]policy)?[_. -]log[_ ]?p(?:rob)?s?)$`)
	// notSum are the log-probs that are no sum over a response's tokens.
	notSum = regexp.MustCompile(`^(?i:mean|avg|average|min|max|median|prompt|input|tokens?|norm(alized)?|per_token|first)$`)
)

// spelt is the role that a column's name speaks of, "" for none.
func spelt(column string) spelling {
	for _, name := range []string{column, camelCase.ReplaceAllString(column, "${1}_${2}")} {
		if s, ok := bySpelling[plainName(name)]; ok {
			return s
		}
	}
	for _, form := range []*regexp.Regexp{targetOwn, targetAfter, targetFront} {
		m := form.FindStringSubmatch(strings.TrimSpace(column))
		if m == nil {
			continue
		}
		if name := strings.TrimSpace(m[1]); form == targetOwn {
			return spelling{targetRole + "." + role(name), own}
		} else if name != "" && !notSum.MatchString(name) {
			return spelling{targetRole + "." + role(name), strong}
		}
		return spelling{}
	}
	return spelling{}
}

// plainName is a name in lower case with an underscore for what is no letter or digit.
func plainName(name string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(name), "_"), "_")
}

// closest is the name that is want, else the one that is but for case, spaces and marks.
func closest(want string, names []string) string {
	if slices.Contains(names, want) {
		return want
	}
	for _, name := range names {
		if key := plainName(name); key != "" && key == plainName(want) {
			return name
		}
	}
	return want
}

// ErrColumns is the error of a table whose columns do not say what they hold, or of
// [TableOptions.Columns] that do not fit them.
var ErrColumns = errors.New("columns")

// roles says what each column of a table holds.
type roles struct {
	of    map[string]spelling // by column, "" for a column that is not read
	names []string            // in the order in which they were seen
	// remark is a column that might name policies and is not read: it has to hold one value.
	remark string
}

// newRoles finds the role of every column. Of two columns that could both have a role
// the one that is surer has it; if they are equally sure, that is an error.
func newRoles(names []string, want map[string]string, logging string) (*roles, error) {
	spelt := func(name string) spelling {
		s := spelt(name)
		if logging != "" && s.role == targetRole+"."+role(logging) {
			s.role = baseRole
		}
		return s
	}
	r := &roles{of: map[string]spelling{}, names: names}
	taken := map[string]bool{}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		column, s := closest(want[field], names), spelt(field)
		switch {
		case s.role == "":
			return nil, fmt.Errorf("dataset: %w: %q is no field of a record: want %s, or target_policy_logprobs.NAME",
				ErrColumns, field, tableFields())
		case !slices.Contains(names, column):
			return nil, fmt.Errorf("dataset: %w: no column is called %q for %s: there are %s", ErrColumns, column,
				s.role, quoteNames(names))
		case taken[column]:
			return nil, fmt.Errorf("dataset: %w: column %q is named for two fields: name it once", ErrColumns, column)
		}
		taken[column] = true
		r.of[column] = spelling{s.role, stated}
	}
	best := map[role][]string{}
	for _, s := range r.of {
		best[s.role] = nil // a column named by the caller has it
	}
	for _, name := range names {
		s := spelt(name)
		if s.role == "" || taken[name] {
			continue
		}
		have, found := best[s.role]
		if found && have == nil {
			continue
		}
		switch {
		case !found || s.rank < spelt(have[0]).rank:
			best[s.role] = []string{name}
		case s.rank == spelt(have[0]).rank:
			best[s.role] = append(have, name)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(best)) {
		columns := best[field]
		if len(columns) > 1 {
			return nil, fmt.Errorf("dataset: %w: %s could each be %s: say which of them is", ErrColumns,
				quoteNames(columns), field)
		}
		for _, name := range columns {
			r.of[name] = spelt(name)
		}
	}
	r.yield(policyRole, baseRole)
	r.yield(idRole, promptRole)
	return r, nil
}

// yield drops the column of a role that has it by a weak name alone, if another says
// the same better: an "id" beside the prompts' text is that of the row, and a "model"
// beside the log-probs of one logging policy is a remark.
func (r *roles) yield(field, to role) {
	if name, ok := r.column(field); ok && r.of[name].rank == weak {
		if _, has := r.column(to); has {
			delete(r.of, name)
			if field == policyRole {
				r.remark = name
			}
		}
	}
}

// column is the name of the column that has a role.
func (r *roles) column(field role) (string, bool) {
	for name, s := range r.of {
		if s.role == field {
			return name, true
		}
	}
	return "", false
}

func tableFields() string {
	var out []string
	for _, s := range spellings {
		out = append(out, string(s.role))
	}
	return strings.Join(out, ", ")
}

func quoteNames(names []string) string {
	var out []string
	for _, n := range names[:min(len(names), maxNames)] {
		out = append(out, fmt.Sprintf("%q", cmp.Or(shorten(n, 40), "(no name)")))
	}
	if more := len(names) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// perPolicy are columns that nobody reads and that share what they hold and differ in whose
// it is, as "a_score" and "b_score" do: a table that is wide where it should be long.
func perPolicy(unread []string) []string {
	found := map[role][]string{}
	for _, name := range unread {
		plain := plainName(camelCase.ReplaceAllString(name, "${1}_${2}"))
		for i := range plain {
			if plain[i] != '_' {
				continue
			}
			front, back := bySpelling[plain[:i]].role, bySpelling[plain[i+1:]].role
			if front == scoreRole || front == labelRole || back == scoreRole || back == labelRole {
				found[cmp.Or(back, front)] = append(found[cmp.Or(back, front)], name)
				break
			}
		}
	}
	for _, field := range []role{labelRole, scoreRole} {
		if len(found[field]) > 1 {
			return found[field]
		}
	}
	return nil
}
