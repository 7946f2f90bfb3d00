package engine

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// What is held of a record makes the record again, but for texts and tokens, whatever is rare in it.
func TestHeldRows(t *testing.T) {
	text, end, failed := "Hé. ", 2, &dataset.RecordError{Class: "timeout", Message: "no answer in 60s"}
	digest := dataset.DigestTokens([]int{1, 2})
	responses := []dataset.Response{
		{PromptID: "q", Policy: "p", Text: &text, FinishReason: "stop", Model: "m", PolicyHash: "h",
			LogProb: dataset.Known(-1), Usage: &dataset.Usage{PromptTokens: 3, CompletionTokens: 2}, ContextIDs: digest,
			EndID: &end},
		{PromptID: "q", Policy: "p", DrawIdx: 7, Error: failed},
		{PromptID: "q/r", Policy: "p", Text: new(string), Usage: &dataset.Usage{PromptTokens: 1 << 33}},
		{PromptID: "q", Policy: "a/b", Text: &text, Usage: &dataset.Usage{CompletionTokens: 1 << 33},
			ContextIDs: &dataset.TokenDigest{N: 2, SHA256: "AB"}},
		{PromptID: "q", Policy: "p", ContextIDs: &dataset.TokenDigest{N: 1 << 40, SHA256: digest.SHA256}},
		{PromptID: "q", Policy: "p", ContextIDs: &dataset.TokenDigest{N: 2, SHA256: "0123456789ABCDEF"}},
	}
	same := cmp.Options{
		cmp.Comparer(func(a, b dataset.Float) bool { return a == b }),
		cmp.Comparer(func(a, b float64) bool { return dataset.Known(a) == dataset.Known(b) }), // NaN too
	}
	s := newShared()
	for i, row := range responses {
		if d := cmp.Diff(record.ResponseOf(row), s.response(row, 7).row(&s.keys), same); d != "" {
			t.Errorf("response %d (-want +got):\n%s", i, d)
		}
	}
	methods := map[string]dataset.MethodResult{"b": {Status: "failed", Reason: "seam"},
		"a": {LogProb: dataset.Known(-3), Status: "ok"}, "c": {LogProb: dataset.Known(-3), Status: "ok"}}
	other := map[string]dataset.MethodResult{"a": {LogProb: dataset.Known(-3.5), Status: "ok"},
		"c": {LogProb: dataset.Known(-3), Status: "ok"}}
	logProbs := []dataset.LogProb{
		{PromptID: "q", Policy: "p", LogProb: dataset.Known(-3), Tokens: 2, TokenLogProbs: dataset.Floats{-1}, Method: "a",
			Methods: methods, Spread: dataset.Known(0), Distribution: "sampling", State: "ended", PolicyHash: "h"},
		{PromptID: "q", Policy: "p", LogProb: dataset.Known(-3), Methods: other, Flags: []string{"a", "b"}, Vocabulary: 9},
		{PromptID: "q", Policy: "p", TokenLogProbs: dataset.Floats{2, math.Inf(1), math.NaN()}, Error: failed,
			Methods: map[string]dataset.MethodResult{}},
		{PromptID: "q", Policy: "p", TokenLogProbs: dataset.Floats{math.NaN()}, Tokens: 1 << 33, OutsideSupport: true,
			Methods: map[string]dataset.MethodResult{}},
		{PromptID: "q", Policy: "p", Interval: &[2]dataset.Float{{}, dataset.Known(-2)}, Excluded: dataset.Known(.1),
			Methods: methods},
	}
	for i, row := range logProbs {
		if d := cmp.Diff(row, s.logProb(row, 7).row(&s.keys), same); d != "" {
			t.Errorf("log-prob %d (-want +got):\n%s", i, d)
		}
	}
	scores := []dataset.JudgeScore{
		{PromptID: "q", Policy: "p", Judge: "j", Mean: dataset.Known(.5), Variance: dataset.Known(.1), Source: "s",
			Repaired: true, PolicyHash: "h"},
		{PromptID: "q", Policy: "p", DrawIdx: 3, Judge: "j", Error: failed},
		{PromptID: "q", Policy: "p", Mean: dataset.Known(.5), Readings: dataset.Floats{.4, .6}},
		{PromptID: "q", Policy: "p", Calibrated: dataset.Known(.5), VarianceParts: &dataset.VarianceParts{}},
	}
	for i, row := range scores {
		if d := cmp.Diff(row, s.score(row).row(&s.keys), same); d != "" {
			t.Errorf("score %d (-want +got):\n%s", i, d)
		}
	}
	label := dataset.OracleLabel{PromptID: "q", Policy: "p", Label: dataset.Known(1), InclusionProb: dataset.Known(.5),
		Role: "probe", Stratum: "[0,1]", Oracle: "o", PolicyHash: "h", Error: failed}
	if d := cmp.Diff(label, s.label(label).row(label.Key()), same); d != "" {
		t.Errorf("label (-want +got):\n%s", d)
	}
}

// The ledger is held whole as far as anything is added up, under any text, and sorted by texts.
func TestHeldAttempts(t *testing.T) {
	entry := func(id, key string, tokens int) providers.Entry {
		return providers.Entry{ID: id, Key: key, Stage: record.StageJudge, Policy: "p", Outcome: "ok", PromptTokens: tokens,
			CompletionTokens: 2 * tokens, LatencyMS: int64(3 * tokens), Cost: 1, Attempt: 1, UsageKnown: true}
	}
	// "q!" sorts before "q/…": the texts are compared, not the prompts.
	entries := []providers.Entry{entry("1", "q/p/0", 5), entry("2", "q!/p/0", 1<<33+7), entry("3", "q/a%2Fb/12", 0),
		entry("9", "q/b/0", 5), entry("10", "q/a!/0", 6), entry("11", "q/a/0", 7),
		entry("4", "no key", 1), entry("5", "q/p/007", 2), entry("6", "q/a/b/0", 3), entry("7", "/", 4), entry("8", "", 4)}
	s, a := newShared(), newAttempts()
	for i, e := range entries {
		a.note(&s.keys, e, int64(i))
		if i%3 == 1 { // what was sorted stays so, and what is newer is put into it
			a.sorted(&s.keys)
		}
	}
	slices.SortFunc(entries, func(x, y providers.Entry) int { return strings.Compare(x.Key, y.Key) })
	texts := a.texts(&s.keys)
	for i, at := range a.sorted(&s.keys) {
		row, k := a.at(at), a.kind(a.at(at))
		got := k.entry(row, texts.of(row, k))
		want := entries[i]
		want.ID = ""
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("entry %d (-want +got):\n%s", i, d)
		}
	}
	if a.cost != 11 {
		t.Errorf("cost %v, want 11", a.cost)
	}
}
