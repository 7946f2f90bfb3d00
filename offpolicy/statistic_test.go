package offpolicy

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// testFrame makes a frame with a calibrator, and a worker with predictions under
// equal weights.
func testFrame(t *testing.T, s Samples) (*Result, *worker) {
	t.Helper()
	c := Config{}
	if err := c.defaults(); err != nil {
		t.Fatal(err)
	}
	fr := newFrame(TableOf(s), c.Folds, c.Seed)
	r := &Result{Logging: s.Logging, Judge: s.Judge, Prompts: fr.prompts, frame: fr}
	if r.Calibrator, r.CalibratorError = calibrate(fr, s.Judge, &c); r.Calibrator != nil {
		var err error
		if fr.fits, err = newRefits(fr, &c); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorker(fr)
	w.ones(fr)
	return r, w
}

// Refitting by sorted indices is FitIsotonic with the replicate's weights, and
// predicting along the blocks is Isotonic.Predict: for every logged response and
// every draw, ties included.
func TestFoldFitsAreFitIsotonic(t *testing.T) {
	s := world{prompts: 120, rows: 2, labels: 90, draws: 2}.samples(3)
	for i := range s.Rows {
		s.Rows[i].Score = dataset.Known(math.Round(s.Rows[i].Score.OrNaN()*40) / 40) // ties
	}
	r, w := testFrame(t, s)
	fr, folds := r.frame, r.Calibrator.config.Folds
	for b := range 20 {
		replicateWeights(w.v, fr.keys, 9, b)
		w.predict(fr)
		for k := range folds {
			var x, y, u []float64
			for i := range fr.invP {
				if p := fr.prompt[i]; fr.invP[i] > 0 && fr.fold[p] != int32(k) {
					x, y, u = append(x, fr.score[i]), append(y, fr.label[i]), append(u, w.v[p]*fr.invP[i])
				}
			}
			f, err := FitIsotonic(x, y, u)
			if err != nil {
				t.Fatal(err)
			}
			check := func(prompt int32, score float64, at int) {
				if fr.fold[prompt] == int32(k) && !near(w.f[at], f.Predict(score), 1e-12) {
					t.Fatalf("replicate %d, fold %d: f(%v) = %v, by FitIsotonic %v", b, k, score, w.f[at], f.Predict(score))
				}
			}
			for i := range fr.invP {
				check(fr.prompt[i], fr.score[i], i)
			}
			for _, d := range fr.draws {
				for i := range d.score {
					check(d.prompt[i], d.score[i], d.at+i)
				}
			}
		}
	}
}

// A prompt's influence is the derivative of the estimate by how much the prompt
// counts: here by finite differences, with the fit and l held as they are.
func TestInfluenceIsTheDerivative(t *testing.T) {
	r, w := testFrame(t, world{prompts: 80, rows: 2, labels: 80, draws: 2, probes: 30, missing: 9}.samples(4))
	c := Config{}
	_ = c.defaults()
	weights, err := WeightsBetween(r.frame.logRatios("near"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(r, &c, w, &PolicyResult{Policy: "near"}, weights, nil)
	for _, e := range Estimators() {
		est, made := b.build(e)
		if made.stat == nil {
			t.Fatalf("%s was not built: %v", e, est.Refusals)
		}
		tuned := false
		switch s := made.stat.(type) {
		case *labelMean:
			s.leave = false
		case *drStat:
			if tuned = s.tune; !tuned {
				t.Fatal("good overlap must tune")
			}
			s.tune = false // l is (1, 0)
		case *directStat:
			continue // its influences are what leaving a prompt out changes; see below
		}
		phi := make([]float64, len(r.Prompts))
		value := made.stat.influence(w, phi)
		if got := made.stat.value(w); !near(got, value, 1e-13) {
			t.Errorf("%s: value %v, by influence %v", e, got, value)
		}
		var sum float64
		for p := range phi {
			sum += phi[p]
			if _, ok := made.stat.(*drStat); ok {
				// Labels' parts are enlarged by leaving(h), a few per cent here.
				continue
			}
			const h = 1e-5
			w.v[p] = 1 + h
			up := made.stat.value(w)
			w.v[p] = 1 - h
			down := made.stat.value(w)
			w.v[p] = 1
			if want := (up - down) / (2 * h); math.Abs(phi[p]-want) > 1e-8 {
				t.Errorf("%s: influence of prompt %d is %v, by differences %v", e, p, phi[p], want)
			}
		}
		if math.Abs(sum) > 1e-3*math.Abs(value) {
			t.Errorf("%s: influences sum to %v", e, sum)
		}
	}
}

// A prompt's part in direct is what leaving it out changes, l fitted again: here
// by a weight of 0, with two draws and up to two probes a prompt.
func TestDirectInfluenceLeavesOut(t *testing.T) {
	s := world{prompts: 80, rows: 1, labels: 80, draws: 2, probes: 60}.samples(4)
	for i := range s.Draws["near"][:30] {
		d := &s.Draws["near"][i]
		d.Label = dataset.Known(float64(i%7) / 10)
	}
	r, w := testFrame(t, s)
	c := Config{}
	_ = c.defaults()
	weights, err := WeightsBetween(r.frame.logRatios("near"))
	if err != nil {
		t.Fatal(err)
	}
	est, made := newBuilder(r, &c, w, &PolicyResult{Policy: "near"}, weights, nil).build(Direct)
	if made.stat == nil || est.Basis.Probes == est.Basis.Labels {
		t.Fatalf("%d probes of %d prompts: %v", est.Basis.Labels, est.Basis.Probes, est.Refusals)
	}
	phi := make([]float64, len(r.Prompts))
	value := made.stat.influence(w, phi)
	if got := made.stat.value(w); !near(got, value, 1e-13) {
		t.Errorf("value %v, by influence %v", got, value)
	}
	for p := range phi {
		w.v[p] = 0
		if want := value - made.stat.value(w); math.Abs(phi[p]-want) > 1e-13 {
			t.Errorf("prompt %d: influence %v, leaving it out changes %v", p, phi[p], want)
		}
		w.v[p] = 1
	}
}

// Where one probe alone varies in f, it decides l, and the fit goes through it. The
// error stays within what l in [0, 1] can do: each of the m probes moves the estimate
// by the mean's part and at most fresh - mean f.
func TestDirectOfOneLeveragedProbe(t *testing.T) {
	const n, m = 100, 25
	rng := rand.New(rand.NewPCG(3, 4))
	d := &directStat{drawMean: drawMean{&drawFrame{drawColumns: &drawColumns{}}, make([]bool, n)}, share: .25}
	w := &worker{v: make([]float64, n), f: make([]float64, n), lf: make([]float64, n), g: make([]float64, n)}
	var labels []float64
	var fresh float64
	for p := range n {
		w.v[p], d.drawn[p] = 1, true
		w.f[p] = .3
		d.draws.prompt, d.draws.inv = append(d.draws.prompt, int32(p)), append(d.draws.inv, 1)
		if p < m {
			y := .2 + .2*float64(p%2)
			if p == 0 {
				w.f[p], y = .301, .3005 // a slope of .5
			}
			labels = append(labels, y)
			d.probes = append(d.probes, probe{int32(p), int32(p), 1, y})
		} else {
			w.f[p] += .1 * rng.Float64()
		}
		fresh += w.f[p] / n
	}
	phi := make([]float64, n)
	d.influence(w, phi)
	se, _ := clusterSE(phi)
	if l := d.lambda(w); !(l > 0 && l < 1) {
		t.Fatalf("l is %v: the case is another", l)
	}
	if _, mean := meanSE(labels); !(se >= mean && se <= mean+math.Sqrt(m)*(fresh-.3)) {
		t.Errorf("SE %v, of the labels' mean %v", se, mean)
	}
}

// The l of dr is the least of a quadratic over a triangle: no grid point is
// better, whatever the coefficients.
func TestMinimise(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 500 {
		u, v := rng.NormFloat64(), rng.NormFloat64()
		x, y := rng.NormFloat64(), rng.NormFloat64()
		b11, b12, b22 := u*u+x*x, u*v+x*y, v*v+y*y // positive semidefinite
		a1, a2 := rng.NormFloat64(), rng.NormFloat64()
		at := func(l1, l2 float64) float64 { return 2*(a1*l1+a2*l2) + b11*l1*l1 + 2*b12*l1*l2 + b22*l2*l2 }
		l1, l2 := minimise(a1, a2, b11, b12, b22, true)
		if !(l1 >= 0 && l2 >= 0 && l1+l2 <= 1+1e-12) {
			t.Fatalf("l = (%v, %v) is outside the triangle", l1, l2)
		}
		best := at(l1, l2)
		for i := 0; i <= 50; i++ {
			for j := 0; i+j <= 50; j++ {
				if v := at(float64(i)/50, float64(j)/50); v < best-1e-9 {
					t.Fatalf("at (%d, %d)/50 it is %v, at (%v, %v) %v", i, j, v, l1, l2, best)
				}
			}
		}
		if m1, m2 := minimise(a1, a2, b11, b12, b22, false); m1 != 0 || m2 < 0 || m2 > 1 {
			t.Fatalf("without fresh draws l = (%v, %v)", m1, m2)
		}
	}
	if l1, l2 := minimise(0, 0, 0, 0, 0, true); l1 != 0 || l2 != 0 {
		t.Errorf("a judge that says nothing has l = (%v, %v), want none of it", l1, l2)
	}
}

// Replicate weights are exponential, keyed by prompt, and independent between
// prompts, replicates and seeds: means within four standard errors.
func TestReplicateWeights(t *testing.T) {
	keys := make([]uint64, 2000)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range keys {
		keys[i] = rng.Uint64()
	}
	const reps = 50
	v, prev, other := make([]float64, len(keys)), make([]float64, len(keys)), make([]float64, len(keys))
	var mean, square, lag, across, seeds float64
	n := float64(len(keys) * reps)
	for b := range reps {
		replicateWeights(v, keys, 7, b)
		replicateWeights(other, keys, 8, b)
		for p := range v {
			if !(v[p] > 0) || math.IsInf(v[p], 1) {
				t.Fatalf("weight %v", v[p])
			}
			mean += v[p] / n
			square += v[p] * v[p] / n
			lag += (v[p] - 1) * (prev[p] - 1) / n
			across += (v[p] - 1) * (v[(p+1)%len(v)] - 1) / n
			seeds += (v[p] - 1) * (other[p] - 1) / n
		}
		copy(prev, v)
	}
	se := 1 / math.Sqrt(n)
	for _, c := range []struct {
		what            string
		got, want, unit float64
	}{
		{"mean", mean, 1, 1}, {"mean square", square, 2, math.Sqrt(20)}, {"covariance with the replicate before", lag, 0, 1},
		{"covariance of prompts", across, 0, 1}, {"covariance of seeds", seeds, 0, 1},
	} {
		if math.Abs(c.got-c.want) > 4*c.unit*se+1/float64(reps)*0.02 {
			t.Errorf("%s %v, want %v", c.what, c.got, c.want)
		}
	}
	// A prompt's weight depends on no other prompt.
	few := make([]float64, 3)
	replicateWeights(few, keys[10:13], 7, reps-1)
	for i := range few {
		if few[i] != v[10+i] {
			t.Error("a prompt's weight depends on the prompts around it")
		}
	}
}

// Where predictions of the probes differ by rounding alone, l is 0, and the
// answer is the mean of their labels with its own error: no weight is made of
// rounding.
func TestDirectWithoutVariation(t *testing.T) {
	const n, m = 100, 25
	rng := rand.New(rand.NewPCG(1, 2))
	d := &directStat{drawMean: drawMean{&drawFrame{drawColumns: &drawColumns{}}, make([]bool, n)}, share: .25}
	w := &worker{v: make([]float64, n), f: make([]float64, n), lf: make([]float64, n), g: make([]float64, n)}
	var labels []float64
	for p := range n {
		w.v[p], d.drawn[p] = 1, true
		w.f[p] = .3
		d.draws.prompt, d.draws.inv = append(d.draws.prompt, int32(p)), append(d.draws.inv, 1)
		if p < m {
			y := rng.Float64()
			w.f[p] += 1e-15 * y
			labels = append(labels, y)
			d.probes = append(d.probes, probe{int32(p), int32(p), 1, y})
		} else {
			w.f[p] += .1 * rng.Float64()
		}
	}
	phi := make([]float64, n)
	value := d.influence(w, phi)
	se, _ := clusterSE(phi)
	mean, want := meanSE(labels)
	if !near(value, mean, 1e-12) || math.Abs(se/want-1) > .05 {
		t.Errorf("direct %v (SE %v), mean of the probes %v (SE %v)", value, se, mean, want)
	}
}
