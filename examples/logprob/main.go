// Logprob computes the log-probability of given responses by teacher forcing,
// from any server that speaks the completions API with echo:
//
//	go run ./examples/logprob -endpoint e=vllm:http://127.0.0.1:8000/v1 -model M -template chatml -in pairs.jsonl
//
// -endpoint declares a server by name and kind, as for sample1pct; of several, -model
// names one as NAME/MODEL, or the first is meant. -base-url URL -key-env VAR is short for
// -endpoint server=compatible:URL,key-env=VAR.
//
// It reads lines of {prompt, response} and writes the same lines with logprob,
// tokens, method, methods, flags and error. A response counts as ended by
// itself, so its end-of-turn token is scored too, unless its line says
// "ended": false.
//
// Before the first value the endpoint is certified: about 30 short calls ask
// whether its values are log-probs at all. An endpoint that fails is refused. A
// certificate is kept for a day in the user's cache folder. -no-certify skips
// this, and every value then carries the flag "uncertified". A log-prob of exactly
// 0 always carries a flag.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/internal/work"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		clean.Error(os.Stderr, "logprob", err)
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// inFlight is how many pairs are scored at once.
const inFlight = 16

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	fs := flag.NewFlagSet("logprob", flag.ContinueOnError)
	var declared endpoints.List
	fs.Func("endpoint", "a server by name, `"+endpoints.Form+"` (repeatable)", declared.Add)
	baseURL := fs.String("base-url", "", "the `URL` of a server of which no more is known, ending in the API's version, "+
		"as /v1")
	model := fs.String("model", "", "model `name`, or NAME/MODEL of an endpoint; what names none is of the first")
	keyEnv := fs.String("key-env", "", "with -base-url: environment variable `name` that holds the key")
	template := fs.String("template", "llama4", "chat template: "+strings.Join(chat.Names(), ", "))
	system := fs.String("system", "", "system prompt `text`")
	strategy := fs.String("strategy", "all", "methods, separated by commas, or all")
	in := fs.String("in", "", "`file` of pairs, - for stdin")
	noCertify := fs.Bool("no-certify", false, "score without asking first whether the endpoint's values can be trusted")
	insecure := fs.Bool("insecure-http", false,
		"allow plain HTTP to another machine, which sends keys and prompts in clear")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	switch {
	case fs.NArg() > 0:
		return usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	case (*baseURL == "") == (len(declared) == 0):
		return usageError{errors.New("one of -endpoint and -base-url is needed")}
	case *keyEnv != "" && *baseURL == "":
		return usageError{errors.New("-key-env belongs to -base-url: an endpoint has a key-env of its own")}
	case *model == "" || *in == "":
		return usageError{errors.New("-model and -in are needed")}
	case *baseURL != "":
		declared = endpoints.List{{Name: plain, Kind: providers.KindCompatible, URL: *baseURL, KeyEnv: *keyEnv}}
	}
	if err := declared.CheckPlain(*insecure); err != nil {
		return usageError{fmt.Errorf("%w, or allow it with -insecure-http", err)}
	}
	strategies, err := parseStrategies(*strategy)
	if err != nil {
		return usageError{err}
	}
	if _, ok := chat.Lookup(*template); !ok {
		return usageError{fmt.Errorf("-template %q is not known: have %s", *template, strings.Join(chat.Names(), ", "))}
	}
	server, local, address, err := connect(declared, *model, *template)
	if err != nil {
		return usageError{err}
	}
	// A server of one's own charges nothing per token: a stated price, not a
	// missing one. What a service charges is not counted here.
	free := providers.Prices{Models: map[string]providers.Price{local: {}}}
	client, err := providers.NewClient(server.Provider, providers.ClientConfig{Concurrency: inFlight, Prices: free})
	if err != nil {
		return err
	}
	forcing := teacherforce.Config{Scorer: client, Strategies: strategies,
		Repeatability: teacherforce.ServerRepeatability}
	if providers.ScoresChats(server.Provider) {
		forcing.Chat = client
	} else if slices.ContainsFunc(strategies,
		func(s teacherforce.Strategy) bool { return s.Name() == teacherforce.MethodChat }) {
		return usageError{fmt.Errorf("-strategy chat: endpoint %s scores no conversations; one of kind vllm does",
			server.Name)}
	}
	forcer, err := teacherforce.New(forcing)
	if err != nil {
		return err
	}
	// Scoring does not sample; neutral settings say that raw values are meant.
	policy := offpolicy.Policy{
		Name: "policy", Model: local, System: *system, Template: *template,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 1},
	}

	r := stdin
	name := "standard input"
	if *in != "-" {
		f, err := os.Open(*in)
		if err != nil {
			return err
		}
		defer f.Close()
		r, name = f, *in
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := scoring{forcer: forcer, policy: policy, first: func(ctx context.Context) error {
		if err := checkServer(ctx, client, local); err != nil || *noCertify {
			return err
		}
		shown, _ := providers.ShownKind(server.Provider, local)
		return certify(ctx, forcer, client, policy, address, shown)
	}}
	if *noCertify {
		run.flags = []string{flagUncertified}
	}
	return run.all(ctx, r, name, stdout)
}

