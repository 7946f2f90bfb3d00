package worlds

import (
	"math"
	"testing"
)

func TestLogProbGaps(t *testing.T) {
	for _, w := range all() {
		want := w.gaps.lossShare
		const n = 2_000
		data := w.Draw(n, 0, 0, 3)
		for _, target := range w.Targets {
			lost := 0.0
			for _, r := range data.Rows {
				if math.IsNaN(r.LogTarget[target.Name]) {
					lost++
				}
			}
			if got := lost / float64(len(data.Rows)); math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/n) {
				t.Errorf("%s, %s: %.3f of log-probs are missing, want %.3f", w.Name, target.Name, got, want)
			}
		}
	}
}

func TestGapsFallOnLongAndWorse(t *testing.T) {
	w := must(t, "missing_logprobs")
	f := w.sample(8_000, 3)
	data := w.show(f, 0, 0, 3)
	var length, label [2]moments
	for i, r := range data.Rows {
		g := 0
		if math.IsNaN(r.LogTarget["probed"]) {
			g = 1
		}
		length[g].add(r.Length)
		label[g].add(f.rows[i].label)
	}
	if length[1].sum/length[1].n < 1.3*length[0].sum/length[0].n {
		t.Error("gaps are not on long rows")
	}
	if label[1].sum/label[1].n > label[0].sum/label[0].n-.1 {
		t.Error("gaps are not on worse rows")
	}
}

func TestScoreGaps(t *testing.T) {
	for _, w := range all() {
		f := w.sample(2_000, 4)
		data := w.show(f, 0, 0, 4)
		var lost, kept moments
		for i, r := range data.Rows {
			if math.IsNaN(r.Score) {
				lost.add(f.rows[i].label)
			} else {
				kept.add(f.rows[i].label)
			}
		}
		want := w.gaps.scoreLoss
		if got := lost.n / float64(len(data.Rows)); math.Abs(got-want) > .008*math.Min(1, 100*want) {
			t.Errorf("%s: %.3f of scores are missing, want %.3f", w.Name, got, want)
		}
		if want == 0 {
			continue
		}
		if lost.sum/lost.n > kept.sum/kept.n-.2 {
			t.Errorf("%s: scores are not missing on bad responses", w.Name)
		}
		gone := 0
		for _, d := range data.Draws["plain"] {
			if math.IsNaN(d.Score) {
				gone++
			}
		}
		if gone == 0 {
			t.Errorf("%s: draws keep their scores", w.Name)
		}
	}
}

func TestLabelCounts(t *testing.T) {
	for _, w := range all() {
		data := w.Draw(100, 25, 25, 5)
		labels, low := 0, 0
		for _, r := range data.Rows {
			if !math.IsNaN(r.Label) {
				labels++
				if r.Score < halfScale {
					low++
				}
			}
		}
		if labels != 25 {
			t.Errorf("%s: %d labels", w.Name, labels)
		}
		if selected := w.gaps.labels == chooseHigh; selected != (low == 0) {
			t.Errorf("%s: %d labels on low scores", w.Name, low)
		}
		for _, target := range w.Targets {
			own, low := 0, 0
			for _, d := range data.Draws[target.Name] {
				if !math.IsNaN(d.Label) {
					own++
					if d.Score < halfScale {
						low++
					}
				}
			}
			if want := map[bool]int{true: 25}[target.Own]; own != want {
				t.Errorf("%s, %s: %d own labels, want %d", w.Name, target.Name, own, want)
			}
			// A strong tilt leaves few low scores, so only good overlap must show some.
			selected := w.gaps.probes == chooseHigh
			if selected && low > 0 || target.Own && !selected && w.spec.pop.ess == good && low == 0 {
				t.Errorf("%s, %s: %d own labels on low scores", w.Name, target.Name, low)
			}
		}
	}
}

// The stated probabilities total the number of labels, and the weighted mean of
// labels over many draws is right.
func TestDesigns(t *testing.T) {
	for _, w := range all() {
		designed := w.gaps.labels == chooseByScore || w.gaps.labels == chooseByWeight ||
			w.gaps.labels == chooseByPlain
		var estimate moments
		for rep := range 400 {
			total, sum := 0.0, 0.0
			for _, r := range w.Draw(100, 25, 0, uint64(rep)).Rows {
				if math.IsNaN(r.InclusionProb) == designed {
					t.Fatalf("%s: inclusion probability %v", w.Name, r.InclusionProb)
				}
				total += r.InclusionProb
				if !math.IsNaN(r.Label) {
					sum += r.Label / r.InclusionProb / 100
				}
			}
			if !designed {
				break
			}
			if math.Abs(total-25) > 1e-9 {
				t.Fatalf("%s: inclusion probabilities total %v", w.Name, total)
			}
			estimate.add(sum)
		}
		if designed && math.Abs(estimate.z(w.Truth[Logging])) > 4 {
			t.Errorf("%s: the design's estimate is %.1f SE off", w.Name, estimate.z(w.Truth[Logging]))
		}
	}
}

func TestSystematicHitsItsProbabilities(t *testing.T) {
	probs := inclusion([]float64{1, 2, 3, 4, 30, 5, 6}, 3)
	if probs[4] != 1 {
		t.Errorf("the large unit has probability %v", probs[4])
	}
	hits := make([]float64, len(probs))
	r := stream(1, "test", "systematic")
	const reps = 20_000
	for range reps {
		chosen := systematic(probs, r)
		if len(chosen) != 3 {
			t.Fatalf("%d units, want 3", len(chosen))
		}
		for _, i := range chosen {
			hits[i]++
		}
	}
	for i, p := range probs {
		if se := math.Sqrt(p * (1 - p) / reps); math.Abs(hits[i]/reps-p) > 4*se+1e-9 {
			t.Errorf("unit %d: share %v, probability %v", i, hits[i]/reps, p)
		}
	}
}

func TestNoiseIsAsNamed(t *testing.T) {
	for _, w := range all() {
		f := w.sample(5_000, 6)
		var d moments
		for i, r := range w.show(f, 0, 0, 6).Rows {
			lp := r.LogTarget["clone"]
			if !math.IsNaN(lp) {
				d.add(lp - math.Log(w.pop.probs[0][f.rows[i].at]))
			}
		}
		sd := math.Sqrt(d.squares / d.n)
		if math.Abs(sd-w.gaps.noise) > .05*w.gaps.noise {
			t.Errorf("%s: noise of %v nats, want %v", w.Name, sd, w.gaps.noise)
		}
	}
}

func TestClosedFormMeans(t *testing.T) {
	r := stream(2, "test", "labels")
	for kind := labelNormal; kind <= labelOrdinal; kind++ {
		for _, quality := range []float64{-2.5, -.4, 1.7} {
			loc := kind.location(quality, -.5)
			var m moments
			for range 40_000 {
				m.add(kind.sample(r, loc, 0, 0))
			}
			if z := m.z(kind.mean(loc)); math.Abs(z) > 4 {
				t.Errorf("kind %d at quality %v: the closed form is %.1f SE off", kind, quality, z)
			}
		}
	}
}

func TestIntegerJudgeTies(t *testing.T) {
	marks := map[float64]int{}
	for _, r := range must(t, "integer_judge").Draw(500, 0, 0, 1).Rows {
		marks[math.Round(9*r.Score)]++
		if math.Abs(9*r.Score-math.Round(9*r.Score)) > 1e-12 {
			t.Fatalf("score %v is off the grid", r.Score)
		}
	}
	if len(marks) > 10 || len(marks) < 5 {
		t.Errorf("%d different marks", len(marks))
	}
}
