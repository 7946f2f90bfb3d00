// Engines has a real engine's server answer prompts and score the answers, and
// compares the values with those that the engine gives without its server; see
// run.sh beside it, which runs both. It is no part of the tests: it takes an
// engine, a model and an hour.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// pair is a line of the file between the two programs.
type pair struct {
	PromptID  string                          `json:"prompt_id"`
	Context   string                          `json:"context"`
	Response  string                          `json:"response"`
	TokenIDs  []int                           `json:"token_ids"`
	Ended     bool                            `json:"ended"`
	EndOfTurn string                          `json:"end_of_turn"`
	LogProb   dataset.Float                   `json:"logprob"`
	Tokens    int                             `json:"tokens"`
	Method    string                          `json:"method"`
	Methods   map[string]dataset.MethodResult `json:"methods"`
	Spread    dataset.Float                   `json:"spread"`
	Flags     []string                        `json:"flags"`
	Error     *dataset.RecordError            `json:"error"`
}

// direct is a line of what the engine says by itself.
type direct struct {
	PromptID string        `json:"prompt_id"`
	Tokens   int           `json:"tokens"`
	LogProb  dataset.Float `json:"logprob"`
	Reason   string        `json:"reason"`
}

func main() {
	var o options
	flag.Func("endpoint", "the server, `"+endpoints.Form+"`", o.endpoints.Add)
	flag.StringVar(&o.model, "model", "", "model `name`")
	flag.StringVar(&o.template, "template", "", "chat template")
	flag.StringVar(&o.bos, "bos", "", "`text` of the BOS token that the template has inside the text, where "+
		"llama-cpp-python leaves it out of the echo")
	flag.StringVar(&o.system, "system", "", "system prompt `text`")
	flag.StringVar(&o.prompts, "prompts", "", "`file` of prompts")
	flag.IntVar(&o.n, "n", 200, "prompts to take, by hash rank")
	flag.IntVar(&o.maxBytes, "max-bytes", 60, "longest prompt to take")
	flag.IntVar(&o.maxTokens, "max-tokens", 12, "limit of an answer")
	flag.StringVar(&o.out, "out", "", "`file` of pairs to write")
	certify := flag.Bool("certify", false, "certify the endpoint, and nothing else")
	modes := flag.Bool("modes", false, "certify it as three kinds of users declare it, with policies that temper")
	rendered := flag.Bool("rendered", false, "compare the ids of its rendering with those that chat answers in")
	table := flag.String("table", "", "compare this `file` of pairs ...")
	directs := flag.String("direct", "", "... with what the engine says in this one")
	flag.Parse()
	err := func() error {
		switch {
		case *table != "":
			return compare(*table, *directs, os.Stdout)
		case *certify:
			return o.certify()
		case *modes:
			return o.modes()
		case *rendered:
			return o.rendered()
		}
		return o.score()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

type options struct {
	endpoints                                  endpoints.List
	model, template, system, bos, prompts, out string
	n, maxBytes, maxTokens                     int
}

// connect returns a client of the server, and the policy that answers.
func (o options) connect() (*providers.Client, *teacherforce.Forcer, offpolicy.Policy, error) {
	p := offpolicy.Policy{
		Name: "policy", Model: o.model, Template: o.template, System: o.system,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: o.maxTokens},
	}
	t, ok := chat.Lookup(o.template)
	if !ok && !teacherforce.Served(o.template) {
		return nil, nil, p, fmt.Errorf("no template %q; have %s", o.template, strings.Join(chat.Names(), ", "))
	}
	provider, err := o.provider(t)
	if err != nil {
		return nil, nil, p, err
	}
	free := providers.Prices{Models: map[string]providers.Price{o.model: {}}}
	client, err := providers.NewClient(provider, providers.ClientConfig{Concurrency: 1, Prices: free})
	if err != nil {
		return nil, nil, p, err
	}
	config := teacherforce.Config{Scorer: client, Repeatability: teacherforce.ServerRepeatability,
		Tolerance: teacherforce.ServerTolerance}
	if providers.ScoresChats(provider) {
		config.Chat = client
	}
	forcer, err := teacherforce.New(config)
	return client, forcer, p, err
}

// provider is the server that was declared.
func (o options) provider(t chat.Template) (providers.Provider, error) {
	if len(o.endpoints) != 1 {
		return nil, errors.New("one -endpoint is needed")
	}
	spec := o.endpoints[0]
	var bos []string
	if t.Name() != "" {
		bos = []string{t.BOS()}
	}
	if spec.Kind != providers.KindLlamaCppPython || t.BOS() != "" {
		e, err := spec.Open(bos, os.Getenv)
		return e.Provider, err
	}
	quirks := providers.LlamaCppPython()
	quirks.BOSInText = o.bos
	return providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: spec.URL},
		Name: spec.Name, Quirks: quirks})
}

func (o options) certify() error {
	client, forcer, p, err := o.connect()
	if err != nil {
		return err
	}
	cert, err := forcer.Certify(context.Background(), client, p)
	if err != nil {
		return err
	}
	fmt.Printf("certified: %v after %d calls\n", cert.OK, cert.Calls)
	for _, probe := range cert.Probes {
		fmt.Printf("  %-14s %-5v %s\n", probe.Name, probe.OK, probe.Detail)
	}
	if !cert.OK {
		return errors.New("the endpoint is refused")
	}
	return nil
}

