package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/internal/langmodel"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

var update = flag.Bool("update", false, "simulate the policies' true values anew and write truth.json")

// truthPolicies are the sample run's five; pi_clone is P0 under another name.
func truthPolicies() []offpolicy.Policy {
	policy := func(name, model, system string) offpolicy.Policy {
		return offpolicy.Policy{Name: name, Model: model, System: system, Template: "llama4",
			Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 512}}
	}
	return []offpolicy.Policy{
		policy("p0", ScoutModel, ""),
		policy("pi_clone", ScoutModel, ""),
		policy("pi_cot", ScoutModel, "You are a careful assistant. Think step by step: reason through the problem before "+
			"you give the final answer."),
		policy("pi_bigger_model", MaverickModel, ""),
		policy("pi_bad", ScoutModel, "You are an unhelpful assistant. Give vague, evasive answers and do not answer the "+
			"question."),
	}
}

// response is one simulated answer with what the two worlds make of it.
type response struct {
	text               string
	finish             string
	score              float64 // the judge's
	transported, shift float64 // labels
}

// simulate draws one response of p to every prompt, by the server's own code.
func simulate(p offpolicy.Policy, prompts []string, seed uint64) []response {
	s := New(Config{Seed: seed})
	model, _ := findModel(p.Model)
	template, ok := chat.Lookup(p.Template)
	if !ok {
		panic("no template " + p.Template)
	}
	out := make([]response, len(prompts))
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(prompts); i += workers {
				msgs := []dataset.Message{{Role: "user", Content: prompts[i]}}
				if p.System != "" {
					msgs = append([]dataset.Message{{Role: "system", Content: p.System}}, msgs...)
				}
				text, err := template.Render(msgs)
				if err != nil {
					panic(err)
				}
				id := parseCallID(fmt.Sprintf("truth-%016x-%s", i, p.Name))
				t := task{model: model, prompt: tokenizer().Encode(text), maxTokens: p.Sampling.MaxTokens,
					sampling: langmodel.Sampling{Temperature: p.Sampling.Temperature, TopP: p.Sampling.TopP, TopK: p.Sampling.TopK}}
				t.stream = s.drawStream(model, t.prompt, nil, id, 0)
				c := s.run(t, id)
				l := pair{prompts[i], c.text}.read()
				out[i] = response{c.text, c.finish, l.appearance, l.label(Transported), l.label(Shifted)}
			}
		})
	}
	wg.Wait()
	return out
}

func meanOf(rs []response, f func(response) float64) estimate {
	x := make([]float64, len(rs))
	for i, r := range rs {
		x[i] = f(r)
	}
	mean, sd := meanSD(x)
	round := func(v float64) float64 { return math.Round(1e6*v) / 1e6 }
	return estimate{round(mean), round(sd / math.Sqrt(float64(len(x))))}
}

func labelIn(w World) func(response) float64 {
	return func(r response) float64 {
		if w == Shifted {
			return r.shift
		}
		return r.transported
	}
}

