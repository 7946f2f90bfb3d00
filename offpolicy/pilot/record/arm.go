package record

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/internal/jsonline"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/teacherforce"
)

// Role is what a policy is in the run.
type Role string

// The roles. Exactly one policy logs; a clone is a target that equals the
// logging policy and therefore must have weights of 1.
const (
	Logging Role = "logging"
	Target  Role = "target"
	Clone   Role = "clone"
)

// Arm is a policy in a run, with what its author expects of it.
type Arm struct {
	Policy offpolicy.Policy
	Role   Role
	// Endpoint is the endpoint that its file names, which is then the first part of
	// Policy.Model, as a providers.Router takes it; empty for none.
	Endpoint string
	// Vocabulary is how many tokens the model can emit, or any larger number; 0 if that is
	// not known. A temperature above 1 has log-probs from alternatives only if it is.
	// What one policy of a model states holds for all of them.
	Vocabulary int
	// ExpectedTokens is the assumed mean length of its responses, in tokens:
	// the cost estimate's one declared assumption about behaviour.
	ExpectedTokens float64
	// ExpectedRank orders the arms by expected quality, 1 best. Only the arm of
	// the largest rank is tested: it must score below the logging policy. 0
	// leaves an arm out.
	ExpectedRank int
}

// Arms are the policies of a run.
type Arms []Arm

//go:embed plan.json
var planJSON []byte

// PlanArms returns the five policies of the plan: P0 and its clone, the same
// model asked to think step by step, a bigger model, and the same model asked
// to be unhelpful. All sample at temperature 1 without filters, so that raw
// log-probs are those of the sampling distribution.
func PlanArms() Arms {
	arms, err := ReadArms(bytes.NewReader(planJSON), "plan.json")
	if err != nil {
		panic("record: " + err.Error())
	}
	return arms
}

// armJSON is an arm on file. Pointers mark the settings that must be stated:
// leaving one out must not mean zero.
type armJSON struct {
	Name           string         `json:"name"`
	Role           Role           `json:"role"`
	Endpoint       string         `json:"endpoint"`
	Model          string         `json:"model"`
	System         string         `json:"system"`
	Template       string         `json:"template"`
	Temperature    *float64       `json:"temperature"`
	TopP           *float64       `json:"top_p"`
	TopK           *int           `json:"top_k"`
	MaxTokens      *int           `json:"max_tokens"`
	Vocabulary     *int           `json:"vocabulary"`
	TemplateKwargs map[string]any `json:"chat_template_kwargs"`
	ExpectedTokens float64        `json:"expected_tokens"`
	ExpectedRank   int            `json:"expected_rank"`
}

// ReadArms reads a JSON array of policies, {name, role, endpoint, model, system, template,
// temperature, top_p, top_k, max_tokens, vocabulary, chat_template_kwargs, expected_tokens,
// expected_rank}, and validates them together. endpoint, vocabulary and chat_template_kwargs
// may be left out; the last are variables of the model's own template, if template is
// "server": [teacherforce.ServerTemplate]. An unknown key is an error: a misspelt setting would
// otherwise be a default in disguise. name is the file's, for errors.
func ReadArms(r io.Reader, name string) (Arms, error) {
	const longest = 16 << 20 // bytes; a file without an end must not fill the memory
	var raw []armJSON
	b, err := io.ReadAll(io.LimitReader(r, longest))
	if err == nil {
		err = jsonline.Strict(b, &raw)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %s: want a JSON array of policies: %w", name, err)
	}
	arms := make(Arms, len(raw))
	for i, a := range raw {
		var missing []string
		if a.Temperature == nil {
			missing = append(missing, "temperature")
		}
		if a.TopP == nil {
			missing = append(missing, "top_p")
		}
		if a.TopK == nil {
			missing = append(missing, "top_k")
		}
		if a.MaxTokens == nil {
			missing = append(missing, "max_tokens")
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("record: %s: policy %d (%q) does not state %s: a server's defaults must never decide", name,
				i+1, a.Name, strings.Join(missing, ", "))
		}
		vocabulary := 0
		if a.Vocabulary != nil {
			if vocabulary = *a.Vocabulary; vocabulary < 1 {
				return nil, fmt.Errorf("record: %s: policy %d (%q) states a vocabulary of %d tokens: want how many the model "+
					"can emit, or leave it out", name, i+1, a.Name, vocabulary)
			}
		}
		if a.Endpoint != "" && a.Model != "" {
			a.Model = a.Endpoint + "/" + a.Model
		}
		if len(a.TemplateKwargs) > 0 {
			if a.Template != teacherforce.ServerTemplate(nil) {
				return nil, fmt.Errorf("record: %s: policy %d (%q) states chat_template_kwargs and template %q: only the "+
					"server's own rendering, template %q, has variables", name, i+1, a.Name, a.Template,
					teacherforce.ServerTemplate(nil))
			}
			a.Template = teacherforce.ServerTemplate(a.TemplateKwargs)
		}
		arms[i] = Arm{
			Endpoint: a.Endpoint,
			Policy: offpolicy.Policy{
				Name: a.Name, Model: a.Model, System: a.System, Template: a.Template,
				Sampling: offpolicy.Sampling{Temperature: *a.Temperature, TopP: *a.TopP, TopK: *a.TopK, MaxTokens: *a.MaxTokens},
			},
			Role: a.Role, Vocabulary: vocabulary, ExpectedTokens: a.ExpectedTokens, ExpectedRank: a.ExpectedRank,
		}
	}
	if err := arms.Validate(); err != nil {
		return nil, fmt.Errorf("record: %s: %w", name, err)
	}
	return arms, nil
}