// score has the server answer and score, one pair a line as it goes.
func (o options) score() error {
	client, forcer, p, err := o.connect()
	if err != nil {
		return err
	}
	prompts, err := o.sample()
	if err != nil {
		return err
	}
	t, _ := chat.Lookup(o.template)
	f, err := os.Create(o.out)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, begun := context.Background(), time.Now()
	for i, prompt := range prompts {
		tag := providers.Tag{Stage: "engines", Key: dataset.Key{PromptID: prompt.ID, Policy: p.Name}}
		req, err := forcer.GenerateRequest(tag, p, prompt, int64(i))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s left out: %v\n", prompt.ID, err)
			continue
		}
		req.LogProbs = false
		g, err := client.Generate(ctx, req)
		if err != nil {
			return err
		}
		// llama-cpp-python keeps the states of the last text and starts from what
		// the next one shares with it. States made one token at a time, as in
		// generation, differ from those of a text read at once, by 0.01 to 0.1 nats
		// a token where weights are of 4 bits: another text comes between.
		other := providers.GenerateRequest{Tag: tag, Model: p.Model, Prompt: "Another text.", Sampling: p.Sampling}
		other.Tag.Call, other.Sampling.MaxTokens = "between", 1
		if _, err := client.Generate(ctx, other); err != nil {
			return err
		}
		r := teacherforce.ResponseOf(p, g)
		line := pair{PromptID: prompt.ID, Context: req.Prompt, Response: g.Text, TokenIDs: r.TokenIDs, Ended: r.Ended,
			EndOfTurn: t.EndOfTurn()}
		res, err := forcer.Score(ctx, tag, p, prompt, r)
		rec := res.Record(prompt.ID, p.Name)
		if err != nil {
			rec = teacherforce.FailedRecord(prompt.ID, p, err)
		}
		line.LogProb, line.Tokens, line.Method, line.Methods = rec.LogProb, rec.Tokens, rec.Method, rec.Methods
		line.Spread, line.Flags, line.Error = rec.Spread, rec.Flags, rec.Error
		b, err := json.Marshal(line)
		if err != nil {
			return err
		}
		if _, err := f.Write(append(b, '\n')); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "\r%d of %d pairs, %.1f s each ", i+1, len(prompts), time.Since(begun).Seconds()/float64(i+1))
	}
	fmt.Fprintln(os.Stderr)
	return f.Close()
}

// sample takes the prompts that are short enough for a slow machine.
func (o options) sample() ([]dataset.Prompt, error) {
	type row struct {
		ID   string `json:"prompt_id"`
		Text string `json:"prompt"`
	}
	rows, err := dataset.ReadFile[row](o.prompts)
	if err != nil {
		return nil, err
	}
	var short []dataset.Prompt
	for _, r := range rows {
		if len(r.Text) <= o.maxBytes {
			short = append(short, dataset.Prompt{ID: r.ID, Text: r.Text})
		}
	}
	return dataset.SamplePrompts(short, min(o.n, len(short)), 1)
}

// compare prints how far this module's values and the engine's own lie apart.
func compare(pairsFile, directFile string, w io.Writer) error {
	pairs, err1 := dataset.ReadFile[pair](pairsFile)
	directs, err2 := dataset.ReadFile[direct](directFile)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	own := map[string]direct{}
	for _, d := range directs {
		own[d.PromptID] = d
	}
	type worst struct {
		id                string
		perToken, ours, s float64
		tokens            int
	}
	var all []worst
	methods, failed, wrong := map[string]int{}, map[string]int{}, 0
	for _, p := range pairs {
		d, ok := own[p.PromptID]
		for name, m := range p.Methods {
			if m.Status == string(teacherforce.OK) {
				methods[name]++
			}
		}
		switch {
		case p.Error != nil:
			failed["this module refuses: "+p.Error.Class]++
		case !ok:
			failed["the engine was not asked"]++
		case !d.LogProb.Valid():
			failed["the engine: "+d.Reason]++
		case d.Tokens != p.Tokens:
			wrong++
			fmt.Fprintf(w, "%s: %d tokens, and %d by the engine\n", p.PromptID, p.Tokens, d.Tokens)
		default:
			all = append(all, worst{p.PromptID, math.Abs(float64(p.LogProb.OrNaN()-d.LogProb.OrNaN())) /
				float64(max(1, p.Tokens)), p.LogProb.OrNaN(), d.LogProb.OrNaN(), p.Tokens})
		}
	}
	slices.SortFunc(all, func(a, b worst) int { return cmp.Compare(b.perToken, a.perToken) })
	fmt.Fprintf(w, "%d pairs; answered by method %v\n", len(pairs), methods)
	for reason, n := range failed {
		fmt.Fprintf(w, "  %d not compared: %s\n", n, reason)
	}
	if len(all) == 0 {
		return errors.New("nothing to compare")
	}
	var sum float64
	for _, x := range all {
		sum += x.perToken
	}
	fmt.Fprintf(w, "%d compared, nats a token: mean difference %.3g, median %.3g, largest %.3g\n", len(all),
		sum/float64(len(all)), all[len(all)/2].perToken, all[0].perToken)
	fmt.Fprintln(w, "largest differences:")
	fmt.Fprintf(w, "  %-14s %6s %14s %14s %10s\n", "prompt", "tokens", "this module", "the engine", "per token")
	for _, x := range all[:min(10, len(all))] {
		fmt.Fprintf(w, "  %-14s %6d %14.6f %14.6f %10.2g\n", x.id, x.tokens, x.ours, x.s, x.perToken)
	}
	const limit = 1e-3
	if wrong > 0 || all[0].perToken > limit {
		return fmt.Errorf("%d pairs with another number of tokens; the largest difference is %.3g nats a token, "+
			"the limit %g", wrong, all[0].perToken, limit)
	}
	fmt.Fprintf(w, "all within %g nats a token\n", limit)
	return nil
}
