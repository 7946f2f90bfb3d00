package dataset

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// What would be read for something that it is not is refused, by its line.
func TestTableIsNotMisread(t *testing.T) {
	late := func(field string) string {
		return strings.Repeat("{\"qid\": 1, \"label\": 0.5}\n", headRows) + "{\"qid\": 2, \"label\": 0.5, " + field + "}\n"
	}
	for _, tt := range []struct {
		text   string
		opt    TableOptions
		err    string // "" if it is read
		reason string
	}{
		{late(`"inclusion_prob": 0.1`), TableOptions{}, "in.csv:1001: field \"inclusion_prob\" is first seen here",
			"the rows before it were read without a probability"},
		{late(`"policy": "new"`), TableOptions{}, "in.csv:1001", "the rows before it were read as one policy's"},
		{late(`"a_logprob": -1`), TableOptions{}, "in.csv:1001", "a target that begins late"},
		{late(`"colour": "red"`), TableOptions{}, "", "a field that nobody reads"},
		{`{"qid": "a", "label": 0.1, "label": 0.9}`, TableOptions{}, `"label" is there twice`, "which of the two?"},
		{`{"qid": "a", "label": 1, "x_logprob": -1, "target_policy_logprobs": {"x": -2}}`, TableOptions{},
			`has "x" twice`, "one target in two places"},
		{"qid,model,logprob,label\na,m1,-1,1\nb,m1,-1,0\n", TableOptions{}, "", "a remark: one model wrote all"},
		{"qid,model,logprob,label\na,m1,-1,1\nb,m2,-1,0\n", TableOptions{}, "say whether it is policy or logger",
			"two models, and log-probs of one of them"},
		{"qid,system,label\na,You are kind.,1\nb,You are brief.,0\n", TableOptions{}, "", "system prompts name no policy"},
		{"qid,label\na,.5\nb,.7\n", TableOptions{Labels: Scale{0, 100}}, "from 0 to 1", "fractions on a scale to 100"},
		{"qid,policy,logger,label\na,x,y,1\n", TableOptions{}, "both name the policy", "two authors"},
		{"qid,logger,label\na,x,1\nb,,0\n", TableOptions{}, "in.csv:3: some rows name a logger", "the second does not"},
		{"qid,logger,label\na,,1\nb,x,0\n", TableOptions{}, "in.csv:3: some rows name a logger", "the first does not"},
		{"qid,logger,label\na,x,1\n", TableOptions{Logger: "y"}, "no logged response of y", "a mistyped logger"},
		{"qid,label\na,1\n", TableOptions{Logger: "y"}, "in.csv:2: the row names no logger", "no column of loggers"},
		{"qid,policy,draw,label\na,p0,0,1\na,new,0,1\na,new,,0\n", TableOptions{}, "in.csv:4: some draws",
			"numbers that were made up must not meet numbers that were stated"},
		{"qid,policy,draw,label\na,p0,0,1\na,new,,1\na,new,0,0\n", TableOptions{}, "in.csv:4: some draws",
			"the other order"},
		{`{"qid": "a", "logprob": -1, "metadata": {"oracle_label": "0.5"}}`, TableOptions{}, `metadata field "oracle_label"`,
			"a label that is text"},
	} {
		got, err := table(t, tt.text, tt.opt)
		if said := fmt.Sprint(err); tt.err == "" && err != nil || tt.err != "" && !strings.Contains(said, tt.err) {
			t.Errorf("%s: %v, want %q (%s)", tt.text[max(0, len(tt.text)-120):], err, tt.err, tt.reason)
		} else if err == nil && len(got.Draws) > 0 {
			t.Errorf("%s: read as draws of %v", tt.reason, got.Draws)
		}
	}
}

