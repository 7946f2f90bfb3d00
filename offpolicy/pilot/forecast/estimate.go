package forecast

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// certificationCalls and certificationTokens are what the probes of one model
// are assumed to take.
const (
	certificationCalls  = 30 // and one more where conversations are scored
	certificationTokens = 60
	// A judge's or the oracle's reply is assumed to be a short sentence and its
	// numbers, with the JSON around them.
	sentenceTokens = 16
	numberTokens   = 7
	// A live service is assumed to take as long for a call, and to write as fast.
	secondsPerCall  = 0.7
	tokensPerSecond = 50
)

// Work is what a run has to do, as far as it costs something.
type Work struct {
	Prompts []dataset.Prompt // of the whole run
	Shard   record.Shard     // the part of it that is estimated
	Arms    record.Arms
	Seed    uint64
	Labels  oracle.Design
	// Dry takes the requests of Judge and Oracle, which are built around it.
	Dry    *DryRun
	Judge  judge.Scorer
	Oracle oracle.Oracle
	Forcer *teacherforce.Forcer // renders the contexts
	Prices providers.Prices

	Concurrency int             // calls in flight a service
	Templates   []chat.Template // besides those that package chat knows
	Batches     bool            // the labels are bought in batches
	Chats       bool            // the service of the policies scores conversations
	OneService  bool            // judge and oracle share the policies' limits
	Reference   *record.Reference

	assigned   []oracle.Assignment // of assignedOf
	assignedOf record.Shard
}

// Assigned are the responses that the oracle is to label, with strata as many others.
func (w *Work) Assigned() []oracle.Assignment {
	if w.assigned == nil || w.assignedOf != w.Shard { // a copy may be of another shard
		w.assigned, w.assignedOf = w.Shard.Assigned(w.Labels, w.Prompts, w.Arms), w.Shard
	}
	return w.assigned
}

// Cost prices the run, stage by stage, before it starts. It sends nothing: prompts
// and rendered contexts are counted, response lengths are the arms' declared
// expectations, and what judge and oracle would send they say to the dry run. A model
// without a price is an error that wraps [providers.ErrNoPrice].
func (w *Work) Cost(ctx context.Context) (record.CostEstimate, error) {
	stages := []*record.StageCost{}
	byName := map[string]*record.StageCost{}
	for _, name := range record.Stages()[1:] {
		s := &record.StageCost{Name: name}
		if w.Reference != nil {
			refer(s, w.Reference.Stages[name], float64(len(w.Shard.Own(w.Prompts)))/float64(w.Reference.Prompts))
		}
		stages, byName[name] = append(stages, s), s
	}
	p0 := w.Arms.Logging()
	certified := map[string]bool{}
	all, chats, probes := record.Compared(w.Prompts, w.Seed), w.Chats, certificationCalls
	own := w.Shard.Own(w.Prompts)
	if chats {
		probes++
	}
	for _, a := range w.Arms {
		price, err := w.Prices.For(a.Policy.Model)
		if err != nil {
			return record.CostEstimate{}, err
		}
		if k := record.CertificateKey(a.Policy); !certified[k] {
			certified[k] = true
			add(byName[record.StageCertify], price, probes, float64(probes)*certificationTokens, certificationTokens,
				certificationTokens)
		}
		gen := byName[record.StageTargets]
		if a.Role == record.Logging {
			gen = byName[record.StageP0]
		}
		limit := float64(a.Policy.Sampling.MaxTokens)
		for _, p := range own {
			context, err := w.context(a, price, p)
			if err != nil {
				continue // the stage itself will record why
			}
			add(gen, price, 1, context, a.ExpectedTokens, limit)
			// One echo of context and response and, where methods are compared,
			// one of the context alone. At worst everywhere, and the ids need a
			// third.
			score := byName[record.StageLogProbs]
			calls, whole, worst := 1, 1, 2 // whole: with the response, and so at worst
			if all[p.ID] {
				calls++
				if chats { // and the conversation as the server renders it
					calls, whole, worst = calls+1, whole+1, worst+1
					score.CompletionTokens++
					score.ExpectedUSD += float64(price.Output) / 1e6
					score.WorstUSD += float64(price.Output) / 1e6
				}
			}
			prompt := float64(calls)*context + float64(whole)*p0.ExpectedTokens
			score.Calls += calls
			score.PromptTokens += prompt
			score.ExpectedUSD += float64(price.Input) * prompt / 1e6
			score.WorstUSD += float64(price.Input) * (float64(worst+1)*context +
				float64(worst*p0.Policy.Sampling.MaxTokens)) / 1e6
		}
	}
	if err := w.grade(ctx, byName); err != nil {
		return record.CostEstimate{}, err
	}
	compares := "two calls"
	if chats {
		compares = "three calls, one of them over chat,"
	}
	out := record.CostEstimate{Assumptions: []string{
		fmt.Sprintf("response lengths are the policies' expected_tokens (%s)", w.expectations()),
		"prompts are counted in bytes and divided by the price table's bytes_per_token",
		fmt.Sprintf("a judge's or oracle's reply has %d tokens and %d for each number; certification takes %d calls a model",
			sentenceTokens, numberTokens, probes),
		fmt.Sprintf("no retries; teacher forcing takes %s a pair on the first %d prompts and one in %d of the others, "+
			"else one; one more only where the sampled tokens are not the canonical ones", compares, record.ComparedRows,
			record.AuditEvery),
		fmt.Sprintf("time: of live services, at %.1f s a call and %d tokens a second, %d calls in flight a service, and "+
			"no limit that binds; a batch of labels takes up to a day", secondsPerCall, tokensPerSecond, w.Concurrency),
		"worst case: every response as long as max_tokens allows",
	}}
	out.ExpectedSeconds = w.times(byName)
	if w.Labels.Strata > 1 {
		out.Assumptions = append(out.Assumptions, "which responses the oracle labels follows from their scores: as many "+
			"others stand for them")
	}
	if w.Reference != nil {
		out.Reference = w.Reference.Name
	}
	for _, s := range stages {
		out.Stages = append(out.Stages, *s)
		out.Calls += s.Calls
		out.ExpectedUSD += s.ExpectedUSD
		out.WorstUSD += s.WorstUSD
	}
	return out, nil
}

