package oracle

import (
	"context"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Oracle labels responses. Its methods are safe for concurrent use.
type Oracle interface {
	// Identity is the oracle's name and a hash over what changes its labels.
	Identity() string
	// Label returns the label, in [0, 1], of one response to one prompt. The tag's
	// key names the record. A *judge.UnscoredError means that the oracle gave no
	// label; any other error, that it could not be asked.
	Label(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (float64, error)
}
