package report

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// comparable is a verdict of 100 prompts that spent $1 and $10 on two models.
func comparable() *pilot.Verdict {
	v := fullVerdict()
	v.Run.Note, v.Run.Spent = "", 11.5
	v.Run.Rates = map[string]providers.Price{"small": {Input: 1, Output: 2}, "big": {Input: 10, Output: 20}}
	v.Run.Served = map[string]string{"small": "small-1", "big": "big-1"}
	v.Policies[0].Model, v.Policies[2].Model = "small", "small"
	v.Policies[3].Model = "small"
	v.Spending = []pilot.Spending{
		{Stage: "certify", Model: "small", PromptTokens: 500_000, CostUSD: 0.5},
		{Stage: "p0", Model: "small", PromptTokens: 500_000, CompletionTokens: 250_000, CostUSD: 1},
		{Stage: "judge", Model: "big", PromptTokens: 1_000_000, CostUSD: 10},
	}
	return v
}

func TestCompareFindsCauses(t *testing.T) {
	for _, c := range []struct {
		name   string
		alter  func(*pilot.Verdict)
		kind   causeKind
		of     string
		a, b   string   // words of the cause's two sides
		moves  []string // the policies whose figures it can explain
		reason string
	}{
		{"prompts", func(v *pilot.Verdict) { v.Run.Prompts = 200 }, causePrompts, "",
			"100 of testdata/arena.jsonl (9f86d081884c)", "200 of",
			[]string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "an extended run has other prompts"},
		{"input", func(v *pilot.Verdict) { v.Run.InputSHA = "ffff" }, causePrompts, "", "9f86", "ffff",
			[]string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "so has another file"},
		{"seed", func(v *pilot.Verdict) { v.Run.Seed = 7 }, causeSeed, "", "18446744073709551615", "7",
			[]string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "other draws"},
		{"servers", func(v *pilot.Verdict) { v.Run.Note = "simulator zero=1" }, causeServers, "", "simulated, no real money",
			"simulator zero=1", []string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "a drill"},
		{"policy", func(v *pilot.Verdict) { v.Policies[2].Hash = "new" }, causePolicy, "pi_cot", "aa23456789abcdef", "new",
			[]string{"pi_cot"}, "its own figures alone"},
		{"policy gone", func(v *pilot.Verdict) { v.Policies = v.Policies[:4] }, causePolicy, "pi_bad", "cc23456789abcdef",
			"", nil, "nothing of it is left to explain"},
		{"served, of policies", func(v *pilot.Verdict) {
			v.Run.Served = map[string]string{"small": "small-2",
				"big": "big-1"}
		}, causeServed, "small", "small-1", "small-2", []string{"p0", "pi_cot", "pi_bigger_model"},
			"the policies of that model"},
		{"served, of a grader", func(v *pilot.Verdict) {
			v.Run.Served = map[string]string{"small": "small-1",
				"big": "big-2"}
		}, causeServed, "big", "big-1", "big-2", []string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"},
			"every score"},
		{"judge", func(v *pilot.Verdict) { v.Run.Judge = "j@2" }, causeJudge, "", "interval@", "j@2",
			[]string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "every score"},
		{"oracle", func(v *pilot.Verdict) { v.Run.Oracle = "o@2" }, causeOracle, "", "oracle@", "o@2",
			[]string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"}, "every calibrated score"},
		{"prices", func(v *pilot.Verdict) {
			v.Run.Rates = map[string]providers.Price{"small": {Input: 1, Output: 2},
				"big": {Input: 11, CachedInput: 1, Output: 20}}
		}, causePrices, "big", "10 in, 20 out", "11 in, 20 out, 1 cached", nil, "prices move no score"},
		{"version", func(v *pilot.Verdict) { v.Run.Versions = map[string]string{"go": "go1.25", "reweigh": "v0.2.0"} },
			causeVersion, "reweigh", "v0.1.0", "v0.2.0", []string{"p0", "pi_clone", "pi_cot", "pi_bigger_model", "pi_bad"},
			"computed otherwise"},
	} {
		b := comparable()
		c.alter(b)
		got := compare(comparable(), b)
		if len(got.Causes) != 1 {
			t.Errorf("%s: causes %+v", c.name, got.Causes)
			continue
		}
		x := got.Causes[0]
		if x.Kind != c.kind || x.Of != c.of || !strings.Contains(x.A, c.a) || !strings.Contains(x.B, c.b) {
			t.Errorf("%s: %+v (%s)", c.name, x, c.reason)
		}
		var moved []string
		for _, p := range got.Policies {
			if len(p.Causes) > 0 {
				moved = append(moved, p.Name)
			}
		}
		if !slices.Equal(moved, c.moves) {
			t.Errorf("%s can explain %v, want %v (%s)", c.name, moved, c.moves, c.reason)
		}
	}
	renamed := comparable()
	renamed.Run.Input = "elsewhere/arena.jsonl"
	if got := compare(comparable(), renamed); len(got.Causes) != 0 || len(got.Checks) != 0 {
		t.Errorf("a renamed file is the same input: %+v", got.Causes)
	}
}

func TestCompareSplitsTheCost(t *testing.T) {
	for _, c := range []struct {
		name                   string
		alter                  func(*pilot.Verdict)
		prompts, prices, usage float64
		reason                 string
	}{
		{"nothing", func(*pilot.Verdict) {}, 0, 0, 0, "equal runs"},
		{"twice the prompts", func(v *pilot.Verdict) {
			v.Run.Prompts, v.Run.Spent = 200, 22.5
			v.Spending[1].CostUSD, v.Spending[2].CostUSD = 2, 20
		}, 11, 0, 0, "certification, $0.50, is paid once"},
		{"dearer", func(v *pilot.Verdict) {
			v.Run.Rates["big"] = providers.Price{Input: 12, Output: 20}
			v.Run.Spent, v.Spending[2].CostUSD = 13.5, 12
		}, 0, 2, 0, "12 - 10 for a million tokens"},
		{"longer", func(v *pilot.Verdict) {
			v.Run.Spent = 12.5
			v.Spending[1].CompletionTokens, v.Spending[1].CostUSD = 750_000, 2
		}, 0, 0, 1, "half a million more tokens at $2"},
		{"all three", func(v *pilot.Verdict) {
			v.Run.Prompts = 200
			v.Run.Rates["small"] = providers.Price{Input: 2, Output: 4}
			v.Spending[0].CostUSD = 1
			v.Spending[1] = pilot.Spending{Stage: "p0", Model: "small", PromptTokens: 1_000_000, CompletionTokens: 1_000_000,
				CostUSD: 6}
			v.Spending[2] = pilot.Spending{Stage: "judge", Model: "big", PromptTokens: 2_000_000, CostUSD: 20}
			v.Run.Spent = 27
		}, 11, 3.5, 1, "by hand: 27 - 11.5 = 11 + (0.5 + 3) + 1"},
		{"a model without a price in A", func(v *pilot.Verdict) {
			v.Run.Spent = 20
			v.Spending = append(v.Spending, pilot.Spending{Stage: "judge", Model: "new", PromptTokens: 1, CostUSD: 8.5})
			v.Run.Rates["new"] = providers.Price{Input: 1, Output: 1}
		}, 0, math.NaN(), 8.5, "what cannot be told apart is not split"},
		{"usage that nobody saw, at new prices", func(v *pilot.Verdict) {
			v.Run.Rates["small"] = providers.Price{Input: 2, Output: 4}
			v.Run.Spent = 12
			v.Spending = append(v.Spending, pilot.Spending{Stage: "p0", Model: "small", CostUSD: 0.5, UnseenUSD: 0.5})
		}, 0, math.NaN(), 0.5, "a reservation has no tokens to price"},
	} {
		b := comparable()
		c.alter(b)
		got := compare(comparable(), b).Cost
		for name, pair := range map[string][2]float64{
			"prompts": {got.Prompts.OrNaN(), c.prompts}, "prices": {got.Prices.OrNaN(), c.prices},
			"usage": {got.Usage.OrNaN(), c.usage},
		} {
			if d := pair[0] - pair[1]; !(math.Abs(d) < 1e-9) && !(math.IsNaN(pair[0]) && math.IsNaN(pair[1])) {
				t.Errorf("%s: %s is %v, want %v (%s)", c.name, name, pair[0], pair[1], c.reason)
			}
		}
		sum := float64(got.Prompts.OrNaN() + got.Usage.OrNaN())
		if got.Prices.Valid() {
			sum += got.Prices.OrNaN()
		}
		if math.Abs(sum-(got.B-got.A)) > 1e-9 {
			t.Errorf("%s: the parts add up to %v, the difference is %v", c.name, sum, got.B-got.A)
		}
	}
}

func TestCompareFindsChecks(t *testing.T) {
	a, b := comparable(), comparable()
	find := func(v *pilot.Verdict, id string) *record.Finding {
		for i := range v.Checks {
			if v.Checks[i].ID == id {
				return &v.Checks[i]
			}
		}
		t.Fatal(id)
		return nil
	}
	find(b, "logprobs.zero").Status = record.Pass
	find(b, "p0.complete").Status = record.Hold
	find(b, "cost.estimate").Waived = ""
	b.Checks = slices.DeleteFunc(b.Checks, func(c record.Finding) bool { return c.ID == "judge.support" })
	b.Checks = append(b.Checks, record.Finding{ID: "projection.cost", Status: record.Info, Summary: "new"})
	type brief struct {
		ID     string
		A, B   record.Status
		Worse  int
		Waived [2]bool
	}
	var got []brief
	for _, c := range compare(a, b).Checks {
		got = append(got, brief{c.ID, c.A, c.B, c.MoreSevereBy, [2]bool{c.WaivedA, c.WaivedB}})
	}
	want := []brief{
		{"p0.complete", record.Pass, record.Hold, 2, [2]bool{}},
		{"logprobs.zero", record.Fail, record.Pass, -3, [2]bool{}},
		{"cost.estimate", record.Fail, record.Fail, 0, [2]bool{true, false}},
		{"projection.cost", "", record.Info, 0, [2]bool{}},
		{"judge.support", record.Info, "", 0, [2]bool{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCompareTextIsPlain shows hostile verdicts: no control character, no line
// beyond the width, nothing left out by a run that has only begun.
func TestCompareTextIsPlain(t *testing.T) {
	pairs := map[string][2]*pilot.Verdict{"full and running": {fullVerdict(), runningVerdict()},
		"running and full": {runningVerdict(), fullVerdict()}, "itself": {fullVerdict(), fullVerdict()}}
	for name, p := range pairs {
		for _, width := range []int{0, 40, 200} {
			var b bytes.Buffer
			if err := Compare(&b, p[0], p[1], "a\x1b[2J"+hostile, "b", width); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if n := len([]rune(line)); n > max(width, 40) && width != 0 || n > 80 && width == 0 {
					t.Errorf("%s at %d: a line of %d columns: %q", name, width, n, line)
				}
				if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' }); i >= 0 {
					t.Errorf("%s: control character in %q", name, line)
				}
			}
			if name == "itself" && (!strings.Contains(b.String(), "Nothing: prompts") ||
				!strings.Contains(b.String(), "  None.\n") || !strings.Contains(b.String(), "cost the same")) {
				t.Errorf("two equal runs differ:\n%s", b.String())
			}
		}
	}
}
