package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
)

// world draws labeled scores: label = .1 + .8 score + noise whose standard
// deviation follows what the judge states, or the score where it states nothing.
func world(n int, source Source) []Labeled {
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]Labeled, n)
	for i := range rows {
		s := Score{Mean: dataset.Known(r.Float64()), Source: source}
		sd := .02 + .1*s.Mean.OrNaN()
		if source == SourceInterval {
			sd = .02 + .1*r.Float64()
			s.Variance = dataset.Known(4 * sd * sd) // overdone by half, and in the right order
		}
		rows[i] = Labeled{PromptID: fmt.Sprint(i), Score: s,
			Label: dataset.Known(.1 + .8*s.Mean.OrNaN() + sd*r.NormFloat64()), InclusionProb: dataset.Known(1)}
		rows[i].Label = dataset.Known(min(1, max(0, rows[i].Label.OrNaN())))
	}
	return rows
}

func fitted(t *testing.T, rows []Labeled) (*offpolicy.Calibrator, *Uncertainty) {
	t.Helper()
	var labeled []offpolicy.LabeledScore
	for _, r := range rows {
		labeled = append(labeled, offpolicy.LabeledScore{PromptID: r.PromptID, Score: r.Score.Mean, Label: r.Label,
			InclusionProb: r.InclusionProb})
	}
	cal, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "j@1"}, labeled)
	if err != nil {
		t.Fatal(err)
	}
	u, err := FitUncertainty(cal, rows)
	if err != nil {
		t.Fatal(err)
	}
	return cal, u
}

// The residual part follows the score, and what the judge states where that is
// borne out. The bounds are a few times the noise of 4,000 labels.
func TestResidualFollows(t *testing.T) {
	_, u := fitted(t, world(4000, SourceDeterministic))
	for _, s := range []float64{.2, .5, .8} {
		sd := math.Sqrt(u.Parts("new", Score{Mean: dataset.Known(s), Source: SourceDeterministic}).Residual.OrNaN())
		if want := .02 + .1*s; math.Abs(sd/want-1) > .25 {
			t.Errorf("at score %v the residual's sd is %.4f, want about %.4f", s, sd, want)
		}
	}
	_, u = fitted(t, world(4000, SourceInterval))
	for _, want := range []float64{.04, .07, .1} {
		sd := math.Sqrt(u.Parts("new", Score{Mean: dataset.Known(.5), Variance: dataset.Known(4 * want * want),
			Source: SourceInterval}).Residual.OrNaN())
		if math.Abs(sd/want-1) > .25 {
			t.Errorf("where %.2f is the noise the residual's sd is %.4f", want, sd)
		}
	}
}

// The parts do not overlap: where half of the squared error is the judge's own
// noise, and it says so, sampling has that half and the sum is right. 4,000
// squared errors are known to 2.2%.
func TestPartsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	rows := make([]Labeled, 4000)
	for i := range rows {
		merit := r.Float64()
		s := Score{Mean: dataset.Known(min(1, max(0, merit+.1*r.NormFloat64()))), Variance: dataset.Known(.01),
			Source: SourceRepeated}
		rows[i] = Labeled{PromptID: fmt.Sprint(i), Score: s,
			Label: dataset.Known(.1 + .8*merit + .08*(2*r.Float64()-1)*math.Sqrt(3)), InclusionProb: dataset.Known(1)}
		rows[i].Label = dataset.Known(min(1, max(0, rows[i].Label.OrNaN())))
	}
	cal, u := fitted(t, rows)
	var sampling, total, squares float64
	for _, row := range rows {
		p := u.Parts(row.PromptID, row.Score)
		e := row.Label.OrNaN() - cal.PredictFor(row.PromptID, row.Score.Mean.OrNaN())
		sampling, total, squares = sampling+p.Sampling.OrNaN(), total+p.Total().OrNaN(), squares+e*e
	}
	if share := sampling / total; share < .35 || share > .55 {
		t.Errorf("sampling is %.2f of what is stated, want about half", share)
	}
	if ratio := squares / total; math.Abs(ratio-1) > .09 {
		t.Errorf("squared errors are %.3f of the stated variances", ratio)
	}
}

