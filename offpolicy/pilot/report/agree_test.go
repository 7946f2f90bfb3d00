package report

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// The three files are compared through their text alone, as a reader would.
func TestRenderingsAgree(t *testing.T) {
	for name, v := range map[string]*pilot.Verdict{"full": fullVerdict(), "running": runningVerdict()} {
		texts := map[string]string{
			"md":   render(t, Markdown, v),
			"html": checkHTML(t, render(t, HTML, v)),
		}
		var contract struct {
			Decision string
			Checks   []struct{ ID, Status string }
			Stages   []struct {
				Name                 string
				Items, Failed, Calls int
				Cost                 float64 `json:"cost_usd"`
				Seconds              float64
			}
			Projection struct{ USD struct{ Value *float64 } }
		}
		if err := json.Unmarshal([]byte(render(t, JSON, v)), &contract); err != nil {
			t.Fatal(err)
		}
		want := []string{contract.Decision}
		for _, c := range contract.Checks {
			want = append(want, c.ID)
		}
		for _, s := range contract.Stages {
			want = append(want, s.Name, count(s.Items), count(s.Failed), count(s.Calls), usd(s.Cost), duration(s.Seconds))
		}
		if p := contract.Projection.USD.Value; p != nil {
			want = append(want, usd(*p))
		}
		for _, p := range v.Policies {
			want = append(want, p.Name, p.Model, p.Hash, number(p.LogProb.Q50.OrNaN()))
		}
		if v.Projection.Answer != "" { // the question that money is spent for
			for kind, form := range map[string]string{"md": mdText(clean(v.Projection.Answer)),
				"html": clean(v.Projection.Answer)} {
				if !strings.Contains(texts[kind], form) {
					t.Errorf("%s: %s does not say whether the full run answers", name, kind)
				}
			}
		}
		for kind, text := range texts {
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s: report.json has %q, report.%s has not", name, w, kind)
				}
			}
		}
		for _, c := range contract.Checks { // id and status together
			if md := "`" + c.ID + "` **" + strings.ToUpper(c.Status); !strings.Contains(texts["md"], md) {
				t.Errorf("%s: no %q in report.md", name, md)
			}
			if short := render(t, textOf(0), v); (c.Status == "fail" || c.Status == "hold") && !strings.Contains(short, c.ID) {
				t.Errorf("%s: %s is %s and not in the text", name, c.ID, c.Status)
			}
		}
		// What was evaluated, the two answers, the scores, what is wrong, and then the rest.
		short := render(t, textOf(0), v)
		for kind, text := range map[string]string{"md": texts["md"], "html": texts["html"], "txt": short} {
			at := 0
			order := []string{v.Run.Input, "Can the full run start?", "(" + contract.Decision + ")", "Would it answer?",
				sections["scores"].Title, sections["wrong"].Title, sections["checks"].Title}
			if kind == "txt" {
				order[len(order)-1] = "Checks: "
			}
			for _, want := range order {
				i := strings.Index(text[at:], want)
				if i < 0 {
					t.Errorf("%s: %q is not where it belongs in report.%s", name, want, kind)
					break
				}
				at += i
			}
		}
	}
}

// Tables come from one place; this catches a renderer that leaves a cell out.
func TestEveryCellIsShown(t *testing.T) {
	v := fullVerdict()
	d := newView(v)
	md, page := render(t, Markdown, v), checkHTML(t, render(t, HTML, v))
	for _, tab := range []table{d.Stages, d.Cost, d.LogProbs, d.Methods, d.Forcing, d.Weights, d.CalibrationBins,
		d.Ranking, d.Projection, d.Questions, d.Identities, d.Served} {
		rows := append([][]string{names(tab.Cols)}, tab.Rows...)
		if tab.Total != nil {
			rows = append(rows, tab.Total)
		}
		for _, r := range rows {
			if len(r) != len(tab.Cols) {
				t.Errorf("%s: a row of %d cells under %d columns", tab.Caption, len(r), len(tab.Cols))
			}
			for _, c := range r {
				if !strings.Contains(page, c) {
					t.Errorf("%s: no %q in report.html", tab.Caption, c)
				}
				if !strings.Contains(md, mdText(c)) {
					t.Errorf("%s: no %q in report.md", tab.Caption, c)
				}
			}
		}
	}
}

