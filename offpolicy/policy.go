package offpolicy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
)

// Sampling is how a policy draws its tokens. All four settings change what is
// answered, so all four are always sent: a server's own defaults never decide.
type Sampling struct {
	Temperature float64 // 0 is greedy; 1 samples from the model's own distribution
	TopP        float64 // nucleus mass in (0, 1]; 1 keeps every token
	TopK        int     // tokens kept; 0 keeps every token
	MaxTokens   int     // hard limit on the response, in tokens
}

// Neutral reports whether tokens are drawn from the model's own distribution.
// Only then are a server's raw log-probs those of the sampling distribution.
func (s Sampling) Neutral() bool { return s.Temperature == 1 && s.TopP == 1 && s.TopK == 0 }

// leastTemperature is the lowest that every engine samples at, 0 apart: vLLM raises a lower
// one to it (sampling_params.py, _MAX_TEMP), and SGLang is greedy below 1e-6.
const leastTemperature = 0.01

// NeedsVocabulary reports whether log-probs that are computed from a part of the model's
// distribution have no bound unless the number of its tokens is known.
func (s Sampling) NeedsVocabulary() bool { return s.Temperature > 1 && s.TopK == 0 }

// Validate reports the first setting that is missing or out of range.
func (s Sampling) Validate() error {
	switch {
	case math.IsNaN(s.Temperature) || s.Temperature < 0 || math.IsInf(s.Temperature, 0):
		return fmt.Errorf("temperature %v: want a number >= 0", s.Temperature)
	case s.Temperature > 0 && s.Temperature < leastTemperature:
		return fmt.Errorf("temperature %v: servers put %v or greedy decoding in its place: want 0, or %v and more",
			s.Temperature, leastTemperature, leastTemperature)
	case !(s.TopP > 0 && s.TopP <= 1):
		return fmt.Errorf("top_p %v: want a number in (0, 1]; 1 keeps every token", s.TopP)
	case s.TopK < 0:
		return fmt.Errorf("top_k %d: want 0 (keep every token) or more", s.TopK)
	case s.MaxTokens <= 0:
		return fmt.Errorf("max_tokens %d: want a positive limit", s.MaxTokens)
	}
	return nil
}

// Policy is a model together with everything else that decides what it
// answers: π(a | c) is a property of this value and of nothing outside it. It
// is compared with ==, passed by value, and never changed once made. Generation
// and scoring both take a Policy, so that they cannot disagree about the
// context.
type Policy struct {
	// Name is how people and records refer to the policy. It is not part of
	// the hash: a clone differs from its original in name alone.
	Name     string
	Model    string // as the provider spells it
	System   string // system prompt; empty for none
	Template string // chat template, by its name in teacherforce/chat
	Sampling Sampling
}

// Validate reports what keeps p from being used.
func (p Policy) Validate() error {
	var err error
	switch {
	case p.Name == "":
		err = errors.New("name is empty")
	case p.Model == "":
		err = errors.New("model is empty")
	case p.Template == "":
		err = errors.New("template is empty: name the chat template that the model was trained with")
	default:
		err = p.Sampling.Validate()
	}
	if err != nil {
		return fmt.Errorf("offpolicy: policy %q: %w", p.Name, err)
	}
	return nil
}

// Hash identifies the distribution that p answers from: 16 hexadecimal digits
// of the SHA-256 over model, system prompt, template and sampling settings,
// each length-prefixed. Two policies of equal hash are the same policy under
// two names.
func (p Policy) Hash() string {
	h := sha256.New()
	for _, s := range []string{"reweigh policy 1", p.Model, p.System, p.Template} {
		writeString(h, s)
	}
	for _, v := range []uint64{
		math.Float64bits(p.Sampling.Temperature + 0), math.Float64bits(p.Sampling.TopP), // -0 is 0
		uint64(p.Sampling.TopK), uint64(p.Sampling.MaxTokens),
	} {
		h.Write(binary.BigEndian.AppendUint64(nil, v))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func writeString(h hash.Hash, s string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	h.Write([]byte(s))
}
