// Package endpoints reads how a command line declares servers:
//
//	NAME=KIND:URL[,key-env=VAR]
//
// as in local=vllm:http://127.0.0.1:8000/v1, or judges=openai,key-env=MY_KEY for the
// public address of a service that has one.
package endpoints

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// Form is how an endpoint is declared, for usage texts.
const Form = "NAME=KIND:URL[,key-env=VAR]"

// Spec is an endpoint as it was declared.
type Spec struct {
	Name   string
	Kind   providers.Kind
	URL    string // empty: the public address of the service
	KeyEnv string // environment variable that holds the key; empty: the kind's own, or none
}

// List are the endpoints of a command line, in the order given.
type List []Spec

// Add reads one declaration more.
func (l *List) Add(s string) error {
	e, err := parse(s)
	*l = append(*l, e)
	return err
}

// CheckPlain refuses the first address that would send prompts, and a key, in clear over a network,
// unless that is allowed.
func (l List) CheckPlain(allowed bool) error {
	for _, e := range l {
		if err := checkPlain(e.URL, allowed); err != nil {
			return err
		}
	}
	return nil
}

// Open connects to every endpoint, as [Spec.Open] does to one. bos has the BOS tokens of
// the templates that are used at an endpoint, by its name.
func (l List) Open(bos map[string][]string, getenv func(string) string) ([]providers.Endpoint, error) {
	var all []providers.Endpoint
	var errs []error
	for _, spec := range l {
		e, err := spec.Open(bos[spec.Name], getenv)
		errs, all = append(errs, err), append(all, e)
	}
	return all, errors.Join(errs...)
}

// keyOf names the variables that hold the keys of services.
var keyOf = map[providers.Kind]string{
	providers.KindFireworks: "FIREWORKS_API_KEY", providers.KindOpenAI: "OPENAI_API_KEY",
	providers.KindTogether: "TOGETHER_API_KEY",
}

// parse reads one declaration.
func parse(s string) (Spec, error) {
	var e Spec
	name, rest, ok := strings.Cut(s, "=")
	if !ok || name == "" || rest == "" {
		return e, fmt.Errorf("%q: want %s", s, Form)
	}
	server, option, hasOption := strings.Cut(rest, ",")
	if hasOption {
		key, value, _ := strings.Cut(option, "=")
		if key != "key-env" || value == "" || strings.Contains(value, ",") {
			return e, fmt.Errorf("%q: after the comma want key-env=VAR, the variable that holds the key", s)
		}
		e.KeyEnv = value
	}
	kind, url, _ := strings.Cut(server, ":")
	e.Name, e.Kind, e.URL = name, providers.Kind(strings.ToLower(kind)), url
	if !slices.Contains(providers.Kinds(), e.Kind) {
		return e, fmt.Errorf("%q: there is no kind %q of server: have %s", s, kind, kinds())
	}
	if e.URL == "" && keyOf[e.Kind] == "" {
		return e, fmt.Errorf("%q: a server of kind %s has no public address: want %s", s, kind, Form)
	}
	return e, nil
}

func kinds() string {
	var names []string
	for _, k := range providers.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// Open connects to the endpoint. bos are the BOS tokens of the chat templates that its
// policies are rendered by, each once; getenv reads the environment. A server on
// loopback needs no key, and its models cost nothing unless they have a price.
func (e Spec) Open(bos []string, getenv func(string) string) (providers.Endpoint, error) {
	out := providers.Endpoint{Name: e.Name, Free: providers.Loopback(e.URL)}
	config := providers.HTTPConfig{BaseURL: e.URL}
	env := e.KeyEnv
	if env == "" && !out.Free {
		env = keyOf[e.Kind]
	}
	if env != "" {
		key := getenv(env)
		if key == "" {
			return out, fmt.Errorf("endpoint %s needs its key in the environment variable %s", e.Name, env)
		}
		config.Key = providers.NewSecret(key)
	}
	addsBOS := ""
	if len(bos) > 1 && (e.Kind == providers.KindSGLang || e.Kind == providers.KindLlamaCppPython) {
		return out, fmt.Errorf("endpoint %s puts a BOS token before every text, and its policies have templates with "+
			"different ones, %q: declare the server once for each, by names of their own", e.Name, bos)
	}
	if len(bos) > 0 {
		addsBOS = bos[0]
	}
	var err error
	out.Provider, err = providers.NewOfKind(e.Kind, e.Name, addsBOS, config)
	return out, err
}
