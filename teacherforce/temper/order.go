package temper

// Order is the order in which an engine applies temperature, top-k and top-p. Its zero
// value is that it is not known: every order is then computed, and the interval spans
// them.
type Order int

// The orders. Ranks do not depend on the temperature, so that these are all that differ.
const (
	// AnyOrder: the engine's order is not known.
	AnyOrder Order = iota
	// TemperatureTopKTopP: top-p is taken of what top-k left of the tempered
	// distribution. vLLM and transformers.
	TemperatureTopKTopP
	// TemperatureBoth: top-k and top-p both look at the whole tempered distribution.
	// SGLang, unless min_p is set.
	TemperatureBoth
	// TopKTopPTemperature: top-p is taken of what top-k left of the model's own
	// distribution; the temperature comes last. llama.cpp and llama-cpp-python.
	TopKTopPTemperature
	// bothTemperature: top-k and top-p both look at the whole of the model's own
	// distribution. No engine that is known.
	bothTemperature
)

// rules are what an order means for the tokens kept.
type rules struct {
	raw  bool // the filters look at the model's own probabilities, not at the tempered ones
	both bool // top-p looks at the whole distribution, not at what top-k left
	ties bool // tokens as likely as the last that is kept may be kept, too: kernels differ
}

// rules are those of every order that o may be.
func (o Order) rules() []rules {
	switch o {
	case TemperatureTopKTopP:
		return []rules{{ties: true}}
	case TemperatureBoth:
		return []rules{{both: true, ties: true}}
	case TopKTopPTemperature:
		return []rules{{raw: true}}
	case bothTemperature:
		return []rules{{raw: true, both: true, ties: true}}
	}
	return []rules{{ties: true}, {both: true, ties: true}, {raw: true, ties: true}, {raw: true, both: true, ties: true}}
}
