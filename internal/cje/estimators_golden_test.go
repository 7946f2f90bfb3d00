package cje

import (
	"fmt"
	"slices"
	"testing"
)

type goldenEstimator struct {
	Estimates, SE map[string]num
	CI            map[string][2]num
	N             map[string]int
	DF            map[string]*struct {
		DF int `json:"df"`
	}
	Parts *struct {
		If     map[string]num `json:"se_if_per_policy"`
		Oracle map[string]num `json:"oracle_variance_per_policy"`
	} `json:"se_components"`
	Gates map[string]struct {
		Flagged bool
		Reasons []string
	}
	Tail     map[string]num
	Boundary map[string]struct {
		Status     string
		OutOfRange float64 `json:"out_of_range"`
		Saturation float64
	}
	Diag struct {
		ESS       map[string]num `json:"ess_per_policy"`
		Max       map[string]num `json:"max_weight_per_policy"`
		Hellinger map[string]num `json:"hellinger_per_policy"`
		Affinity  map[string]num `json:"bc_sigmaS_per_policy"`
		TTC       map[string]num `json:"ttc_per_policy"`
	}
	Weights, Influence, Jackknife map[string][]num
	Outcome                       map[string][]num `json:"outcome_predictions"`
}

type goldenDataset struct {
	N           int
	NValid      int `json:"n_valid"`
	Policies    []string
	Calibration struct {
		Folds   []int
		Rewards []num
		OOF     []num `json:"oof_all_rows"`
		Mode    Mode  `json:"selected_mode"`
		Smooth  *struct {
			Query []num
			G     []num `json:"g_query"`
			ECDF  []num `json:"ecdf_query"`
		} `json:"two_stage_full"`
	}
	Weights map[string]struct {
		LogRatio []num `json:"log_ratio"`
		Raw      []num
		Hajek    []num
		Clip100  []num `json:"hajek_clip100"`
	}
	Estimators map[string]goldenEstimator
}

// The tolerances of the reference's own description: 1e-12 for folds, weights
// and what is made of them alone, 1e-9 for SIMCal and the doubly robust
// estimators, 1e-6 under two_stage, whose ridge regression goes through another
// decomposition.
func testEstimatorsGolden(t *testing.T, name string) {
	var g goldenDataset
	readGolden(t, "10_estimators030_"+name+".json", &g)
	s := readSamples(t, "goldens/data/"+name)
	ref, err := New(g.Calibration.Mode, s)
	if err != nil {
		t.Fatal(err)
	}
	tight, loose := 1e-12, 1e-9
	if g.Calibration.Mode == TwoStage {
		tight, loose = 1e-6, 1e-6
	}
	if !slices.Equal(ref.policies, g.Policies) || len(ref.rows) != g.NValid {
		t.Fatalf("policies %v, %d rows; reference %v, %d", ref.policies, len(ref.rows), g.Policies, g.NValid)
	}
	for j, i := range ref.rows {
		if ref.fold[j] != g.Calibration.Folds[i] {
			t.Errorf("row %d is in fold %d, reference %d", i, ref.fold[j], g.Calibration.Folds[i])
		}
		near(t, fmt.Sprintf("reward of row %d", i), ref.reward[j], float64(g.Calibration.Rewards[i]), tight)
		near(t, fmt.Sprintf("out-of-fold reward of row %d", i), ref.held[j], float64(g.Calibration.OOF[i]), tight)
	}
	if g.Calibration.Mode == TwoStage {
		testSpline(t, &g, ref)
	}
	for _, policy := range ref.policies {
		w := g.Weights[policy]
		nearAll(t, policy+": raw weights", ref.raw(policy), w.Raw, 1e-12)
		nearAll(t, policy+": Hajek weights", ref.hajek(policy), w.Hajek, 1e-12)
		nearAll(t, policy+": clipped weights", clipped(ref.hajek(policy), clip), w.Clip100, 1e-12)
	}
	for _, c := range []struct {
		id   Estimator
		want string
		tol  float64
	}{
		{SNIPS, "raw-ips(factory: hajek, clip100, no OUA)", tight},
		{CalibratedIPS, "calibrated-ips", loose},
		{DRCPO, "dr-cpo", loose},
		{TMLE, "tmle", loose},
	} {
		for _, policy := range ref.policies {
			e, err := ref.Estimate(c.id, policy)
			if err != nil {
				t.Fatal(err)
			}
			compareEstimate(t, string(c.id)+" of "+policy, policy, e, ref.Diagnostics(c.id, policy, e), g.Estimators[c.want],
				c.tol)
		}
	}
	// Variants that the package does not offer, made of its pieces.
	for _, policy := range ref.policies {
		e := ref.snips(ref.raw(policy))
		want := g.Estimators["raw-ips(weight_mode=raw)"]
		near(t, "snips of raw weights of "+policy, e.Value, float64(want.Estimates[policy]), tight)
		near(t, "its standard error", e.SE, float64(want.SE[policy]), tight)
		draws, err := ref.draws(policy)
		if err != nil {
			t.Fatal(err)
		}
		e = ref.drCPO(ref.hajek(policy), draws)
		want = g.Estimators["dr-cpo(raw hajek weights)"]
		near(t, "dr of Hajek weights of "+policy, e.Value, float64(want.Estimates[policy]), loose)
		near(t, "its standard error", e.SE, float64(want.SE[policy]), loose)
	}
}