// Validate reports the first thing by which the arms do not make a run: there must be one
// that logs, and there may be others, names that can be told apart and stand in a file's name, policies
// that are valid, clones that equal the logging policy and targets that do not, and an
// expected length for each.
func (arms Arms) Validate() error {
	if len(arms) == 0 {
		return errors.New("there are none: want a logging policy")
	}
	seen, sizes := map[string]string{}, map[string]int{}
	var logging []Arm
	for _, a := range arms {
		p := a.Policy
		if err := p.Validate(); err != nil {
			return err
		}
		if err := folder.CheckName(p.Name); err != nil {
			return fmt.Errorf("policy name %q becomes part of a file name: %w", p.Name, err)
		}
		switch other, ok := seen[folder.Fold(p.Name)]; {
		case ok && other == p.Name:
			return fmt.Errorf("two policies are named %q: records join by name", p.Name)
		case ok:
			return fmt.Errorf("policies %q and %q differ in case alone: some systems would keep their draws in one file",
				other, p.Name)
		}
		seen[folder.Fold(p.Name)] = p.Name
		switch a.Role {
		case Logging:
			logging = append(logging, a)
		case Target, Clone:
		default:
			return fmt.Errorf("policy %q has role %q: want logging, target or clone", p.Name, a.Role)
		}
		if a.Vocabulary < 0 {
			return fmt.Errorf("policy %q states a vocabulary of %d tokens: want how many its model can emit, or 0", p.Name,
				a.Vocabulary)
		}
		if n := sizes[p.Model]; n > 0 && a.Vocabulary > 0 && a.Vocabulary != n {
			return fmt.Errorf("the vocabulary of %s has %d tokens by one policy and %d by %q: state one size of a model",
				p.Model, n, a.Vocabulary, p.Name)
		}
		sizes[p.Model] = max(sizes[p.Model], a.Vocabulary)
		if !(a.ExpectedTokens > 0) || a.ExpectedTokens > float64(p.Sampling.MaxTokens) {
			return fmt.Errorf("policy %q expects %v tokens a response: want a number in (0, max_tokens = %d], the cost "+
				"estimate rests on it", p.Name, a.ExpectedTokens, p.Sampling.MaxTokens)
		}
	}
	if len(logging) != 1 {
		return fmt.Errorf("%d policies have role logging: want exactly one", len(logging))
	}
	for _, a := range arms {
		if same := a.Policy.Hash() == logging[0].Policy.Hash(); a.Role == Clone && !same {
			return fmt.Errorf("policy %q has role clone but differs from %q in model, prompt, template or sampling",
				a.Policy.Name, logging[0].Policy.Name)
		} else if a.Role == Target && same {
			return fmt.Errorf("policy %q equals the logging policy %q: give it role clone, or change what it should differ in",
				a.Policy.Name, logging[0].Policy.Name)
		}
	}
	return nil
}

// Logging is the arm that logs. It panics if there is none: see [Arms.Validate].
func (arms Arms) Logging() Arm {
	for _, a := range arms {
		if a.Role == Logging {
			return a
		}
	}
	panic("record: no logging policy")
}

// Targets are the arms that are neither the logging policy nor its clone.
func (arms Arms) Targets() Arms {
	var out Arms
	for _, a := range arms {
		if a.Role == Target {
			out = append(out, a)
		}
	}
	return out
}

// Vocabularies are the sizes that the arms state, by model.
func (arms Arms) Vocabularies() map[string]int {
	sizes := map[string]int{}
	for _, a := range arms {
		if a.Vocabulary > 0 {
			sizes[a.Policy.Model] = a.Vocabulary
		}
	}
	return sizes
}

// WantsVocabulary says what it takes to bound the log-probs of an arm.
func (a Arm) WantsVocabulary() string {
	return fmt.Sprintf("%s samples at temperature %v from the whole vocabulary of %s, and without its size the "+
		"tokens that a server does not show bound no log-prob: state vocabulary",
		a.Policy.Name, a.Policy.Sampling.Temperature, a.Policy.Model)
}

// Unsized are the arms whose sampling needs the size of a vocabulary that none of them
// states.
func (arms Arms) Unsized() Arms {
	sizes := arms.Vocabularies()
	var out Arms
	for _, a := range arms {
		if a.Policy.Sampling.NeedsVocabulary() && sizes[a.Policy.Model] == 0 {
			out = append(out, a)
		}
	}
	return out
}

// Models are the models that the policies name, each once, sorted.
func (arms Arms) Models() []string {
	var models []string
	for _, a := range arms {
		models = append(models, a.Policy.Model)
	}
	slices.Sort(models)
	return slices.Compact(models)
}