// fingerprint is a hash of all that the true values rest on: what the models
// say, how responses are judged, what is asked, and who the policies are.
func fingerprint() string {
	h := sha256.New()
	add := func(v float64) { fmt.Fprintf(h, "%.8g\n", v) } // coarser than what processors disagree about
	for _, m := range []*langmodel.Model{smallModel(), largeModel()} {
		for _, lp := range m.LogProbs(tokenizer().Encode(testContext + testResponse + goodResponse)) {
			add(lp)
		}
	}
	prompts := arenagen.Prompts(8, truthSeed)
	for _, p := range truthPolicies() {
		fmt.Fprintln(h, p.Hash())
		for _, r := range simulate(p, prompts, truthSeed) {
			fmt.Fprintln(h, r.text, r.finish)
			add(r.score)
			add(r.transported)
			add(r.shift)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// fresh are the policies' responses to prompts that the stored values do not rest on.
var fresh = sync.OnceValue(func() (out [][]response) {
	prompts := arenagen.Prompts(250, 3)
	for _, p := range truthPolicies() {
		out = append(out, simulate(p, prompts, 3))
	}
	return out
})

const (
	truthSeed    = 20261122
	truthPrompts = 10000
)

// With -update, this is the program behind go generate.
func TestTruthFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	if *update {
		writePopulation(t, fingerprint())
		f := truthFile{Fingerprint: fingerprint(), Prompts: truthPrompts, Seed: truthSeed}
		prompts := arenagen.Prompts(truthPrompts, truthSeed)
		for _, p := range truthPolicies() {
			if slices.ContainsFunc(f.Policies, func(t truthPolicy) bool { return t.Hash == p.Hash() }) {
				continue // the clone
			}
			rs := simulate(p, prompts, truthSeed)
			f.Policies = append(f.Policies, truthPolicy{p.Name, p.Hash(), meanOf(rs, labelIn(Transported)),
				meanOf(rs, labelIn(Shifted))})
		}
		b, err := json.MarshalIndent(f, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("truth.json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := fingerprint(); got != truth().Fingerprint {
		t.Fatalf("truth.json is stale: fingerprint %s, now %s. Run go generate in this package", truth().Fingerprint, got)
	}
	for i, p := range truthPolicies() {
		rs := fresh()[i]
		for _, w := range []World{Transported, Shifted} {
			value, se, ok := TrueValue(p, w)
			if !ok {
				t.Errorf("%s has no true value", p.Name)
				continue
			}
			e := meanOf(rs, labelIn(w))
			if slack := 4 * math.Hypot(se, e.SE); math.Abs(value-e.Value) > slack || se <= 0 || se > 0.005 {
				t.Errorf("%s, %v: stored %.4f (se %.4f), %d fresh responses say %.4f (se %.4f)", p.Name, w, value, se, len(rs),
					e.Value, e.SE)
			}
		}
	}
	other := truthPolicies()[0]
	other.Sampling.Temperature = 0.5
	if v, _, ok := TrueValue(other, Transported); ok {
		t.Errorf("a policy that was never simulated is worth %v", v)
	}
}

// The world is one that a run of 100 can tell something about: a judge that
// ranks well, policies in the expected order, scores with a spread.
func TestWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	// mean judge scores
	rows := []struct{ low, high float64 }{{0.66, 0.73}, {0.66, 0.73}, {0.70, 0.78}, {0.74, 0.82}, {0.25, 0.38}}
	for i, p := range truthPolicies() {
		rs := fresh()[i]
		score, label, expected := make([]float64, len(rs)), make([]float64, len(rs)), make([]float64, len(rs))
		for j, r := range rs {
			score[j], label[j], expected[j] = r.score, r.transported, expectedLabel(r.score)
		}
		mean, sd := meanSD(score)
		if mean < rows[i].low || mean > rows[i].high || sd < 0.11 || sd > 0.2 {
			t.Errorf("%s: judge scores average %.3f (sd %.3f), want %v", p.Name, mean, sd, rows[i])
		}
		if rho := spearman(score, label); rho < 0.65 || rho > 0.93 {
			t.Errorf("%s: rank correlation of judge and oracle %.3f", p.Name, rho)
		}
		// E[label | score] is one function under every policy, unless the world is shifted.
		residual := func(w World) estimate {
			x := make([]response, len(rs))
			copy(x, rs)
			for j := range x {
				x[j].score = labelIn(w)(rs[j]) - expected[j]
			}
			return meanOf(x, func(r response) float64 { return r.score })
		}
		if e := residual(Transported); math.Abs(e.Value) > 4*e.SE {
			t.Errorf("%s: labels miss their mean given the score by %.4f (se %.4f)", p.Name, e.Value, e.SE)
		}
		if e := residual(Shifted); p.Name == "pi_bad" && e.Value > -0.1 || p.Name != "pi_bad" &&
			math.Abs(e.Value) > 4*e.SE+0.005 {
			t.Errorf("%s, shifted: residual %.4f (se %.4f)", p.Name, e.Value, e.SE)
		}
	}
}

// expectedLabel is E[label | s] by quadrature: the mean of a normal around m(s),
// clipped to [0, 1].
func expectedLabel(s float64) float64 {
	const n = 500
	sd := math.Hypot(qualitySD, oracleSD)
	var sum, mass float64
	for i := range n {
		z := -6 + 12*(float64(i)+0.5)/n
		w := math.Exp(-z * z / 2)
		sum += w * clamp(labelMean(s)+sd*z)
		mass += w
	}
	return sum / mass
}

func ranks(x []float64) []float64 {
	idx := make([]int, len(x))
	for i := range idx {
		idx[i] = i
	}
	slices.SortFunc(idx, func(a, b int) int {
		switch {
		case x[a] < x[b]:
			return -1
		case x[a] > x[b]:
			return 1
		}
		return 0
	})
	r := make([]float64, len(x))
	for i := 0; i < len(idx); {
		j := i
		for j < len(idx) && x[idx[j]] == x[idx[i]] {
			j++
		}
		for k := i; k < j; k++ {
			r[idx[k]] = float64(i+j-1) / 2
		}
		i = j
	}
	return r
}

func spearman(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	am, as := meanSD(a)
	bm, bs := meanSD(b)
	var c float64
	for i := range a {
		c += (a[i] - am) * (b[i] - bm) / float64(len(a)-1)
	}
	return c / (as * bs)
}
