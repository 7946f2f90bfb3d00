package teacherforce

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// line makes good values: two policies that differ by a little, log-probs about
// proportional to the length.
func line(n int) []Value {
	rng := rand.New(rand.NewPCG(5, 9))
	var out []Value
	for i := range n {
		length := 5 + rng.IntN(300)
		perToken := 0.15 * math.Exp(0.4*rng.NormFloat64())
		for _, p := range []string{"p0", "pi_bigger_model"} {
			v := -float64(length) * perToken * math.Exp(0.1*rng.NormFloat64())
			out = append(out, Value{Response: fmt.Sprint(i), Policy: p, LogProb: dataset.Known(v), Length: length})
		}
	}
	return out
}

func TestSuspects(t *testing.T) {
	set := func(policies int, v float64) func(vs []Value, at int) {
		return func(vs []Value, at int) {
			for k := range policies {
				vs[at+k].LogProb = dataset.Known(v)
			}
		}
	}
	for _, c := range []struct {
		name   string
		plant  func(vs []Value, at int)
		want   Flag
		reason string
	}{
		{"nothing", func([]Value, int) {}, "", "good values are not suspect"},
		{"null", set(1, math.NaN()), FlagNull, "a null is no value"},
		{"positive", set(1, 0.4), FlagPositive, "a probability above 1"},
		{"minus infinity", set(1, math.Inf(-1)), FlagInfinite, "no echo can support it"},
		{"stand-in", set(1, -9999), FlagInfinite, "vLLM clamps -Inf to -9999"},
		{"zero for one policy", set(1, 0), FlagTooLikely, "false zeros have made weights of 1e17"},
		{"near zero for one policy", set(1, -0.02), FlagTooLikely, "that it is not exactly 0 makes it no better"},
		{"zero for both", set(2, 0), "", "a text that is certain is certain under each: nothing contradicts it"},
		{"another method says the same", func(vs []Value, at int) {
			vs[at].LogProb, vs[at].Second = dataset.Known(-0.02),
				dataset.Known(-0.02)
		}, "", "evidence for it"},
		{"another method says otherwise", func(vs []Value, at int) {
			vs[at].Second = dataset.Known(vs[at].LogProb.OrNaN() -
				30)
		}, FlagSecondDisagrees, "one of the two is wrong"},
		{"a long text", func(vs []Value, at int) {
			for k := range 2 {
				vs[at+k].LogProb, vs[at+k].Length = dataset.Known(-12_000), 90_000
			}
		}, "", "-9999 is no stand-in where the length explains it"},
	} {
		vs := line(200)
		at := 0 // of a response long enough to show something
		for vs[at].Length < 100 {
			at += 2
		}
		c.plant(vs, at)
		got := Suspects(vs)
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || got[0].Index != at || got[0].Flag != c.want ||
			got[0].Detail == ""):
			t.Errorf("%s: %+v, want %q: %s", c.name, got, c.want, c.reason)
		}
	}
	few := line(5)
	few[0].LogProb = dataset.Known(0)
	if got := Suspects(few); len(got) > 0 {
		t.Errorf("%+v: five values make no line", got)
	}
}