func TestChecksComeBySeverity(t *testing.T) {
	v := fullVerdict()
	v.Checks = append(v.Checks, record.Finding{ID: "odd.one", Status: "odd"})
	text := checkHTML(t, render(t, HTML, v))
	at := strings.Index(text, "Of unknown status")
	for _, id := range []string{"odd.one", "logprobs.zero", "cost.estimate", "models.served", "judge.support",
		"run.ratelimit", "prompts.fields", "weights.clone"} {
		i := strings.Index(text[max(at, 0):], id)
		if at < 0 || i < 0 {
			t.Fatalf("%s is not where its severity puts it: unknown first, then fail (waived last), hold, info, pass", id)
		}
		at += i
	}
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	v := fullVerdict()
	for range 2 { // the second time over what is there
		if err := WriteFiles(dir, v); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]func(io.Writer, *pilot.Verdict) error{JSONFile: JSON, markdownFile: Markdown,
		HTMLFile: HTML} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(render(t, f, v))) {
			t.Errorf("%s is not what its renderer writes", name)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Errorf("%d entries in the folder, want 3: %v", len(left), left)
	}

	// A verdict that cannot be written leaves the old reports alone.
	bad := fullVerdict()
	bad.Decision = record.GO
	bad.Run.Spent = math.Inf(1)
	if err := WriteFiles(dir, bad); err == nil || !strings.Contains(err.Error(), JSONFile) {
		t.Errorf("error %v; want one that names %s", err, JSONFile)
	}
	f, err := os.Open(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if old, err := Read(f, f.Name()); err != nil || old.Decision != record.NoGo {
		t.Errorf("the old report is gone: %v", err)
	}

	gone := filepath.Join(dir, "nowhere")
	if err := WriteFiles(gone, v); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("error %v; want one that names %s", err, gone)
	}
}

// Where a target cannot be replaced, its temporary file does not stay behind.
func TestWriteFilesCleansUp(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, markdownFile, "occupied"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFiles(dir, fullVerdict()); err == nil || !strings.Contains(err.Error(), markdownFile) {
		t.Errorf("error %v; want one that names %s", err, markdownFile)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestNilVerdictPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"JSON":       func() { _ = JSON(io.Discard, nil) },
		"Markdown":   func() { _ = Markdown(io.Discard, nil) },
		"HTML":       func() { _ = HTML(io.Discard, nil) },
		"Text":       func() { _ = Text(io.Discard, nil, 80) },
		"WriteFiles": func() { _ = WriteFiles(t.TempDir(), nil) },
	} {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "report: ") {
					t.Errorf("%s(nil) panics with %q; want the package's name", name, s)
				}
			}()
			f()
		}()
	}
}

// What was waived, could not be computed, or is not conclusive stands where the
// everybody reads, in all three forms: nobody has to unfold it.
func TestNothingIsOverlooked(t *testing.T) {
	c := func(id string, s record.Status, summary, waived string) record.Finding {
		return record.Finding{ID: id, Status: s, Summary: summary, Waived: waived, Remedy: "look"}
	}
	skipped := func(id string) record.Finding {
		return record.Finding{ID: id, State: record.NotComputed, Status: record.Fail,
			Summary: "not computed: the run stopped in stage judge (quota)", Remedy: "look"}
	}
	for _, row := range []struct {
		name   string
		checks []record.Finding
		says   []string
		reason string
	}{
		{"waived", []record.Finding{c("prompts.fields", record.Pass, "fine", ""),
			c("cost.estimate", record.Fail, "twice the estimate", "agreed with finance")},
			[]string{"GO", "cost.estimate", "twice the estimate", "agreed with finance",
				"1 check that failed or held was waived"}, "a GO that owes itself to a waiver says so beside it"},
		{"not computed", []record.Finding{c("run.errors", record.Fail, "stopped in stage judge (quota)", ""),
			skipped("judge.complete"), skipped("policies.ranking")},
			[]string{"NO-GO", "run.errors", "not computed: the run stopped", "judge.complete", "policies.ranking"},
			"an absent answer is not a pass"},
		{"not conclusive", []record.Finding{c("weights.clone", record.Hold, "3 of 100 beyond 0.2: neither 1 nor not", "")},
			[]string{"HOLD", "weights.clone", "neither 1 nor not"}, "what a sample leaves open holds"},
	} {
		v := &pilot.Verdict{SchemaVersion: 2, State: "done", Checks: row.checks, Waivers: map[string]string{}}
		for _, check := range row.checks {
			if check.Waived != "" {
				v.Waivers[check.ID] = check.Waived
			}
		}
		v.Decision, v.Reasons = record.Decide(v.Checks)
		page := render(t, HTML, v)
		head, _, ok := strings.Cut(page, `<details class="fold"`)
		if !ok {
			t.Fatal("the page folds nothing")
		}
		md, _, _ := strings.Cut(render(t, Markdown, v), "\n## "+sections["checks"].Title)
		term, _, _ := strings.Cut(render(t, textOf(200), v), "\nChecks:")
		var fields struct {
			Decision string
			Reasons  []string
			Waivers  map[string]string
		}
		if err := json.Unmarshal([]byte(render(t, JSON, v)), &fields); err != nil {
			t.Fatal(err)
		}
		for _, want := range row.says {
			for form, text := range map[string]string{"html": html.UnescapeString(head), "md": strings.ReplaceAll(md, `\`, ""),
				"txt": term} {
				if !strings.Contains(text, want) {
					t.Errorf("%s: the head of report.%s does not say %q (%s):\n%s", row.name, form, want, row.reason, text)
				}
			}
		}
		if all := strings.Join(fields.Reasons, "\n"); !strings.Contains(all, row.says[1]) || fields.Decision != row.says[0] {
			t.Errorf("%s: report.json is %s for %q", row.name, fields.Decision, all)
		}
	}
}