// times sets how long the stages take and returns the wall time: certification,
// and then the service that works longest, since stages overlap.
func (w *Work) times(byName map[string]*record.StageCost) dataset.Float {
	took := func(name string, inFlight int) float64 {
		s := byName[name]
		seconds := (secondsPerCall*float64(s.Calls) + s.CompletionTokens/tokensPerSecond) / float64(inFlight)
		s.ExpectedSeconds = dataset.Known(seconds)
		return seconds
	}
	certificates := map[string]bool{}
	for _, a := range w.Arms {
		certificates[record.CertificateKey(a.Policy)] = true
	}
	first := took(record.StageCertify, len(certificates)) // one probe after the other
	policies := took(record.StageP0, w.Concurrency) + took(record.StageTargets, w.Concurrency) +
		took(record.StageLogProbs, w.Concurrency)
	graders := took(record.StageJudge, w.Concurrency)
	if !w.Batches {
		graders += took(record.StageOracle, w.Concurrency)
	}
	whole := max(policies, graders)
	if w.OneService {
		whole = policies + graders
	}
	return dataset.Known(first + whole + took(record.StageCanaries, w.Concurrency))
}

// add counts calls with the given prompt tokens in all, and expected and worst
// completion tokens in all.
func add(s *record.StageCost, p providers.Price, calls int, prompt, completion, worst float64) {
	s.Calls += calls
	s.PromptTokens += prompt
	s.CompletionTokens += completion
	in := float64(p.Input) * prompt / 1e6
	s.ExpectedUSD += in + float64(p.Output)*completion/1e6
	s.WorstUSD += in + float64(p.Output)*worst/1e6
}

// refer puts the figures of a reference beside those of a stage.
func refer(s *record.StageCost, of record.ReferenceStage, scale float64) {
	s.ReferenceCalls, s.ReferenceUSD = int(math.Round(float64(of.Calls)*scale)), of.USD*scale
	if of.ToMinutes > 0 {
		from, to, unit := of.FromMinutes*scale, of.ToMinutes*scale, "min"
		if to > 120 {
			from, to, unit = from/60, to/60, "h"
		}
		s.ReferenceTime = fmt.Sprintf("%.3g-%.3g %s", from, to, unit)
	}
}

