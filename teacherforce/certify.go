package teacherforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Values for [Config].Repeatability, in nats per token.
const (
	// ExactRepeatability is for a server that computes a text's log-probs the same way
	// every time. It catches values that depend on what was asked before.
	ExactRepeatability = 1e-6
	// ServerRepeatability is for a server that batches requests, whose kernels round
	// differently with the batch: Fireworks' own acceptance band is 0.01 for a
	// pass and 0.1 for marginal, as the largest difference of a token.
	ServerRepeatability = 0.02
)

// templateLimit is how far a reply's log-probs by chat and by our rendering may
// lie apart, in nats per token. A wrong template is off by far more: -150.9
// instead of -0.004 was seen for one word.
const templateLimit = 0.1

// greedyFloor is the mean log-prob per token that a model's own greedy reply
// reaches in its own context, if the reply comes without log-probs to
// compare with.
const greedyFloor = -2.0

// ProbeName names a probe.
type ProbeName string

// The probes, in the order in which they are put.
const (
	ProbeCoverage      ProbeName = "coverage"      // every token of a text is scored, multi-byte characters too
	ProbeRepeatability ProbeName = "repeatability" // a text has the same log-probs again, and after other requests
	ProbeAdditivity    ProbeName = "additivity"    // log p(ab|c) = log p(a|c) + log p(b|ca)
	ProbeSeam          ProbeName = "seam"          // if tokens may span the seam, the methods refuse or agree
	ProbeTemplate      ProbeName = "template"      // the chat endpoint renders as our template does
	ProbeKnownAnswer   ProbeName = "known_answer"  // the model's own reply is likelier than its words in another order
	ProbeMass          ProbeName = "mass"          // a value is its own token's, and alternatives sum to at most 1
	ProbeSampled       ProbeName = "sampled"       // a sampled reply has the log-probs that its echo has
	ProbeMethods       ProbeName = "methods"       // all methods agree on all that the other probes scored
)

// Probe is one question put to an endpoint, and its answer.
type Probe struct {
	Name ProbeName `json:"name"`
	// Policy is whose sampling was asked about, where the probe is of one.
	Policy string `json:"policy,omitempty"`
	OK     bool   `json:"ok"`
	// NotApplicable: the endpoint gives no occasion to ask, as one without chat gives
	// none to compare chat's rendering. OK is true then, and Detail says why.
	NotApplicable bool `json:"not_applicable,omitempty"`
	// Of is what generation's values are of, of a policy that samples otherwise than its
	// model, as far as the probe could tell the possibilities apart.
	Of     dataset.Distribution `json:"of,omitempty"`
	Value  dataset.Float        `json:"value"`  // what was measured; missing if nothing could be
	Limit  dataset.Float        `json:"limit"`  // what Value is held against
	Detail string               `json:"detail"` // what Value is, and what was found
}

// Certificate says whether an endpoint's log-probs can be relied upon, for one
// model and template. It is OK if every probe is.
type Certificate struct {
	// Endpoint and Issued say where and when; who certifies sets them.
	Endpoint string    `json:"endpoint"`
	Issued   time.Time `json:"issued"`

	Model    string  `json:"model"`
	Template string  `json:"template"`
	OK       bool    `json:"ok"`
	Probes   []Probe `json:"probes"`
	Calls    int     `json:"calls"`
	// BytesPerToken is the endpoint's own rate for English prose; missing if
	// the probes did not get that far.
	BytesPerToken dataset.Float `json:"bytes_per_token"`
}