func compareEstimate(t *testing.T, what, policy string, e *Estimate, d Diagnostics, want goldenEstimator,
	tol float64) {
	t.Helper()
	near(t, what, e.Value, float64(want.Estimates[policy]), tol)
	near(t, what+": standard error", e.SE, float64(want.SE[policy]), tol)
	near(t, what+": lower end", e.Lower, float64(want.CI[policy][0]), tol)
	near(t, what+": upper end", e.Upper, float64(want.CI[policy][1]), tol)
	if e.N != want.N[policy] {
		t.Errorf("%s: %d rows, reference %d", what, e.N, want.N[policy])
	}
	df := 0
	if p := want.DF[policy]; p != nil {
		df = p.DF
	}
	if e.DF != df {
		t.Errorf("%s: %d degrees of freedom, reference %d", what, e.DF, df)
	}
	if want.Parts != nil {
		near(t, what+": oracle variance", e.VarOracle, float64(want.Parts.Oracle[policy]), tol)
		if se, ok := want.Parts.If[policy]; ok {
			near(t, what+": influence part", e.SEInfluence, float64(se), tol)
		}
	}
	nearAll(t, what+": weights", e.Weights, want.Weights[policy], tol)
	nearAll(t, what+": influence", e.Influence, want.Influence[policy], tol)
	if jack := want.Jackknife[policy]; len(e.Jackknife) > 0 || len(jack) > 0 && e.VarOracle > 0 {
		nearAll(t, what+": jackknife", e.Jackknife, jack, tol)
	}
	near(t, what+": ESS/n", d.ESSFraction, float64(want.Diag.ESS[policy]), tol)
	near(t, what+": largest weight", d.MaxWeight, float64(want.Diag.Max[policy]), tol)
	near(t, what+": Hellinger affinity", d.Hellinger, float64(want.Diag.Hellinger[policy]), tol)
	near(t, what+": score affinity", d.ScoreAffinity, float64(want.Diag.Affinity[policy]), tol)
	near(t, what+": typicality", d.Typicality, float64(want.Diag.TTC[policy]), tol)
	if tail, ok := want.Tail[policy]; ok {
		near(t, what+": tail index", d.TailIndex, float64(tail), tol*10) // logarithms of nearly equal weights cancel
	}
	b := want.Boundary[policy]
	if d.Boundary.Status != b.Status {
		t.Errorf("%s: boundary %s, reference %s", what, d.Boundary.Status, b.Status)
	}
	near(t, what+": out of range", d.Boundary.OutOfRange, b.OutOfRange, tol)
	near(t, what+": saturation", d.Boundary.Saturation, b.Saturation, tol)
	if gate := want.Gates[policy]; len(e.Jackknife) == 0 || len(d.Flags) > 0 || gate.Flagged {
		if !slices.Equal(d.Flags, gate.Reasons) && len(d.Flags)+len(gate.Reasons) > 0 {
			t.Errorf("%s: flags %q, reference %q", what, d.Flags, gate.Reasons)
		}
	}
}

func TestGoldenDup150(t *testing.T)     { testEstimatorsGolden(t, "syn_dup150") }
func TestGoldenFull100(t *testing.T)    { testEstimatorsGolden(t, "syn_full100") }
func TestGoldenMid200(t *testing.T)     { testEstimatorsGolden(t, "syn_mid200") }
func TestGoldenMissing120(t *testing.T) { testEstimatorsGolden(t, "syn_missing120") }
func TestGoldenNonmono300(t *testing.T) { testEstimatorsGolden(t, "syn_nonmono300") }
func TestGoldenTies200(t *testing.T)    { testEstimatorsGolden(t, "syn_ties200") }
func TestGoldenUnder120(t *testing.T)   { testEstimatorsGolden(t, "syn_under120") }
