package offpolicy

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// gapKind is what a missingness is of.
type gapKind string

// The gaps.
const (
	gapOfLogProbs gapKind = "log_probs" // logged responses without a weight
	gapOfScores   gapKind = "scores"    // logged responses that the judge could not score
	gapOfLabels   gapKind = "labels"    // the labeled against all that could have been
	gapOfProbes   gapKind = "probes"    // the same among a target's own draws
	gapOfDraws    gapKind = "draws"     // logged prompts that the target did not answer
)

// missingness is what part of the data lack, and whether that looks random.
type missingness struct {
	Kind    gapKind
	Missing int // of Total; for labels and probes: without one
	Total   int
	Tests   []gapTest
}

// gapTest asks whether what is missing differs from the rest in one figure.
type gapTest struct {
	By string // "score", "distance of the score from the middle", "length", "label", "weight", "language German"
	// Z is a standard normal if what is missing is missing at random. NaN where
	// nothing varies.
	Z float64
	// Detects is the difference of mean ranks, in standard deviations, that the test
	// finds in 80% of runs.
	Detects float64
}

// maxGapZ is the |Z| from which a gap has a pattern: a two-sided level of 1 in 2,000,
// since a false alarm costs an answer, and a gap has several tests.
const maxGapZ = 3.5

// pattern returns the test that is farthest beyond 3.5, nil if none is.
func (g *missingness) pattern() *gapTest {
	var worst *gapTest
	for i := range g.Tests {
		if t := &g.Tests[i]; math.Abs(t.Z) > maxGapZ && (worst == nil || math.Abs(t.Z) > math.Abs(worst.Z)) {
			worst = t
		}
	}
	return worst
}

func (t *gapTest) String() string { return fmt.Sprintf("%s (z %+.1f)", t.By, t.Z) }

// test adds a test of x by a subset; nothing if x varies nowhere. It is of the ranks
// of x: a few large values would make a sum over a small subset anything but normal.
func (g *missingness) test(by string, x, inv []float64) {
	z, detects := subsetZ(ranks(x), inv)
	if math.IsNaN(z) {
		return
	}
	g.Tests = append(g.Tests, gapTest{By: by, Z: z, Detects: detects})
}

// scores adds two tests of the scores: of their ranks, and of how far these lie from the
// middle, since what is left out on both sides, or in the middle, moves no mean.
func (g *missingness) scores(x, inv []float64) {
	g.test("score", x, inv)
	x = ranks(x)
	n := 0
	for _, v := range x {
		if !math.IsNaN(v) {
			n++
		}
	}
	for i, v := range x {
		x[i] = math.Abs(v - float64(n+1)/2) // ranks begin at 1
	}
	g.test("distance of the score from the middle", x, inv)
}

// groups adds the most deviant of several groups as one test: its level is that of as
// many tests as there are groups.
func (g *missingness) groups(kind string, name func(i int) string, inv []float64) {
	count := map[string]int{}
	for i := range inv {
		count[name(i)]++
	}
	var worst gapTest
	tested := 0
	x := make([]float64, len(inv))
	for _, group := range slices.Sorted(maps.Keys(count)) {
		if c := count[group]; c < 5 || c > len(inv)-5 {
			continue
		}
		for i := range x {
			x[i] = 0
			if name(i) == group {
				x[i] = 1
			}
		}
		if z, detects := subsetZ(x, inv); !math.IsNaN(z) {
			tested++
			if math.Abs(z) > math.Abs(worst.Z) {
				worst = gapTest{By: kind + " " + group, Z: z, Detects: detects}
			}
		}
	}
	if tested == 0 {
		return
	}
	tail := min(distuv.UnitNormal.Survival(math.Abs(worst.Z))*float64(tested), .5)
	if tail > 0 { // else it is beyond any level
		worst.Z = math.Copysign(distuv.UnitNormal.Quantile(1-tail), worst.Z)
		if tail < 1e-12 {
			worst.Z = math.Copysign(-distuv.UnitNormal.Quantile(tail), worst.Z)
		}
	}
	g.Tests = append(g.Tests, worst)
}

// subsetZ tests whether a subset was drawn at random with probabilities p: inv is 1/p in
// it and -1/p outside. It is
//
//	Σ_subset (x - x̄)/p  /  √(Σ (x - x̄)² (1 - p)/p)
//
// x̄ the mean of all. The p are first scaled to the subset's size, since those that
// were drawn and failed are missing too. NaN values of x are left out; it is NaN where
// nothing varies.
func subsetZ(x, inv []float64) (z, detects float64) {
	var n, sum, expected, have float64
	use := func(i int) bool { return finite(x[i]) && finite(inv[i]) }
	for i, v := range x {
		if use(i) {
			n++
			sum += v
			expected += 1 / math.Abs(inv[i])
			if inv[i] > 0 {
				have++
			}
		}
	}
	if have == 0 || have == n {
		return math.NaN(), math.NaN()
	}
	mean, scale := sum/n, have/expected
	var total, variance, ss float64
	for i, v := range x {
		if !use(i) {
			continue
		}
		d, p := v-mean, min(scale/math.Abs(inv[i]), 1)
		if inv[i] > 0 {
			total += d / p
		}
		variance += d * d * (1 - p) / p
		ss += d * d
	}
	if !(variance > 1e-24*n) {
		return math.NaN(), math.NaN()
	}
	const power80 = .8416
	return total / math.Sqrt(variance), (maxGapZ + power80) * math.Sqrt(variance) / n / math.Sqrt(ss/n)
}