// Certify puts the probes to p's endpoint, about 30 short calls, one after the
// other but for a few that ask what company does to a text. They need no reference values: each is
// a law that any model's
// log-probs obey, so that an endpoint can be judged before money is spent on it.
//
// An endpoint that fails a probe gets a Certificate that is not OK and no error;
// if it scores no prompts at all the probes end with the first. An error
// means that the question could not be put (no key, no quota, no network); it
// wraps the provider's.
//
// If the server renders p's conversations ([Served]), the probes are of token ids, and
// there is none of the seam.
//
// others are policies of the same model and template. How each of them samples is probed, too:
// once for those that sample alike.
func (f *Forcer) Certify(ctx context.Context, g Generator, p offpolicy.Policy,
	others ...offpolicy.Policy) (Certificate, error) {
	cert := Certificate{Model: p.Model, Template: p.Template}
	served := Served(p.Template)
	t, err := f.template(p)
	if err != nil && !served {
		return cert, err
	}
	// The probes compare an endpoint's own log-probs with each other. How p samples
	// would give some of them the value of another distribution.
	c := &certifier{f: f, g: g, t: t, cert: &cert}
	policies := append([]offpolicy.Policy{p}, others...)
	p.Sampling.Temperature, p.Sampling.TopP, p.Sampling.TopK = 1, 1, 0
	c.p = p
	c.strategies = slices.DeleteFunc(slices.Clone(f.strategies), func(s Strategy) bool { return s.Name() == MethodChat })
	if len(c.strategies) == 0 {
		c.strategies = textStrategies()
	}
	probes := c.probesServed()
	if !served {
		if c.context, err = f.Render(p, dataset.Prompt{ID: "certify", Text: probePrompt}); err != nil {
			return cert, err
		}
		probes = []probe{
			{ProbeCoverage, c.coverage},
			{ProbeRepeatability, c.repeatability},
			{ProbeAdditivity, c.additivity},
			{ProbeSeam, c.seam},
			{ProbeTemplate, c.template},
			{ProbeKnownAnswer, c.knownAnswer},
			{ProbeMass, c.mass},
		}
	}
	probed := map[offpolicy.Sampling]bool{}
	for _, q := range policies {
		s := q.Sampling
		if s.MaxTokens = 0; probed[s] || q.Model != p.Model || q.Template != p.Template {
			continue
		}
		probed[s] = true
		probes = append(probes, probe{ProbeSampled, func(ctx context.Context) (Probe, error) {
			got, err := c.sampled(ctx, q)
			got.Policy = q.Name
			return got, err
		}})
	}
	for _, probe := range append(probes, probe{ProbeMethods, c.methods}) {
		if c.probe != probe.name {
			c.probe, c.call = probe.name, 0
		}
		got, err := probe.run(ctx)
		if err != nil {
			return cert, fmt.Errorf("teacherforce: certify %s with template %s: probe %s: %w", p.Model, p.Template, probe.name,
				err)
		}
		got.Name = probe.name
		cert.Probes = append(cert.Probes, got)
		if probe.name == ProbeCoverage && !got.OK {
			break // nothing that follows could mean anything
		}
	}
	cert.OK = !slices.ContainsFunc(cert.Probes, func(p Probe) bool { return !p.OK })
	return cert, nil
}

// probe is a question and how it is put.
type probe struct {
	name ProbeName
	run  func(context.Context) (Probe, error)
}

// certifier carries one certification. It stands between the Forcer and the
// provider, to count the calls and to name them by probe.
type certifier struct {
	f       *Forcer
	g       Generator
	p       offpolicy.Policy
	t       chat.Template
	cert    *Certificate
	context string
	// strategies are the Forcer's that read a text; probe of the template puts
	// the conversation itself to the server.
	strategies []Strategy
	probe      ProbeName
	call       int
	worst      dataset.Float // largest spread between methods so far, nats per token of the joint text
	full       int           // results on which every text method answered
	seen       seen
}

func (c *certifier) tag() providers.Tag {
	c.call++
	c.cert.Calls++
	return providers.Tag{
		Stage: "certify",
		Key:   dataset.Key{PromptID: c.p.Model + "/" + c.p.Template + "/" + string(c.probe), Policy: c.p.Name},
		Call:  strconv.Itoa(c.call),
	}
}

