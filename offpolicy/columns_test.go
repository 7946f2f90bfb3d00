package offpolicy

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Two spellings of one name are asked about; two names are not.
func TestLookalikes(t *testing.T) {
	known := dataset.Known
	rows := func(names ...string) Samples {
		s := Samples{Logging: "p0"}
		for i := range 20 {
			s.Rows = append(s.Rows, Row{PromptID: string(rune('a' + i)), LogProbs: map[string]dataset.Float{"p0": known(-1),
				names[i%len(names)]: known(-2)}})
		}
		return s
	}
	both := rows("model_a")
	for _, r := range both.Rows {
		r.LogProbs["model_b"] = known(-3)
	}
	folder := rows("pi_cot")
	folder.Draws = map[string][]Draw{"pi-cott": {{PromptID: "a"}}}
	same := Samples{Logging: "model_a", Rows: []Row{{PromptID: "a"}},
		Draws: map[string][]Draw{"model_b": {{PromptID: "a"}}}}
	for name, tt := range map[string]struct {
		s    Samples
		want int
	}{
		"half of the rows each":          {rows("pi_cot", "pi_cto"), 1},
		"case and marks":                 {rows("pi_cot", "Pi-CoT"), 1},
		"a folder with another letter":   {folder, 1},
		"numbers are names":              {rows("pi_cot1", "pi_cot2"), 0},
		"short names differ in a letter": {rows("pa", "pb"), 0},
		"both on every row":              {both, 0},
		"both answer the same prompts":   {same, 0},
		"another name":                   {rows("pi_cot", "pi_bad"), 0},
	} {
		if got := TableOf(tt.s).lookalikes(); len(got) != tt.want {
			t.Errorf("%s: %q, want %d notes", name, got, tt.want)
		}
	}
}

func TestFromColumns(t *testing.T) {
	nan := dataset.Float{}.OrNaN()
	s := FromColumns(Columns{Logging: "p0", PromptID: []string{"a", "a", "b"}, Policy: []string{"p0", "pi", "pi"},
		LogProbs: map[string][]float64{"p0": {-1, nan, nan}, "pi": {-2, nan, nan}}, Labels: []float64{1, nan, .5}})
	if len(s.Rows) != 1 || s.Rows[0].LogProbs["pi"].OrNaN() != -2 || len(s.Draws["pi"]) != 2 ||
		s.Draws["pi"][0].Label.Valid() {
		t.Errorf("%+v", s)
	}
	defer func() {
		if r, _ := recover().(string); !strings.HasPrefix(r, "offpolicy: ") {
			t.Errorf("columns of 2 and 3 entries: %q", r)
		}
	}()
	FromColumns(Columns{Scores: make([]float64, 2), Labels: make([]float64, 3)})
}