// context estimates the length of the context that a policy answers p in, in tokens.
func (w *Work) context(a record.Arm, price providers.Price, p dataset.Prompt) (float64, error) {
	if teacherforce.Served(a.Policy.Template) {
		n := float64(servedFrame)
		for _, m := range append(p.Turns(), dataset.Message{Content: a.Policy.System}) {
			n += servedFrame + float64(len(m.Content))/bytesPerToken(price)
		}
		return n, nil
	}
	text, err := w.Forcer.Render(a.Policy, p)
	return w.tokens(a, price, text), err
}

// servedFrame is how many tokens a template that only the server knows is taken to put around
// a turn.
const servedFrame = 8

// tokens estimates the length of a rendered context: each control token is one
// token, the rest goes by bytes.
func (w *Work) tokens(a record.Arm, price providers.Price, text string) float64 {
	n := 0.0
	if t, ok := w.template(a.Policy.Template); ok {
		for _, control := range t.Controls() {
			k := strings.Count(text, control)
			n += float64(k)
			text = strings.ReplaceAll(text, control, "")
		}
	}
	return n + float64(len(text))/bytesPerToken(price)
}

func bytesPerToken(p providers.Price) float64 {
	if p.BytesPerToken == 0 {
		return providers.DefaultBytesPerToken
	}
	return p.BytesPerToken
}

// grade adds the calls of oracle and judge, by letting both of them make their
// requests to a provider that only counts.
func (w *Work) grade(ctx context.Context, byName map[string]*record.StageCost) error {
	texts := map[string]string{}
	for _, a := range w.Arms {
		price, err := w.Prices.For(a.Policy.Model)
		if err != nil {
			return err
		}
		texts[a.Policy.Name] = strings.Repeat("x", int(a.ExpectedTokens*bytesPerToken(price)))
	}
	own := w.Shard.Own(w.Prompts)
	prompts := make(map[string]*dataset.Prompt, len(own))
	for i, p := range own {
		prompts[p.ID] = &own[i]
		for _, a := range w.Arms {
			key := dataset.Key{PromptID: p.ID, Policy: a.Policy.Name}
			tag := providers.Tag{Stage: record.StageJudge, Key: key}
			if _, err := w.Judge.Score(ctx, tag, p, texts[a.Policy.Name]); err != nil {
				return fmt.Errorf("forecast: the judge cannot be estimated: %w", err)
			}
		}
		if err := w.count(byName[record.StageJudge], false); err != nil {
			return err
		}
	}
	// Which response of a prompt carries a canary follows from the scores: one of every
	// policy in turn stands for it.
	planted, i := record.Canaries(w.Prompts, w.Seed), 0
	for _, p := range own {
		some := planted[p.ID]
		for _, canary := range some[:min(len(some), len(w.Arms))] {
			name := w.Arms[i%len(w.Arms)].Policy.Name
			i++
			tag := providers.Tag{Stage: record.StageCanaries, Key: dataset.Key{PromptID: p.ID, Policy: name}, Call: canary.Kind}
			if _, err := w.Judge.Score(ctx, tag, p, canary.Plant(texts[name])); err != nil {
				return fmt.Errorf("forecast: the judge cannot be estimated: %w", err)
			}
		}
	}
	if err := w.count(byName[record.StageCanaries], false); err != nil {
		return err
	}
	for _, as := range w.Assigned() {
		tag := providers.Tag{Stage: record.StageOracle, Key: as.Key}
		// Labels from a file make no calls and may lack some; that is the
		// stage's business.
		_, _ = w.Oracle.Label(ctx, tag, *prompts[as.Key.PromptID], texts[as.Key.Policy])
		if err := w.count(byName[record.StageOracle], w.Batches); err != nil {
			return err
		}
	}
	return nil
}