// A logger is a column in any form of a table, whichever rows come first.
func TestTableLoggers(t *testing.T) {
	csv := "qid,logger,logprob,new_logprob,label\n a ,old,-1,-2,1\nb,new,-2,-2,0\n"
	lines := `{"qid": "a", "logger": "old", "logprob": -1, "new_logprob": -2, "label": 1}
{"qid": "b", "logger": "new", "logprob": -2, "new_logprob": -2, "label": 0}`
	for _, text := range []string{csv, lines} {
		got, err := table(t, text, TableOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Pooled || got.Logging != "logs" || len(got.Samples) != 2 || got.Samples[0].Logger() != "old" ||
			got.Samples[0].PromptID != "a" {
			t.Errorf("%s: pooled %v as %q, %+v", text, got.Pooled, got.Logging, got.Samples)
		}
		one, err := table(t, text, TableOptions{Logger: "new"})
		if err != nil {
			t.Fatal(err)
		}
		if one.Pooled || one.Logging != "new" || len(one.Samples) != 1 || one.Rows != 1 ||
			len(one.Samples[0].TargetPolicyLogProbs) != 0 || one.Samples[0].BasePolicyLogProb != Known(-2) {
			t.Errorf("of one logger: %+v of %d rows", one.Samples, one.Rows)
		}
	}
}

// Rows of another logger are not among those that a note counts.
func TestTableNotesOfOneLogger(t *testing.T) {
	got, err := table(t, "logger,label\nold,1\nnew,0\nnew,.5\n", TableOptions{Logger: "new"})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(got.Notes, " "); !strings.Contains(notes, "2 of 2 rows state no prompt_id") {
		t.Errorf("two rows of this logger: %q", notes)
	}
}

// A logger that is a number has one name, wherever a line says it.
func TestLoggerIsANumber(t *testing.T) {
	for _, line := range []string{`{"logger": 1234567}`, `{"metadata": {"logger": 1234567}}`,
		`{"metadata": {"logger": "1234567"}}`} {
		var s Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Logger() != "1234567" {
			t.Errorf("%s: %q, %v", line, s.Logger(), err)
		}
	}
}

// Rows that differ in any value repeat nothing.
func TestTableCopiesAreWhole(t *testing.T) {
	got, err := table(t, "qid,label,logprob,a_logprob\nq,.5,-1,-2\nq,.5,-1,-3\n", TableOptions{})
	if err != nil || strings.Contains(strings.Join(got.Notes, " "), "repeat another") {
		t.Errorf("%v, %v", got, err)
	}
}

// What data frames and spreadsheets write around the columns is no column of a record, and
// a table with one column a policy is told from one that has none.
func TestTableShapesOfSpreadsheets(t *testing.T) {
	for _, c := range []struct {
		text, note, reason string
	}{
		{",qid,policy,label\n0,a,x,.5\n1,a,y,.7\n2,b,x,.1\n", "", "an index without a name, as data frames write one"},
		{"Unnamed: 0,qid,policy,label\n0,a,x,.5\n1,a,y,.7\n", "", "the same, read and written again"},
		{",qid,model,logprob,label\n0,a,m,-1,.5\n1,b,m,-2,.7\n", "", "beside log-probs of one policy"},
		{"promptId,judgeScore,humanLabel\na,.5,.6\nb,.4,.6\n", "", "names with humps"},
		{"qid,prod_score,cand_score,prod_label,cand_label\na,.5,.6,.1,.2\n", `"prod_label", "cand_label"`, "wide"},
		{"qid,score_a,score_b\na,.5,.6\n", `"score_a", "score_b"`, "wide, the other way round"},
		{"qid,scoreA,scoreB\na,.5,.6\n", `"scoreA", "scoreB"`, "wide, with humps"},
		{"qid,label,prod_score\na,.5,.6\n", "", "one such column names nobody else"},
	} {
		got, err := table(t, c.text, TableOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		said := ""
		for _, n := range got.Notes {
			if strings.Contains(n, "one for each policy") {
				said = n
			}
		}
		if c.note == "" && said != "" || !strings.Contains(said, c.note) {
			t.Errorf("%s: %q, want %q", c.reason, said, c.note)
		}
		if strings.Contains(c.text, "humanLabel") && (got.Columns["oracle_label"] != "humanLabel" ||
			got.Columns["judge_score"] != "judgeScore") {
			t.Errorf("%s: read as %v", c.reason, got.Columns)
		}
	}
}
