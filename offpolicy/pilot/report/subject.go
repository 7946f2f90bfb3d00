package report

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// subject is what a verdict is about: which policies, on which prompts, judged and
// labeled by whom.
type subject struct {
	Title    string
	Policies table
	Facts    []fact
}

const noPrompt = "no system prompt"

// longestPrompt is how much of a system prompt stands in a table, in characters.
const longestPrompt = 110

func newSubject(v *pilot.Verdict) subject {
	s := subject{Title: "Pilot of " + plural(v.Run.Prompts, "prompt", "prompts"), Policies: subjectTable(v)}
	var targets []string
	for _, p := range v.Policies {
		if p.Role == record.Target {
			targets = append(targets, clean(p.Name))
		}
	}
	if p0 := loggingName(v); p0 != "" && len(targets) > 0 {
		s.Title += fmt.Sprintf(": %s against %s", record.And(targets), p0)
	}
	s.add("Prompts", promptsFact(v))
	s.add("Sampling", commonSampling(v))
	s.add("Judge", judgeFact(v))
	s.add("Labels", labelsFact(v))
	servers := "live"
	if !v.Run.Live {
		servers = "simulated: dollars are what live ones would have charged"
	}
	s.add("Servers", servers)
	s.add("Spent", fmt.Sprintf("%s of an expected %s, in %s", usd(v.Run.Spent), usd(v.Cost.ExpectedUSD),
		duration(v.Run.Seconds)))
	return s
}

func (s *subject) add(name, value string) {
	if value != "" {
		s.Facts = append(s.Facts, fact{name, value})
	}
}

func loggingName(v *pilot.Verdict) string {
	for _, p := range v.Policies {
		if p.Role == record.Logging {
			return clean(p.Name)
		}
	}
	return clean(evaluationOf(v).Logging)
}

func promptsFact(v *pilot.Verdict) string {
	s := count(v.Run.Prompts)
	if v.Run.Input != "" {
		s += " of " + clean(v.Run.Input)
	}
	return s + fmt.Sprintf(", seed %d", v.Run.Seed)
}

// judgeFact says who scored, and how much.
func judgeFact(v *pilot.Verdict) string {
	who, scored := graders(v, record.StageJudge, v.Run.Judge), 0
	for _, p := range v.Policies {
		scored += p.Scored
	}
	switch {
	case who == "":
		return ""
	case made(v, record.StageJudge) == 0:
		return "no response is scored"
	}
	return fmt.Sprintf("%s, scored %s from 0 to 1", who, plural(scored, "response", "responses"))
}

// labelsFact says who labeled, and which policies' responses.
func labelsFact(v *pilot.Verdict) string {
	who := graders(v, record.StageOracle, v.Run.Oracle)
	if who == "" {
		return ""
	}
	e, p0 := evaluationOf(v), loggingName(v)
	switch {
	case made(v, record.StageOracle) == 0:
		return "no response is labeled"
	case e.Labels == 0:
		return who
	}
	s := fmt.Sprintf("%s, labeled %s of %s from 0 to 1", who, plural(e.Labels, "response", "responses"), p0)
	var own, none []string
	for _, p := range v.Policies {
		if d := e.Policies[p.Name]; d != nil && p.Role == record.Target {
			if n := d.Audit.Probes; n > 0 {
				own = append(own, fmt.Sprintf("%s of %s", count(n), clean(p.Name)))
			} else {
				none = append(none, clean(p.Name))
			}
		}
	}
	if len(own) > 0 {
		s += ", " + strings.Join(own, ", ")
	} else if len(none) > 0 {
		s += ", and none of the others"
	}
	return s
}

// made is how many records of a stage have a value.
func made(v *pilot.Verdict, stage string) int {
	n := 0
	for _, s := range v.Stages {
		if s.Name == stage {
			n += s.Items - s.Failed - s.Pending
		}
	}
	return n
}

// graders are the models that a stage's money went to, or else the name of who did the
// work without one.
func graders(v *pilot.Verdict, stage, identity string) string {
	var models []string
	for _, s := range v.Spending {
		if m := shortModel(s.Model); s.Stage == stage && m != "" && !slices.Contains(models, m) {
			models = append(models, m)
		}
	}
	name, _, _ := strings.Cut(clean(identity), "@")
	return cmp.Or(record.And(models), name)
}

// shortModel is the last part of a model's name, which tells models apart.
func shortModel(name string) string {
	if name == "" {
		return ""
	}
	return clean(path.Base(name))
}

// subjectTable says what each policy is.
func subjectTable(v *pilot.Verdict) table {
	t := table{Caption: "The policies: a policy is a model with its system prompt and its sampling",
		Cols: []column{text("Policy"), text("Part").drop(2), text("Model").drop(1), text("System prompt")}}
	own := commonSampling(v) == ""
	if own {
		t.Cols = append(t.Cols, text("Sampling").drop(3))
	}
	for _, p := range v.Policies {
		prompt := cmp.Or(clean(p.System), noPrompt)
		if p.Sampling == nil && p.System == "" {
			prompt = absent
		}
		row := []string{clean(p.Name), part(p.Role, loggingName(v)), shortModel(p.Model), cut(prompt, longestPrompt)}
		if own {
			row = append(row, sampling(p.Sampling))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// part says what a policy is there for.
func part(r record.Role, p0 string) string {
	switch r {
	case record.Logging:
		return "wrote the logs"
	case record.Clone:
		return p0 + " again, as a control"
	case record.Target:
		return "compared with " + p0
	}
	return clean(string(r))
}

func cut(s string, most int) string {
	if rs := []rune(s); len(rs) > most {
		return strings.TrimRight(string(rs[:most-1]), " ") + "…"
	}
	return s
}

// commonSampling is the sampling of all policies, empty if they differ or it is not known.
func commonSampling(v *pilot.Verdict) string {
	common := ""
	for _, p := range v.Policies {
		s := sampling(p.Sampling)
		if p.Sampling == nil || common != "" && s != common {
			return ""
		}
		common = s
	}
	return common
}

func sampling(s *pilot.Sampling) string {
	if s == nil {
		return absent
	}
	return fmt.Sprintf("temperature %s, top_p %s, top_k %s, at most %s", number(s.Temperature.OrNaN()),
		number(s.TopP.OrNaN()), count(s.TopK), plural(s.MaxTokens, "token", "tokens"))
}
