package dataset

// Distribution says which distribution of a policy a log-prob is of. They are one if
// the policy samples at temperature 1 without filters, and its values are then of
// the sampling distribution.
type Distribution string

// The distributions.
const (
	// SamplingDistribution is the one that the policy draws from: π.
	SamplingDistribution Distribution = "sampling"
	// RawDistribution is the model's own, before temperature and filters. No
	// importance weight can be made of its values.
	RawDistribution Distribution = "raw"
	// UnstatedDistribution is the word of a caller whose source does not say. Values
	// are then taken for those of the sampling distribution, and every figure that
	// rests on them says so.
	UnstatedDistribution Distribution = "unstated"
)

// Scored says what all log-probs of a policy are of.
type Scored struct {
	Hash         string       `json:"policy_hash"` // of the policy; "" if the source does not say
	Distribution Distribution `json:"of"`
	// Unseen is the probability that a response of the policy is one that the logging
	// policy's filters exclude, at least: the logs cannot show what such responses are worth.
	// Missing if the logging policy excludes none, or nobody says.
	Unseen Float `json:"unseen,omitzero"`
}

// Unstated says of every policy in the samples that nobody stated what its log-probs
// are of, the logging policy's among them: the word of a caller who reads a file
// that does not say.
func Unstated(logging string, samples []Sample) map[string]Scored {
	out := map[string]Scored{logging: {Distribution: UnstatedDistribution}}
	for _, s := range samples {
		for name := range s.TargetPolicyLogProbs {
			out[name] = Scored{Distribution: UnstatedDistribution}
		}
	}
	return out
}
