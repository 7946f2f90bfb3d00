package cje

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy"
)

// num is a number of a golden file: NaN and infinities are strings there, and
// what is absent is null.
type num float64

func (n *num) UnmarshalJSON(b []byte) error {
	switch s := strings.Trim(string(b), `"`); s {
	case "null", "NaN":
		*n = num(math.NaN())
	case "+Inf":
		*n = num(math.Inf(1))
	case "-Inf":
		*n = num(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

func floats(v []num) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(shareddata.File(t, "goldens/"+name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// rounding is what a sum of a few hundred numbers about 1 may be off by: the
// smallest difference that near minds.
const rounding = 1e-14

// near fails unless got is want to a relative tolerance; NaN equals NaN.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if math.IsNaN(want) && math.IsNaN(got) || got == want {
		return
	}
	if !(math.Abs(got-want) <= max(tol*math.Abs(want), rounding)) {
		t.Errorf("%s is %v, reference %v", what, got, want)
	}
}

func nearAll(t *testing.T, what string, got []float64, want []num, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, reference %d", what, len(got), len(want))
		return
	}
	for i := range got {
		near(t, fmt.Sprintf("%s[%d]", what, i), got[i], float64(want[i]), tol)
	}
}

// readSamples reads a folder of logged.jsonl and fresh_draws.
func readSamples(t testing.TB, dir string) offpolicy.Samples {
	t.Helper()
	logged, err := dataset.ReadFile[dataset.Sample](shareddata.File(t, dir+"/logged.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := map[string][]dataset.FreshDraw{}
	files, err := filepath.Glob(filepath.Join(shareddata.File(t, dir+"/fresh_draws"), "*_responses.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		rows, err := dataset.ReadFile[dataset.FreshDraw](file)
		if err != nil {
			t.Fatal(err)
		}
		fresh[strings.TrimSuffix(filepath.Base(file), "_responses.jsonl")] = rows
	}
	s, err := offpolicy.FromRecords(dataset.Logs{
		Logging: "base", Judge: "judge@golden", Samples: logged, Draws: fresh, Scored: dataset.Unstated("base", logged),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