// TestSuspectsOfArena: real values of a real endpoint, with its noise. No more
// than 2 of the 1,600 may be suspect; of values spoilt on purpose, every one has
// to be.
func TestSuspectsOfArena(t *testing.T) {
	f, err := os.Open(shareddata.File(t, "data/arena/logged.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var values []Value
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var row struct {
			Response string             `json:"response"`
			Base     float64            `json:"base_policy_logprob"`
			Targets  map[string]float64 `json:"target_policy_logprobs"`
			Metadata struct {
				ID string `json:"prompt_id"`
			}
		}
		if err := json.Unmarshal(scan.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		row.Targets["base"] = row.Base
		for _, name := range slices.Sorted(maps.Keys(row.Targets)) {
			values = append(values, Value{Response: row.Metadata.ID, Policy: name, LogProb: dataset.Known(row.Targets[name]),
				Length: len(row.Response)})
		}
	}
	if err := scan.Err(); err != nil || len(values) != 1600 {
		t.Fatalf("%d values, %v", len(values), err)
	}
	suspects := Suspects(values)
	for _, s := range suspects {
		t.Logf("%s under %s: %s: %s", values[s.Index].Response, values[s.Index].Policy, s.Flag, s.Detail)
	}
	t.Logf("%d of %d values are suspect", len(suspects), len(values))
	if len(suspects) > 2 {
		t.Errorf("%d of %d good values are suspect, at most 2 may be", len(suspects), len(values))
	}

	rng := rand.New(rand.NewPCG(1, 2))
	planted := map[int]Flag{}
	for at, response := range rng.Perm(400) {
		i := 4*response + rng.IntN(4)
		if len(planted) == 16 {
			break
		}
		if values[i].LogProb.OrNaN() > -10 { // a short certain text may well be 0
			continue
		}
		kind := []struct {
			v    float64
			flag Flag
		}{{0, FlagTooLikely}, {values[i].LogProb.OrNaN() / 1000, FlagTooLikely}, {-values[i].LogProb.OrNaN(), FlagPositive},
			{math.NaN(), FlagNull}}[at%4]
		values[i].LogProb, planted[i] = dataset.Known(kind.v), kind.flag
	}
	found := map[int]Flag{}
	for _, s := range Suspects(values) {
		found[s.Index] = s.Flag
	}
	for i, flag := range planted {
		if found[i] != flag {
			t.Errorf("%+v: found %q, planted %q", values[i], found[i], flag)
		}
	}
	if len(found) > len(planted)+2 {
		t.Errorf("%d suspects where %d were planted", len(found), len(planted))
	}
}

// watched remembers what the server gave for each record.
type watched struct {
	PromptScorer
	mu  sync.Mutex
	bad map[string]Flag // key -> the flag that its row has to have
}

func (w *watched) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	s, err := w.PromptScorer.ScorePrompt(ctx, req)
	w.mu.Lock()
	defer w.mu.Unlock()
	zeros := len(s.Tokens) > 1
	for _, t := range s.Tokens[min(1, len(s.Tokens)):] {
		switch {
		case !t.LogProb.Valid():
			w.bad[req.Tag.Key.String()] = FlagNull
		case t.LogProb.OrNaN() > 0:
			w.bad[req.Tag.Key.String()] = FlagPositive
		}
		zeros = zeros && t.LogProb.OrNaN() == 0
	}
	if zeros {
		w.bad[req.Tag.Key.String()] = FlagZero
	}
	return s, err
}

// TestFaultyRowsAreFlagged: with 1% of rows spoilt by each of three faults, every
// spoilt row is flagged with its reason, and at most 0.1% of the others are.
func TestFaultyRowsAreFlagged(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	rows := manyPairs(t, 600)
	faults, err := sim.ParseFaults("zero=0.01,positive=0.01,null=0.01")
	if err != nil {
		t.Fatal(err)
	}
	server := simulated(t, sim.Config{Faults: faults, Seed: 3})
	w := &watched{PromptScorer: server, bad: map[string]Flag{}}
	f := newForcer(t, w)
	p0 := simPolicy("llama4")
	p0.Sampling.MaxTokens = 48
	bigger, bad := p0, p0
	bigger.Name, bigger.Model = "pi_bigger_model", sim.MaverickModel
	bad.Name, bad.System = "pi_bad", "You are an unhelpful assistant."
	policies := []offpolicy.Policy{p0, bigger, bad}
	prompts := arenagen.Prompts(rows/len(policies), 1)

	var mu sync.Mutex
	flags := map[string][]Flag{}
	var values []Value
	each(len(prompts), func(i int) {
		q := dataset.Prompt{ID: fmt.Sprint(i), Text: prompts[i]}
		req, err := f.GenerateRequest(providers.Tag{Stage: "p0", Key: dataset.Key{PromptID: q.ID}}, p0, q, int64(i))
		if err != nil {
			return // a prompt that spells a special token
		}
		g, err := server.Generate(t.Context(), req)
		if err != nil {
			t.Error(err)
			return
		}
		for _, p := range policies {
			at := dataset.Key{PromptID: q.ID, Policy: p.Name}
			key := at.String()
			res, err := f.Score(t.Context(), providers.Tag{Stage: "logprobs", Key: at}, p, q, ResponseOf(p0, g))
			rec := res.Record(q.ID, p.Name)
			if err != nil {
				rec = FailedRecord(q.ID, p, err)
			}
			mu.Lock()
			for _, name := range rec.Flags {
				if flag := Flag(name); flag.Anomaly() {
					flags[key] = append(flags[key], flag)
				}
			}
			values = append(values, Value{Response: q.ID, Policy: p.Name, LogProb: rec.LogProb, Length: rec.Tokens})
			mu.Unlock()
		}
	})
	for _, s := range Suspects(values) {
		v := values[s.Index]
		key := dataset.Key{PromptID: v.Response, Policy: v.Policy}.String()
		flags[key] = append(flags[key], s.Flag)
	}
	good, flagged, kinds := 0, 0, map[Flag]int{}
	for key, got := range flags {
		want, faulty := w.bad[key]
		kinds[want]++
		switch {
		case faulty && !slices.Contains(got, want):
			t.Errorf("%s is spoilt (%s) and has flags %v", key, want, got)
		case !faulty:
			good++
			if len(got) > 0 {
				flagged++
				t.Logf("%s is good and has flags %v", key, got)
			}
		}
	}
	t.Logf("%d rows: %v; %d good ones, %d of them flagged", len(flags), kinds, good, flagged)
	for _, want := range []Flag{FlagZero, FlagPositive, FlagNull} {
		if kinds[want] < rows/400 {
			t.Errorf("%d rows are spoilt by %s: too few to show anything", kinds[want], want)
		}
	}
	if 1000*flagged > good {
		t.Errorf("%d of %d good rows are flagged, at most 0.1%% may be", flagged, good)
	}
}