// flagUncertified is on every value of an endpoint that was not certified.
const flagUncertified = "uncertified"

// scoring is what is done with each line.
type scoring struct {
	forcer *teacherforce.Forcer
	policy offpolicy.Policy
	first  func(context.Context) error // before the first value
	flags  []string                    // of every value
}

func parseStrategies(s string) ([]teacherforce.Strategy, error) {
	if s == "all" {
		return nil, nil
	}
	known := map[string]teacherforce.Strategy{}
	var names []string
	for _, st := range teacherforce.Strategies() {
		known[st.Name()] = st
		names = append(names, st.Name())
	}
	var out []teacherforce.Strategy
	for _, name := range strings.Split(s, ",") {
		st, ok := known[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("-strategy %q is not known: have all, %s", name, strings.Join(names, ", "))
		}
		out = append(out, st)
	}
	return out, nil
}

// pair is the part of a line that is understood; the rest is passed through.
type pair struct {
	Prompt   *string `json:"prompt"`
	Response *string `json:"response"`
	Ended    *bool   `json:"ended"`
}

// all scores the lines a batch at a time and writes each batch in the order of
// its lines, so that memory stays bounded.
func (s scoring) all(ctx context.Context, r io.Reader, name string, w io.Writer) error {
	out := bufio.NewWriter(w)
	defer out.Flush()
	type job struct {
		line int
		raw  json.RawMessage
		done []byte
	}
	var batch []*job
	flush := func() error {
		if s.first != nil && len(batch) > 0 {
			if err := s.first(ctx); err != nil {
				return err
			}
			s.first = nil
		}
		err := work.Each(ctx, work.Items(batch...), work.Bounds{Limit: inFlight}, func(ctx context.Context, j *job) error {
			var err error
			j.done, err = s.line(ctx, j.line, j.raw)
			return err
		})
		if err != nil {
			return err
		}
		for _, j := range batch {
			out.Write(append(clean.JSON(j.done), '\n'))
		}
		batch = batch[:0]
		return out.Flush()
	}
	n := 0
	for raw, err := range dataset.ReadJSONL[json.RawMessage](r, name) {
		if err != nil {
			return err
		}
		n++
		var pr pair
		if err := json.Unmarshal(raw, &pr); err != nil || pr.Prompt == nil || pr.Response == nil {
			return fmt.Errorf("%s: pair %d: want an object with prompt and response as text", name, n)
		}
		batch = append(batch, &job{line: n, raw: append(json.RawMessage(nil), raw...)})
		if len(batch) == 8*inFlight {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (s scoring) line(ctx context.Context, line int, raw json.RawMessage) ([]byte, error) {
	var pr pair
	fields := map[string]any{}
	if err := errors.Join(json.Unmarshal(raw, &pr), json.Unmarshal(raw, &fields)); err != nil {
		return nil, err
	}
	prompt := dataset.Prompt{ID: fmt.Sprintf("line %d", line), Text: *pr.Prompt}
	tag := providers.Tag{Stage: "logprob", Key: dataset.Key{PromptID: prompt.ID, Policy: s.policy.Name}}
	var record dataset.LogProb
	response := teacherforce.Response{Text: *pr.Response, Ended: pr.Ended == nil || *pr.Ended}
	res, err := s.forcer.Score(ctx, tag, s.policy, prompt, response)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		record = teacherforce.FailedRecord(prompt.ID, s.policy, err)
	} else {
		record = res.Record(prompt.ID, s.policy.Name)
		record.Flags = append(record.Flags, s.flags...)
	}
	fields["logprob"], fields["tokens"], fields["method"] = record.LogProb, record.Tokens, record.Method
	fields["methods"], fields["flags"], fields["error"] = record.Methods, record.Flags, record.Error
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
