package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func table(t *testing.T, text string, opt TableOptions) (*Table, error) {
	t.Helper()
	return ReadTable(Source{"in.csv", func() (RowReader, error) {
		return NewRowReader(strings.NewReader(text), "in.csv")
	}}, opt)
}

// Columns as people call them, and the field that each is.
func TestTableColumns(t *testing.T) {
	for _, tt := range []struct{ header, want, reason string }{
		{"qid,human,judge", "human=oracle_label judge=judge_score qid=prompt_id", "short names"},
		{"QID,Human_Label,LLM-Score", "Human_Label=oracle_label LLM-Score=judge_score QID=prompt_id",
			"as a spreadsheet has them"},
		{"prompt_id,oracle_label,label", "oracle_label=oracle_label prompt_id=prompt_id",
			"the field's own name is surer than another"},
		{"id,question,rating", "question=prompt rating=oracle_label",
			"an id beside the prompt's text is that of the row"},
		{"id,rating", "id=prompt_id rating=oracle_label", "alone it is all there is"},
		{"qid,logprob,new_logprob,label", "label=oracle_label logprob=base_policy_logprob " +
			"new_logprob=target_policy_logprobs.new qid=prompt_id", "log-probs by policy"},
		{"qid,logp,target_policy_logprobs.a b,label", "label=oracle_label logp=base_policy_logprob qid=prompt_id " +
			"target_policy_logprobs.a b=target_policy_logprobs.a b", "as WriteSamplesCSV has them"},
		{"qid,mean_logprob,prompt_logprob,label", "label=oracle_label qid=prompt_id",
			"neither is a sum over the response's tokens"},
		{"qid,model,logprob,label", "label=oracle_label logprob=base_policy_logprob qid=prompt_id",
			"a model beside the logging policy's log-probs is a remark"},
		{"qid,model,label", "label=oracle_label model=policy qid=prompt_id", "without them it names the policy"},
	} {
		n := strings.Count(tt.header, ",")
		got, err := table(t, tt.header+"\n"+strings.Repeat("0,", n)+"0\n", TableOptions{})
		if strings.Contains(tt.header, "log") { // a log-prob of 0 is one, and so are the others
			got, err = table(t, tt.header+"\n0"+strings.Repeat(",-1", n-1)+",.5\n", TableOptions{})
		}
		if err != nil {
			t.Errorf("%s: %v: %s", tt.header, err, tt.reason)
			continue
		}
		var is []string
		for _, name := range strings.Split(tt.header, ",") {
			for field, column := range got.Columns {
				if column == name {
					is = append(is, name+"="+field)
				}
			}
		}
		want := strings.Split(tt.want, " ")
		for _, w := range strings.Fields(tt.want) {
			if !strings.Contains(strings.Join(is, " "), w) {
				t.Errorf("%s: read as %q, want %q: %s", tt.header, is, want, tt.reason)
				break
			}
		}
		if len(is)+len(got.Unread) != n+1 || len(is) != strings.Count(tt.want, "=") {
			t.Errorf("%s: read as %q, unread %q: %s", tt.header, is, got.Unread, tt.reason)
		}
	}
}