// The parts are the stated formulas, and add up.
func TestParts(t *testing.T) {
	cal, u := fitted(t, world(500, SourceDeterministic))
	s := Score{Mean: dataset.Known(.5), Variance: dataset.Known(.0004), Source: SourceRepeated}
	slope := (cal.PredictFor("new", .55) - cal.PredictFor("new", .45)) / .1
	p := u.Parts("new", s)
	if want := slope * slope * .0004; math.Abs(p.Sampling.OrNaN()-want) > 1e-12 || want == 0 {
		t.Errorf("sampling %v, want f'²V = %v", p.Sampling.OrNaN(), want)
	}
	if p.Calibrator.OrNaN() <= 0 || p.Residual.OrNaN() <= 0 ||
		p.Total().OrNaN() != p.Sampling.OrNaN()+p.Residual.OrNaN()+p.Calibrator.OrNaN() {
		t.Errorf("parts %+v of %v", p, p.Total().OrNaN())
	}
	for _, s := range []Score{{Mean: dataset.Known(.5), Variance: dataset.Known(.0004), Source: SourceInterval},
		{Mean: dataset.Known(.5), Source: SourceDeterministic}, {Mean: dataset.Known(.5), Source: SourceRepeated}} {
		if got := u.Parts("new", s); got.Sampling.OrNaN() != 0 || !got.Total().Valid() {
			t.Errorf("%s: %+v: only readings sample", s.Source, got)
		}
	}
	few := u
	_, more := fitted(t, world(4000, SourceDeterministic))
	if a, b := few.Parts("new", s).Calibrator, more.Parts("new", s).Calibrator; b.OrNaN() >= a.OrNaN() {
		t.Errorf("eight times the labels: the curve's variance goes from %v to %v", a.OrNaN(), b.OrNaN())
	}
}

func TestCalibrate(t *testing.T) {
	rows := world(100, SourceDeterministic)
	cal, u := fitted(t, rows)
	r := dataset.JudgeScore{PromptID: "7", Policy: "p0", Judge: "j@1", Mean: dataset.Known(.4),
		Variance: dataset.Known(0), Source: string(SourceDeterministic)}
	if err := u.Calibrate(&r); err != nil {
		t.Fatal(err)
	}
	if r.Calibrated.OrNaN() != cal.PredictFor("7", .4) || r.VarianceParts == nil ||
		r.CalibratedVariance != r.VarianceParts.Total() {
		t.Errorf("record %+v", r)
	}
	other := r
	other.Judge = "j@2"
	if err := u.Calibrate(&other); err == nil || !strings.Contains(err.Error(), "j@2") ||
		!strings.Contains(err.Error(), "7/p0/0") {
		t.Errorf("another judge's score: error %v, want one that names both", err)
	}
	unscored := dataset.JudgeScore{Judge: "j@1"}
	if err := u.Calibrate(&unscored); err != nil || unscored.Calibrated.Valid() || unscored.VarianceParts != nil {
		t.Errorf("an unscored response: %+v, %v", unscored, err)
	}
}

func TestFitUncertaintyRefuses(t *testing.T) {
	rows := world(100, SourceDeterministic)
	cal, _ := fitted(t, rows)
	shuffled := slices.Clone(rows)
	slices.Reverse(shuffled)
	for reason, bad := range map[string][]Labeled{"fewer": rows[:99], "another order": shuffled, "none": nil} {
		if _, err := FitUncertainty(cal, bad); err == nil || !strings.Contains(err.Error(), "j@1") {
			t.Errorf("%s: error %v, want a refusal that names the judge", reason, err)
		}
	}
	var long []offpolicy.LabeledScore
	for i, r := range rows {
		long = append(long, offpolicy.LabeledScore{PromptID: r.PromptID, Score: r.Score.Mean, Label: r.Label,
			InclusionProb: dataset.Known(1), Covariate: dataset.Known(float64(i))})
	}
	two, err := offpolicy.FitCalibrator(offpolicy.CalibrationConfig{Judge: "j@1", Covariate: "length"}, long)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FitUncertainty(two, rows); err == nil || !strings.Contains(err.Error(), "length") {
		t.Errorf("a calibrator with a covariate: error %v, want one that names it", err)
	}
}

// The order of the rows decides nothing, and neither do a prompt's own labels.
func TestUncertaintyIsOutOfFold(t *testing.T) {
	rows := world(300, SourceDeterministic)
	_, u := fitted(t, rows)
	back := slices.Clone(rows)
	slices.Reverse(back)
	_, v := fitted(t, back)
	s := Score{Mean: dataset.Known(.3), Source: SourceDeterministic}
	if diff := cmp.Diff(u.Parts("5", s).Residual.OrNaN(), v.Parts("5", s).Residual.OrNaN()); diff != "" {
		t.Errorf("the order of the rows decides:\n%s", diff)
	}
	far := slices.Clone(rows)
	far[5].Label = dataset.Known(1 - math.Round(far[5].Label.OrNaN()))
	_, w := fitted(t, far)
	if a, b := u.Parts("5", rows[5].Score).Residual.OrNaN(), w.Parts("5",
		rows[5].Score).Residual.OrNaN(); math.Abs(a/b-1) > .1 {
		t.Errorf("its own label moves the residual part from %v to %v", a, b)
	}
}
