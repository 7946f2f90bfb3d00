package cje_test

import (
	"fmt"
	"math"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/cje"
	"github.com/reweigh/reweigh/offpolicy"
)

// Sixty responses with scores from 0 to 1, every other one labeled, and a target
// that prefers what scores well.
func samples() offpolicy.Samples {
	s := offpolicy.Samples{Logging: "p0", Judge: "judge@1", Scored: map[string]dataset.Scored{
		"p0": {Distribution: dataset.SamplingDistribution}, "target": {Distribution: dataset.SamplingDistribution},
	}, Draws: map[string][]offpolicy.Draw{}}
	for i := range 60 {
		id, score := fmt.Sprintf("q%02d", i), float64(i)/59
		row := offpolicy.Row{PromptID: id, Score: dataset.Known(score), Length: dataset.Known(1),
			LogProbs: map[string]dataset.Float{"p0": dataset.Known(-3), "target": dataset.Known(-3 + math.Log(.5+score))}}
		if i%2 == 0 {
			row.Label = dataset.Known(.2 + .6*score)
		}
		s.Rows = append(s.Rows, row)
		s.Draws["target"] = append(s.Draws["target"], offpolicy.Draw{PromptID: id, Score: dataset.Known(math.Sqrt(score))})
	}
	return s
}

func ExampleNew() {
	ref, err := cje.New(cje.Monotone, samples())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range cje.Estimators() {
		e, err := ref.Estimate(id, "target")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%-18s %.4f [%.4f, %.4f] df %d\n", id, e.Value, e.Lower, e.Upper, e.DF)
	}
	// Output:
	// cje_snips          0.5514 [0.5088, 0.5940] df 0
	// cje_calibrated_ips 0.5430 [0.4581, 0.6278] df 4
	// cje_dr_cpo         0.5980 [0.5495, 0.6465] df 4
	// cje_tmle           0.5980 [0.5494, 0.6465] df 4
}

func ExampleReference_Diagnostics() {
	ref, err := cje.New(cje.Monotone, samples())
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := ref.Estimate(cje.CalibratedIPS, "target")
	if err != nil {
		fmt.Println(err)
		return
	}
	d := ref.Diagnostics(cje.CalibratedIPS, "target", e)
	fmt.Printf("ESS/n %.2f, Hellinger affinity %.2f, boundary %s, flags %q\n", d.ESSFraction, d.Hellinger,
		d.Boundary.Status, d.Flags)
	// Output:
	// ESS/n 0.94, Hellinger affinity 0.99, boundary OK, flags []
}

func ExampleCalibratedMean() {
	var ids []string
	var score, label []float64
	for _, r := range samples().Rows {
		ids, score, label = append(ids, r.PromptID), append(score, r.Score.OrNaN()), append(label, r.Label.OrNaN())
	}
	m, _, err := cje.CalibratedMean(cje.TwoStage, ids, score, label, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.4f [%.4f, %.4f] df %d\n", m.Value, m.Lower, m.Upper, m.DF)
	// Output:
	// 0.5146 [0.4502, 0.5789] df 4
}