// count prices what the dry run has seen since it was last asked.
func (w *Work) count(s *record.StageCost, batch bool) error {
	for _, req := range w.Dry.take() {
		price, err := w.Prices.For(req.model)
		if err != nil {
			return err
		}
		if batch {
			factor := cmp.Or(price.Batch, providers.DefaultBatchFactor)
			price.Input *= providers.PerMTok(factor)
			price.Output *= providers.PerMTok(factor)
		}
		add(s, price, 1, float64(req.bytes)/bytesPerToken(price)+4*float64(req.messages), req.reply,
			float64(req.maxTokens))
	}
	return nil
}

func (w *Work) expectations() string {
	parts := make([]string, len(w.Arms))
	for i, a := range w.Arms {
		parts[i] = fmt.Sprintf("%s %.0f", a.Policy.Name, a.ExpectedTokens)
	}
	return strings.Join(parts, ", ")
}

// numbers splits a text into numbers and what is between them.
var numbers = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// DryRun is a generator that sends nothing. It keeps the size of the requests, and answers
// each with the middle of every number that the request's schema asks for, so
// that a grader which makes several calls makes them all.
type DryRun struct {
	requests []dryRequest
	schema   *providers.Schema // the last
	answer   string            // to requests with it
	numbers  int               // in the answer
}

type dryRequest struct {
	model     string
	bytes     int     // of all messages
	messages  int     // how many these are
	maxTokens int     // that the reply may have
	reply     float64 // tokens that it is expected to have
}

// take returns the requests since it was last called, good until the next one.
func (d *DryRun) take() []dryRequest {
	r := d.requests
	d.requests = r[:0]
	return r
}

// Generate implements [judge.Generator].
func (d *DryRun) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	if d.answer == "" || d.schema != req.Schema {
		if err := d.learn(req.Schema); err != nil {
			return providers.Generation{}, err
		}
	}
	made := dryRequest{model: req.Model, messages: len(req.Messages), maxTokens: req.Sampling.MaxTokens,
		reply: sentenceTokens + numberTokens*float64(d.numbers)}
	for _, m := range req.Messages {
		made.bytes += len(m.Content)
	}
	d.requests = append(d.requests, made)
	g := providers.Generation{Text: d.answer, FinishReason: "stop"}
	if req.LogProbs { // for a judge that reads them
		for _, part := range numbers.FindAllString(g.Text, -1) {
			g.Tokens = append(g.Tokens, providers.Token{Text: part, LogProb: dataset.Known(0),
				Top: []providers.Alternative{{Text: part, LogProb: dataset.Known(0)}}})
		}
	}
	return g, nil
}

// learn makes the answer to requests with a schema, nil for none.
func (d *DryRun) learn(of *providers.Schema) error {
	reply := map[string]any{}
	count := 0
	if of != nil {
		// Through JSON, since a schema may hold parts as JSON text.
		var schema struct {
			Properties map[string]struct {
				Type             string
				Minimum, Maximum float64
			}
		}
		b, err := json.Marshal(of.Schema)
		if err == nil {
			err = json.Unmarshal(b, &schema)
		}
		if err != nil {
			return err
		}
		for name, p := range schema.Properties {
			reply[name] = "dry run"
			if p.Type == "number" || p.Type == "integer" {
				reply[name] = math.Floor((p.Minimum + p.Maximum) / 2)
				count++
			}
		}
	}
	text, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	d.schema, d.answer, d.numbers = of, string(text), count
	return nil
}

// template returns the chat template of that name, the caller's own or a known one.
func (w *Work) template(name string) (chat.Template, bool) {
	for _, t := range w.Templates {
		if t.Name() == name {
			return t, true
		}
	}
	return chat.Lookup(name)
}

// GraderModels asks judge and oracle for one request each, and returns the models that
// these name.
func (w *Work) GraderModels(ctx context.Context) (judges, oracles []string, err error) {
	p := w.Prompts[0]
	key := dataset.Key{PromptID: p.ID, Policy: w.Arms.Logging().Policy.Name}
	tag := providers.Tag{Stage: record.StagePreflight, Key: key}
	models := func() (out []string) {
		for _, req := range w.Dry.take() {
			out = append(out, req.model)
		}
		return out
	}
	if _, err := w.Judge.Score(ctx, tag, p, "x"); err != nil {
		return nil, nil, err
	}
	judges = models()
	_, _ = w.Oracle.Label(ctx, tag, p, "x")
	return judges, models(), nil
}
