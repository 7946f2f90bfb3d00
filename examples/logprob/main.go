// Logprob computes the log-probability of given responses by teacher forcing,
// from any server that speaks the completions API with echo:
//
//	go run ./examples/logprob -base-url http://127.0.0.1:8000/v1 -model M -template chatml -in pairs.jsonl
//
// -server names the make of the server, if it is known to differ from a
// plain one: vllm, sglang, llamacpp, llama-cpp-python, together or fireworks.
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
	baseURL := fs.String("base-url", "", "the server's `URL`, ending in the API's version, as /v1")
	model := fs.String("model", "", "model `name`")
	keyEnv := fs.String("key-env", "", "environment variable `name` that holds the key")
	template := fs.String("template", "llama4", "chat template: "+strings.Join(chat.Names(), ", "))
	system := fs.String("system", "", "system prompt `text`")
	strategy := fs.String("strategy", "all", "methods, separated by commas, or all")
	in := fs.String("in", "", "`file` of pairs, - for stdin")
	kind := fs.String("server", "echo", "`make` of the server: "+strings.Join(makes, ", "))
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
	case *baseURL == "" || *model == "" || *in == "":
		return usageError{errors.New("-base-url, -model and -in are needed")}
	}
	if err := endpoints.CheckPlain(*baseURL, *insecure); err != nil {
		return usageError{fmt.Errorf("%w, or allow it with -insecure-http", err)}
	}
	strategies, err := parseStrategies(*strategy)
	if err != nil {
		return usageError{err}
	}
	var key providers.Secret
	if *keyEnv != "" {
		if v := os.Getenv(*keyEnv); v != "" {
			key = providers.NewSecret(v)
		} else {
			return usageError{fmt.Errorf("the environment variable %s holds no key", *keyEnv)}
		}
	}
	server, err := newServer(*kind, *template, providers.HTTPConfig{BaseURL: *baseURL, Key: key})
	if err != nil {
		return err
	}
	// A server of one's own charges nothing per token: a stated price, not a
	// missing one. What a service charges is not counted here.
	free := providers.Prices{Models: map[string]providers.Price{*model: {}}}
	client, err := providers.NewClient(server, providers.ClientConfig{Concurrency: inFlight, Prices: free})
	if err != nil {
		return err
	}
	forcing := teacherforce.Config{Scorer: client, Strategies: strategies, Noise: teacherforce.ServerNoise}
	if providers.ScoresChats(server) {
		forcing.Chat = client
	} else if slices.ContainsFunc(strategies,
		func(s teacherforce.Strategy) bool { return s.Name() == teacherforce.MethodChat }) {
		return usageError{fmt.Errorf("-strategy chat: a server of make %s scores no conversations; vllm does", *kind)}
	}
	forcer, err := teacherforce.New(forcing)
	if err != nil {
		return err
	}
	// Scoring does not sample; neutral settings say that raw values are meant.
	policy := offpolicy.Policy{
		Name: "policy", Model: *model, System: *system, Template: *template,
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 1},
	}
	if _, ok := chat.Lookup(*template); !ok {
		return usageError{fmt.Errorf("-template %q is not known: have %s", *template, strings.Join(chat.Names(), ", "))}
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
	run := scoring{forcer: forcer, policy: policy}
	if *noCertify {
		run.flags = []string{flagUncertified}
	} else {
		run.certify = func(ctx context.Context) error {
			return certify(ctx, forcer, client, policy, *kind+" "+*baseURL)
		}
	}
	return run.all(ctx, r, name, stdout)
}

// flagUncertified is on every value of an endpoint that was not certified.
const flagUncertified = "uncertified"

// scoring is what is done with each line.
type scoring struct {
	forcer  *teacherforce.Forcer
	policy  offpolicy.Policy
	certify func(context.Context) error // before the first value; nil if not at all
	flags   []string                    // of every value
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
		if s.certify != nil && len(batch) > 0 {
			if err := s.certify(ctx); err != nil {
				return err
			}
			s.certify = nil
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
