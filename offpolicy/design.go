package offpolicy

// LabelDesign is what is known of how the logged labels were chosen. Whether they look
// it is tested: see [Gap].
type LabelDesign struct {
	Rows   int
	Labels int
	Stated bool // inclusion probabilities were given; else they are Labels/Rows
}
