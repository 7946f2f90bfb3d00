package cje

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/reweigh/reweigh/offpolicy"
)

// testMeanGolden compares with v0.6.0: the cluster-robust form as a whole, the
// bootstrap by the weights of its first three replicates. The mode is the one
// that the reference's automatic choice fell on.
func testMeanGolden(t *testing.T, name string) {
	var g struct {
		Judge, Oracle []num
		IDs           []string `json:"prompt_ids"`
		Robust        struct {
			Estimate, SE num
			CI           [2]num
			Diagnostics  struct {
				Calibration struct {
					Mode Mode `json:"selected_mode"`
				}
				Parts struct {
					SE        num `json:"se_cluster"`
					DF        int
					VarOracle num `json:"var_oracle"`
				} `json:"cluster_robust"`
			}
			Jack []num
		} `json:"cluster_robust"`
		Bootstrap struct {
			SE         num
			CI         [2]num
			Matrix     []num   `json:"boot_matrix"`
			Weights    [][]num `json:"first_replicate_weights"`
			Percentile []num   `json:"percentile_check"`
		}
	}
	readGolden(t, "20_direct060_mean_"+name+".json", &g)
	mode := g.Robust.Diagnostics.Calibration.Mode
	tol := 1e-9
	switch mode {
	case "":
		mode = Monotone // every row has a label: nothing is calibrated
	case TwoStage:
		tol = 1e-6
	}
	var weights [][]float64
	for _, w := range g.Bootstrap.Weights {
		weights = append(weights, floats(w))
	}
	if len(weights) != 3 {
		t.Fatalf("%d replicates' weights, want 3", len(weights))
	}
	m, values, err := CalibratedMean(mode, g.IDs, floats(g.Judge), floats(g.Oracle), weights)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "estimate", m.Value, float64(g.Robust.Estimate), tol)
	near(t, "standard error", m.SE, float64(g.Robust.SE), tol)
	near(t, "lower end", m.Lower, float64(g.Robust.CI[0]), tol)
	near(t, "upper end", m.Upper, float64(g.Robust.CI[1]), tol)
	near(t, "clustered part", m.SECluster, float64(g.Robust.Diagnostics.Parts.SE), tol)
	near(t, "oracle variance", m.VarOracle, float64(g.Robust.Diagnostics.Parts.VarOracle), tol)
	if m.DF != g.Robust.Diagnostics.Parts.DF {
		t.Errorf("%d degrees of freedom, reference %d", m.DF, g.Robust.Diagnostics.Parts.DF)
	}
	nearAll(t, "jackknife", m.Jackknife, g.Robust.Jack, tol)
	for i, v := range values {
		near(t, fmt.Sprintf("replicate %d", i), v, float64(g.Bootstrap.Matrix[i]), tol)
	}
	// What the reference makes of its own replicates.
	all := floats(g.Bootstrap.Matrix)
	near(t, "the replicates' standard deviation", math.Sqrt(stat.Variance(all, nil)), float64(g.Bootstrap.SE), 1e-12)
	for i, q := range offpolicy.Quantiles(all, .025, .975) {
		near(t, fmt.Sprintf("percentile end %d", i), q, float64(g.Bootstrap.CI[i]), 1e-12)
	}
}

func TestGoldenMeanDup150(t *testing.T)     { testMeanGolden(t, "syn_dup150") }
func TestGoldenMeanFull100(t *testing.T)    { testMeanGolden(t, "syn_full100") }
func TestGoldenMeanMid200(t *testing.T)     { testMeanGolden(t, "syn_mid200") }
func TestGoldenMeanNonmono300(t *testing.T) { testMeanGolden(t, "syn_nonmono300") }
func TestGoldenMeanTies200(t *testing.T)    { testMeanGolden(t, "syn_ties200") }