// ScorePrompt implements PromptScorer for the Forcers of the probes.
func (c *certifier) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	req.Tag = c.tag()
	s, err := c.f.scorer.ScorePrompt(ctx, req)
	c.seen.alternatives(s.Tokens)
	if c.probe == ProbeKnownAnswer {
		c.seen.echo(s.Tokens)
	}
	return s, err
}

// echo scores one text. An endpoint without prompt log-probs gives an altered
// echo, not an error.
func (c *certifier) echo(ctx context.Context, text string) (Echo, error) {
	return c.echoAs(ctx, c.tag(), text)
}

func (c *certifier) echoAs(ctx context.Context, tag providers.Tag, text string) (Echo, error) {
	s, err := c.f.scorer.ScorePrompt(ctx, providers.ScoreRequest{Tag: tag, Model: c.p.Model, Prompt: text})
	if errors.Is(err, errors.ErrUnsupported) {
		return Echo{Sent: text, Altered: "the endpoint gives no log-probs for a prompt: " + cause(err)}, nil
	}
	if err != nil {
		return Echo{}, err
	}
	c.seen.alternatives(s.Tokens)
	return NewEcho(text, s, c.t), nil
}

// forcer returns a Forcer that shares no context with another probe's.
func (c *certifier) forcer() *Forcer {
	return &Forcer{scorer: c, templates: c.f.templates, strategies: c.strategies, tolerance: c.f.tolerance,
		noise: c.f.noise, sizes: c.f.sizes}
}

// ScoreChat implements ChatScorer for the Forcer of conversant.
func (c *certifier) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	req.Tag = c.tag()
	return c.f.chat.ScoreChat(ctx, req)
}

// conversant is forcer with the server's own rendering among the methods, if
// the Forcer has it.
func (c *certifier) conversant() *Forcer {
	f := c.forcer()
	if c.f.wants(MethodChat) {
		f.chat, f.strategies = c, append(slices.Clone(f.strategies), chatStrategy{})
	}
	return f
}

// score scores r after any context.
func (c *certifier) score(ctx context.Context, f *Forcer, text string, r Response) (Result, *Error, error) {
	return c.scoreAfter(ctx, f, text, nil, r)
}

// scoreAfter scores r after a context, which is what the messages are rendered
// as unless they are nil. A pair that no method answers is reported as why, a
// call that failed as an error.
func (c *certifier) scoreAfter(ctx context.Context, f *Forcer, text string, msgs []dataset.Message,
	r Response) (res Result, why *Error, err error) {
	res, err = f.scoreIn(ctx, providers.Tag{}, c.p, c.t, string(c.probe), text, msgs, nil, r)
	if err != nil {
		if !errors.As(err, &why) || why.Methods[c.strategies[0].Name()].Reason == ReasonError {
			return Result{}, nil, err // a call failed, which says nothing of the endpoint's log-probs
		}
		return Result{}, why, nil
	}
	worst, _ := c.worst.Get()
	c.worst = dataset.Known(max(perToken(res, text), worst))
	complete := true
	for name, m := range res.Methods {
		complete = complete && (m.Status == OK || name == MethodTokenIDs || name == MethodChat)
	}
	if complete {
		c.full++
	}
	return res, nil, nil
}

// perToken is the methods' spread per token of the joint text, context included,
// because its noise is in continuation's two totals. Three bytes a token is near
// enough for that.
func perToken(res Result, context string) float64 {
	return res.Spread.OrNaN() / (float64(res.Tokens) + float64(len(context))/3)
}

// cause is what a provider's error says beyond operation and place, which a
// certificate names itself.
func cause(err error) string {
	var p *providers.Error
	if !errors.As(err, &p) || p.Message == "" && p.Err == nil {
		return err.Error()
	}
	what := p.Message
	if what == "" {
		what = p.Err.Error()
	}
	if p.Hint != "" {
		what += " (" + p.Hint + ")"
	}
	return what
}
