package pilot_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/providers"
)

// hiding is a provider whose replies to one prompt of P0 hide something.
type hiding struct {
	providers.Provider
	prompt string
}

func (h hiding) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	g, err := h.Provider.Generate(ctx, req)
	if req.Tag.Key.PromptID == h.prompt && req.Tag.Key.Policy == "p0" {
		g.Hidden = "it called a tool"
	}
	return g, err
}

// A response that is not the whole action is a failed record, which nothing
// scores: its text would pass for what the policy did.
func TestHiddenActionIsAFailedRecord(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, serve(t, ""), dir, 3)
	cfg.Policies = hiding{cfg.Policies, "q001"}
	if _, err := pilot.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	responses, errR := dataset.ReadFile[dataset.Response](filepath.Join(dir, "responses.jsonl"))
	logprobs, errL := dataset.ReadFile[dataset.LogProb](filepath.Join(dir, "logprobs.jsonl"))
	if err := errors.Join(errR, errL); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, row := range responses {
		if row.PromptID != "q001" || row.Policy != "p0" {
			if row.Error != nil {
				t.Errorf("%s %s: %v", row.PromptID, row.Policy, row.Error)
			}
			continue
		}
		seen++
		if row.Text != nil || row.Error == nil || row.Error.Class != "hidden_action" ||
			!strings.Contains(row.Error.Message, "called a tool") {
			t.Errorf("%+v, error %v", row, row.Error)
		}
	}
	for _, row := range logprobs {
		if row.PromptID == "q001" && (row.Error == nil || row.Error.Class != "no_response") {
			t.Errorf("%s was scored: %+v", row.Policy, row)
		}
	}
	if seen != 1 {
		t.Errorf("%d records of P0's response to q001", seen)
	}
}