// What is read otherwise than it stands there, and what is refused, by line.
func TestTableCells(t *testing.T) {
	five, hundred := Scale{1, 5}, Scale{0, 100}
	for _, tt := range []struct {
		text   string
		opt    TableOptions
		want   string // labels
		err    string
		reason string
	}{
		{"qid,label\na,.5\nb, 1 \nc,0\n", TableOptions{}, "0.5 1 0", "", "plain numbers"},
		{"qid,label\na,NA\nb,nan\nc,\nd,null\ne,None\nf,1\n", TableOptions{}, "missing missing missing missing missing 1",
			"", "five words for nothing"},
		{"qid;label\na;0.5\n", TableOptions{}, "0.5", "", "semicolons"},
		{"qid,label\na,50%\nb,100 %\n", TableOptions{}, "0.5 1", "", "percentages"},
		{"qid,label\na,50%\n", TableOptions{Labels: hundred}, "0.5", "", "percentages on a scale of percent"},
		{"qid,label\na,50%\nb,.5\n", TableOptions{}, "", "in.csv:3", "one cell is no percentage"},
		{"qid,label\na,50%\n", TableOptions{Labels: five}, "", "in.csv:2", "half of what?"},
		{"qid,label\na,1\nb,3\nc,5\n", TableOptions{Labels: five}, "0 0.5 1", "", "a scale of five"},
		{"qid,label\na,1\nb,6\n", TableOptions{Labels: five}, "", "in.csv:3", "above the scale"},
		{"qid,label\na,1\nb,0\n", TableOptions{Labels: five}, "", "in.csv:3", "below it"},
		{"qid,label\na,1\nb,4\n", TableOptions{}, "", "they run from 1 to 4", "another scale, and nobody says so"},
		{"qid,label\na,.5\nb,-1\n", TableOptions{}, "", "stands for a missing one", "a number that means nothing"},
		{"qid,label\na,80\nb,.9\nc,75\n", TableOptions{Labels: hundred}, "", "in.csv:3", "two scales in one column"},
		{"qid,label\na,80.5\nb,.5\n", TableOptions{Labels: hundred}, "0.805 0.005", "", "fractions all along"},
		{"qid,label\na,True\n", TableOptions{}, "", "write 1 or 0", "a word"},
		{"qid;label\na;0,5\n", TableOptions{}, "", "decimal point", "a comma for a point"},
		{"qid,label\na,inf\n", TableOptions{}, "", "in.csv:2", "no finite number"},
		{"qid,label\na,0x1p-1\n", TableOptions{}, "", "in.csv:2", "what only a programmer writes"},
		{"qid,draw,label\na,1.5,1\n", TableOptions{}, "", "whole number", "half a draw"},
		{"qid,human,gold\na,1,1\n", TableOptions{}, "", `"human", "gold" could each be oracle_label`, "which of the two?"},
		{"qid,human,gold\na,1,0\n", TableOptions{Columns: map[string]string{"label": "gold"}}, "0", "", "that one"},
		{"Question ID,My Truth\na,1\n", TableOptions{Columns: map[string]string{"label": "my truth",
			"prompt_id": "Question ID"}}, "1", "", "names but for case and spaces"},
		{"qid,human\na,1\n", TableOptions{Columns: map[string]string{"label": "gild"}}, "", `no column is called "gild"`,
			"a mistyped column"},
		{"qid,human\na,1\n", TableOptions{Columns: map[string]string{"lable": "human"}}, "", `"lable" is no field`,
			"a mistyped field"},
		{"a,0.5\nb,0.7\n", TableOptions{}, "", `there are "a", "0.5"`, "no header"},
		{"qid,policy,label\na,p0,1\nb,,1\n", TableOptions{}, "", "in.csv:3", "a response of nobody"},
		{"qid,policy,label\na,p0,1\n", TableOptions{Logging: "q0"}, "", `no row is of "q0"`, "a mistyped policy"},
		{`{"qid": 1, "label": "0.5"}` + "\n", TableOptions{}, "", "in.csv:1", "text where JSON has numbers"},
		{`{"qid": 1, "label": 0.5}` + "\n" + `{"qid": 2}` + "\n", TableOptions{}, "0.5 missing", "", "JSON lines"},
		{`[{"qid": 1, "label": 0.5}, {"qid": 2, "label": null}]`, TableOptions{}, "0.5 missing", "", "an array"},
	} {
		got, err := table(t, tt.text, tt.opt)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want an error with %q: %s", tt.text, err, tt.err, tt.reason)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v: %s", tt.text, err, tt.reason)
			continue
		}
		var labels []string
		for _, s := range got.Samples {
			labels = append(labels, s.OracleLabel.String())
		}
		if l := strings.Join(labels, " "); l != tt.want {
			t.Errorf("%q: labels %s, want %s: %s", tt.text, l, tt.want, tt.reason)
		}
	}
	for text, want := range map[string]error{"qid,label\na,7\n": ErrScale, "a,b\n1,2\n": ErrColumns} {
		if _, err := table(t, text, TableOptions{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if _, err := table(t, "qid,label\na,1\n", TableOptions{Labels: Scale{5, 1}}); err == nil {
		t.Error("a scale from best to worst is taken")
	}
}

// Rows of several policies: whose are the logs, and whose are draws.
func TestTablePolicies(t *testing.T) {
	got, err := table(t, "question,variant,answer,label\nx,new,a,1\nx,control,b,0\nx,new,c,.5\ny,control,d,\n",
		TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Logging != "control" || len(got.Samples) != 2 || len(got.Draws["new"]) != 2 {
		t.Fatalf("logging %q, %d samples, draws %v", got.Logging, len(got.Samples), got.Draws)
	}
	a, b := got.Draws["new"][0], got.Draws["new"][1]
	if a.PromptID != got.Samples[0].PromptID || a.DrawIdx != 0 || b.DrawIdx != 1 {
		t.Errorf("%+v and %+v are two draws for the prompt of %+v", a, b, got.Samples[0])
	}
	if fmt.Sprint(got.Lines, got.DrawLines) != "[3 5] map[new:[2 4]]" {
		t.Errorf("lines %v and %v", got.Lines, got.DrawLines)
	}
	if len(got.Scored) != 0 {
		t.Errorf("nothing is scored, and %v says what of", got.Scored)
	}
	got, err = table(t, "qid,policy,logprob,label\nx,a,,1\nx,b,-3,0\n", TableOptions{})
	if err != nil || got.Logging != "b" {
		t.Errorf("%v: the policy with log-probs wrote the logs, not %q", err, got.Logging)
	}
}

// What is odd and no error is said.
func TestTableNotes(t *testing.T) {
	for text, want := range map[string]string{
		"label\n1\n0\n":                                   "each is taken for a prompt of its own",
		"response,label\nx,1\ny,0\n":                      "made of its response's text",
		"qid,label\na,.5\nb,.5\n":                         "Every label is 0.5",
		"qid,label\na,.5\na,.5\nb,1\n":                    "1 of 3 rows repeat another row",
		"qid,policy,logprob,label\na,p0,-1,1\na,q,-2,0\n": "only p0's responses can be weighted",
	} {
		got, err := table(t, text, TableOptions{})
		if err != nil || !strings.Contains(strings.Join(got.Notes, " "), want) {
			t.Errorf("%q: %v, %+v, want a note with %q", text, err, got, want)
		}
	}
}

// What WriteSamplesCSV wrote, ReadTable reads.
func TestTableReadsSamples(t *testing.T) {
	want := []Sample{{PromptID: "a", Prompt: "x, y", Response: "z", BasePolicyLogProb: Known(-1),
		TargetPolicyLogProbs: map[string]Float{"pi": Known(-2), "far": {}}, JudgeScore: Known(.25), OracleLabel: Known(1),
		InclusionProb: Known(.5), Metadata: map[string]any{"language": "English"}}}
	var b bytes.Buffer
	if err := WriteSamplesCSV(&b, []string{"pi", "far"}, func(yield func(Sample) bool) { yield(want[0]) }); err != nil {
		t.Fatal(err)
	}
	got, err := table(t, b.String(), TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.Samples) != fmt.Sprint(want) {
		t.Errorf("%+v\nwant %+v", got.Samples, want)
	}
}

// No bytes make ReadTable panic, and no label or score leaves [0, 1].
func FuzzReadTable(f *testing.F) {
	f.Add("qid,label,score\na,50%,NA\n", 0.0, 1.0)
	f.Add("{\"qid\": 1, \"label\": 3, \"target_policy_logprobs\": {\"a\": -1}}\n", 1.0, 5.0)
	f.Add("id;model;metadata;human\n1;x;{\"language\": \"en\"};2\n", 0.0, 100.0)
	f.Fuzz(func(t *testing.T, text string, low, high float64) {
		got, err := table(t, text, TableOptions{Labels: Scale{low, high}, Scores: Scale{low, high}})
		if err != nil {
			return
		}
		grade := func(f Float) {
			if v := f.OrNaN(); v < -1e-9 || v > 1+1e-9 {
				t.Errorf("grade %v of %q on the scale from %v to %v", v, text, low, high)
			}
		}
		for _, s := range got.Samples {
			grade(s.OracleLabel)
			grade(s.JudgeScore)
		}
		for _, draws := range got.Draws {
			for _, d := range draws {
				grade(d.OracleLabel)
				grade(d.JudgeScore)
			}
		}
	})
}
