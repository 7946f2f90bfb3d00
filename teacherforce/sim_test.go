package teacherforce

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	_ "github.com/reweigh/reweigh/internal/lessgc"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// simulated returns a provider in front of a simulator.
func simulated(t testing.TB, c sim.Config) *providers.Fireworks {
	t.Helper()
	s := sim.New(c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	client := s.Client()
	p, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: s.FireworksURL(), Key: providers.NewSecret("test"),
		HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func simPolicy(template string) offpolicy.Policy {
	p := policy(template)
	p.Model = sim.ScoutModel
	return p
}

// manyPairs is how many pairs a test of random ones takes: few, or as many as
// the environment variable REWEIGH_PAIRS says.
func manyPairs(t *testing.T, few int) int {
	t.Helper()
	s := os.Getenv("REWEIGH_PAIRS")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < few {
		t.Fatalf("REWEIGH_PAIRS=%q: want a number of pairs, at least %d", s, few)
	}
	return n
}

// TestExactOverHTTP is TestExact with a language model, a server's protocol and
// a provider between the truth and the methods.
func TestExactOverHTTP(t *testing.T) {
	pairs := manyPairs(t, 600)
	f := newForcer(t, simulated(t, sim.Config{}))
	rng := rand.New(rand.NewPCG(3, 7))
	cases := make([]pairCase, pairs)
	for i := range cases {
		cases[i] = randomCase(rng, f, func(string) string { return sim.PolyglotModel }, sim.Exact)
	}
	n := newTally()
	each(pairs, func(i int) { n.score(t, f, cases[i]) })
	n.check(t, pairs, pairs/5, true)
	if n.refused > 0 {
		t.Errorf("methods refused %d times although the echo's tokens were those asked for", n.refused)
	}
}

// vllm returns a provider in front of a simulator that speaks as vLLM does.
func vllm(t testing.TB, c sim.Config) *providers.Compatible {
	t.Helper()
	return vllmWith(t, c, providers.VLLM())
}

// vllmWith is vllm with other quirks.
func vllmWith(t testing.TB, c sim.Config, q providers.Quirks) *providers.Compatible {
	t.Helper()
	s := sim.New(c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	client := s.Client()
	p, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: s.VLLMURL(), Key: providers.NewSecret("test"), HTTP: client},
		Quirks:     q,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExactOverChat is TestExactOverHTTP against a server that scores
// conversations, each in the template of the policy's own family.
func TestExactOverChat(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	pairs := manyPairs(t, 500)
	server := vllm(t, sim.Config{})
	f, err := New(Config{Scorer: server, Chat: server})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 7))
	cases := make([]pairCase, pairs)
	for i := range cases {
		cases[i] = randomCase(rng, f, sim.PolyglotModelOf, sim.Exact)
	}
	n := newTally()
	each(pairs, func(i int) { n.score(t, f, cases[i]) })
	n.check(t, pairs, pairs/5, true)
	// vLLM never shows a text's first character where its first token is a piece of
	// it: in a raw prompt of such a character alone the seam is not certain.
	if n.refused > pairs/500 {
		t.Errorf("methods refused %d times although the echo's tokens were those asked for", n.refused)
	}
	t.Logf("by chat: %v; rendered otherwise %d", n.conversed, n.reasons[ReasonRendered])
	for _, name := range chat.Names() {
		tpl, _ := chat.Lookup(name)
		if got := n.conversed[name]; !answersStand(tpl) && got > 0 || answersStand(tpl) && got < pairs/150 {
			t.Errorf("template %s: %d of %d pairs were answered by chat", name, got, pairs)
		}
	}
	if n.reasons[ReasonRendered] < pairs/100 {
		t.Errorf("a template that trims was met %d times in %d pairs", n.reasons[ReasonRendered], pairs)
	}
}

// TestOwnResponses: a policy's own responses have, by echo, the log-prob that
// they were drawn with.
func TestOwnResponses(t *testing.T) {
	server := simulated(t, sim.Config{})
	f := newForcer(t, server)
	p := simPolicy("llama4")
	p.System = "You are a helpful assistant."
	prompts := []string{
		"Why is the sky blue?", "Write a haiku about rain.", "How do I boil an egg?", "Was ist 2+2?", "日本の首都は?",
		"Explain recursion.", "Name three rivers.", "Tell me a joke.", "What is a monad?", "Plan a day in Rome.",
	}
	each(len(prompts)*3, func(i int) {
		q := dataset.Prompt{ID: prompts[i/3], Text: prompts[i/3]}
		req, err := f.GenerateRequest(tag(), p, q, int64(i))
		if err != nil {
			t.Error(err)
			return
		}
		g, err := server.Generate(t.Context(), req)
		if err != nil {
			t.Error(err)
			return
		}
		var want float64
		for _, token := range g.Tokens {
			want += token.LogProb.OrNaN()
		}
		r := ResponseOf(p, g)
		res, err := f.Score(t.Context(), tag(), p, q, r)
		if err != nil {
			t.Error(err)
			return
		}
		if math.Abs(res.LogProb.OrNaN()-want) > 1e-9 || res.Method != MethodTokenIDs || res.Tokens != len(g.Tokens) {
			t.Errorf("%q seed %d: %v for %d tokens by %s, drawn with %v for %d", q.Text, i, res.LogProb.OrNaN(), res.Tokens,
				res.Method, want, len(g.Tokens))
		}
	})
}

func TestCertifySimulator(t *testing.T) {
	for _, c := range []struct {
		faults  string
		failing []ProbeName
		reason  string
	}{
		{"", nil, "it tells the truth"},
		{"noecho=1", []ProbeName{ProbeCoverage}, "no prompt log-probs"},
		{"zero=1", []ProbeName{ProbeCoverage}, "all zero"},
		{"positive=1", []ProbeName{ProbeCoverage}, "wrong sign"},
		{"null=1", []ProbeName{ProbeCoverage}, "nulls"},
		{"zero=0.5,positive=0.5,null=0.5", nil, "content faults below 1 spare certification"},
		{"order=1", []ProbeName{ProbeRepeatability}, "values that depend on what was asked before"},
		{"wrongtemplate=1", []ProbeName{ProbeTemplate}, "chat renders with another family's template"},
	} {
		name := c.faults
		if name == "" {
			name = "none"
		}
		t.Run(name, func(t *testing.T) {
			faults, err := sim.ParseFaults(c.faults)
			if err != nil {
				t.Fatal(err)
			}
			server := simulated(t, sim.Config{Faults: faults})
			f := newForcer(t, server)
			for _, model := range []string{sim.ScoutModel, sim.MaverickModel} {
				p := simPolicy("llama4")
				p.Model = model
				cert, err := f.Certify(t.Context(), server, p)
				if err != nil {
					t.Fatal(err)
				}
				if cert.OK != (len(c.failing) == 0) {
					t.Errorf("certificate OK %v: %s", cert.OK, c.reason)
				}
				for _, probe := range cert.Probes {
					t.Logf("%s %v %.4g (%.4g): %s", probe.Name, probe.OK, probe.Value.OrNaN(), probe.Limit.OrNaN(), probe.Detail)
					if slices.Contains(c.failing, probe.Name) && probe.OK {
						t.Errorf("%s passed: %s", probe.Name, c.reason)
					}
				}
			}
		})
	}
}

// scoredAs has conversations scored by another model, unless it is empty.
type scoredAs struct {
	ChatScorer
	model string
}

func (s scoredAs) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	req.Model = cmp.Or(s.model, req.Model)
	return s.ChatScorer.ScoreChat(ctx, req)
}