// subset is inv for [subsetZ] of what is missing, each alike likely.
func subset(missing func(i int) bool, n int) []float64 {
	inv := make([]float64, n)
	for i := range inv {
		inv[i] = -1
		if missing(i) {
			inv[i] = 1
		}
	}
	return inv
}

// designed is inv for [subsetZ] of the labeled.
func designed(label, invP []float64) []float64 {
	inv := make([]float64, len(invP))
	for i, u := range invP {
		if inv[i] = u; math.IsNaN(label[i]) {
			inv[i] = -u
		}
	}
	return inv
}

// ranks are the ranks of the values that are finite, NaN for the others.
func ranks(x []float64) []float64 {
	known := make([]float64, 0, len(x))
	for _, v := range x {
		if finite(v) {
			known = append(known, v)
		}
	}
	known = averageRanks(known)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.NaN()
		if finite(v) {
			out[i], known = known[0], known[1:]
		}
	}
	return out
}

func logs(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Log(max(v, 1))
		if math.IsNaN(v) {
			out[i] = v
		}
	}
	return out
}

// loggedLogProbs are the responses' own, NaN where missing: they follow the length, and
// are known where lengths are not.
func (fr *frame) loggedLogProbs() []float64 {
	return padded(fr.logProb(fr.logging), fr.n())
}

// rowGap is a gap among the logged rows, tested by what is known of them.
func (fr *frame) rowGap(kind gapKind, inv []float64) missingness {
	g := missingness{Kind: kind, Total: len(inv)}
	if kind != gapOfScores {
		g.scores(fr.score, inv)
	}
	g.test("length", fr.length, inv)
	g.test("log-prob under "+fr.logging, fr.loggedLogProbs(), inv)
	if kind != gapOfLabels {
		// Labels are a sample of their own: the test is of the labeled alone.
		y := make([]float64, len(inv))
		for i := range y {
			y[i] = math.NaN()
			if fr.invP[i] > 0 {
				y[i] = fr.label[i]
			}
		}
		g.test("label", y, inv)
	}
	if fr.pool != nil {
		g.groups("logger", func(i int) string { return fr.pool.names[fr.pool.logger[i]] }, inv)
	}
	fr.segmentGap(&g, func(i int) int { return i }, inv)
	return g
}

// segmentGap tests a gap by each kind of segment of the logged rows; -1 is none.
func (fr *frame) segmentGap(g *missingness, row func(i int) int, inv []float64) {
	for _, k := range slices.Sorted(maps.Keys(fr.t.segment)) {
		g.groups(k, func(i int) string {
			if r := row(i); r >= 0 {
				return fr.t.segment[k].at(r)
			}
			return ""
		}, inv)
	}
}

// loggedGaps are those of scores and labels on the logs; nil where there is none.
func (fr *frame) loggedGaps() (scores, labels *missingness) {
	unscored := 0
	for _, s := range fr.score {
		if math.IsNaN(s) {
			unscored++
		}
	}
	if unscored > 0 && unscored < len(fr.score) {
		g := fr.rowGap(gapOfScores, subset(func(i int) bool { return math.IsNaN(fr.score[i]) }, len(fr.score)))
		g.Missing = unscored
		scores = &g
	}
	if m := len(fr.labeled); m > 0 && m < fr.n() {
		g := fr.rowGap(gapOfLabels, designed(fr.label, fr.allInvP))
		g.Missing = fr.n() - m
		labels = &g
	}
	return scores, labels
}

// firstRows are the first logged row of each of the prompts, -1 if it has none.
func (fr *frame) firstRows(prompts []int32) []int {
	first := make([]int, len(fr.prompts))
	for i := fr.n() - 1; i >= 0; i-- {
		first[fr.prompt[i]] = i + 1
	}
	out := make([]int, len(prompts))
	for i, p := range prompts {
		out[i] = first[p] - 1
	}
	return out
}

// drawGaps are those of a target's draws and probes; nil where there is none. covariate is
// what that of a draw is called.
func (fr *frame) drawGaps(policy, covariate string) (draws, probes *missingness) {
	d := fr.draws[policy]
	if d == nil || len(d.score) == 0 {
		return nil, nil
	}
	if d.probes > 0 && d.probes < len(d.score) {
		inv := designed(d.label, d.allInvP)
		g := missingness{Kind: gapOfProbes, Missing: len(d.score) - d.probes, Total: len(d.score)}
		g.scores(d.score, inv)
		g.test(covariate, d.covariate, inv)
		first := fr.firstRows(d.prompt)
		fr.segmentGap(&g, func(i int) int { return first[i] }, inv)
		probes = &g
	}
	answered := make([]bool, len(fr.prompts))
	for _, p := range d.prompt {
		answered[p] = true
	}
	missing, total := 0, 0
	for p, c := range fr.count {
		if c > 0 {
			total++
			if !answered[p] {
				missing++
			}
		}
	}
	if missing > 0 && missing < total {
		inv := subset(func(i int) bool { return !answered[fr.prompt[i]] }, fr.n())
		for i := 1; i < len(inv); i++ {
			if fr.prompt[i] == fr.prompt[i-1] {
				inv[i] = math.NaN() // a prompt is answered or not: one row speaks for it
			}
		}
		g := fr.rowGap(gapOfDraws, inv)
		g.Missing, g.Total = missing, total
		draws = &g
	}
	return draws, probes
}