// TestCertifyConversations: where the server scores conversations, the template
// is certified by its own rendering too, which needs no greedy reply to differ.
func TestCertifyConversations(t *testing.T) {
	for _, c := range []struct {
		model, template, system, faults string
		ok                              bool
		detail, reason                  string
		scoredAs                        string // what scores the conversation, where it is not the model
	}{
		{sim.PolyglotModelOf("gemma3"), "gemma3", "Be brief.", "", true, "as the server renders it differs by 0 a token",
			"one template", ""},
		{sim.PolyglotModelOf("qwen3"), "qwen3", "", "", true, "as the server renders it differs by 0 a token",
			"one template, thinking turned off in both", ""},
		{sim.PolyglotModelOf("chatml"), "qwen2.5", "", "", false, "otherwise than our template", "a system prompt too many",
			""},
		{sim.PolyglotModelOf("qwen3"), "chatml", "", "", false, "which differ from token",
			"the server puts an empty thought there", ""},
		{sim.PolyglotModelOf("llama4"), "llama4", "", "wrongtemplate=1", false, "otherwise than our template",
			"chat renders with another family's template", ""},
		{sim.PolyglotModelOf("llama4"), "llama4", "", "", false, "otherwise than our template",
			"its answers agree, and what it scores does not", sim.PolyglotModelOf("chatml")},
	} {
		faults, err := sim.ParseFaults(c.faults)
		if err != nil {
			t.Fatal(err)
		}
		server := vllm(t, sim.Config{Faults: faults})
		f, err := New(Config{Scorer: server, Chat: scoredAs{server, c.scoredAs}})
		if err != nil {
			t.Fatal(err)
		}
		p := policy(c.template)
		p.Model, p.System = c.model, c.system
		cert, err := f.Certify(t.Context(), server, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, probe := range cert.Probes {
			if probe.Name != ProbeTemplate {
				if !probe.OK {
					t.Errorf("%s as %s: %+v", c.model, c.template, probe)
				}
				continue
			}
			if probe.OK != c.ok || !strings.Contains(probe.Detail, c.detail) {
				t.Errorf("%s as %s: %+v: want OK %v and %q: %s", c.model, c.template, probe, c.ok, c.detail, c.reason)
			}
		}
	}
}

// each calls do for 0 to n-1 from a few goroutines.
func each(n int, do func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
