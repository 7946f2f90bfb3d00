package pilot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// kindEcho is a context's echo whose pair is not scored yet.
const kindEcho = "echo"

// echoes journals the echo of a context as soon as it is there. Scoring a pair
// takes two calls, so a run killed between them would otherwise pay for the
// first one again; this way it repeats no more than what was in flight.
type echoes struct {
	scorer teacherforce.PromptScorer
	j      *journal.Journal

	mu   sync.Mutex
	kept map[string]keptEcho // by the record's key
}

type keptEcho struct {
	prompt string // digest of the text that was scored
	score  providers.PromptScore
}

// echoRecord is a [providers.PromptScore] on file: the parts that teacher
// forcing reads.
type echoRecord struct {
	Prompt string      `json:"prompt_sha256"` // its first 16 digits
	Text   string      `json:"text"`
	Tokens []echoToken `json:"tokens"`
}

type echoToken struct {
	Text    string        `json:"t"`
	Bytes   []byte        `json:"b,omitempty"`
	ID      int           `json:"id"`
	Offset  int           `json:"o"`
	LogProb dataset.Float `json:"l"`
}

func digest(prompt string) string {
	h := sha256.Sum256([]byte(prompt))
	return hex.EncodeToString(h[:8])
}

// load takes an echo from the journal.
func (e *echoes) load(r journal.Record) error {
	var rec echoRecord
	if err := json.Unmarshal(r.Payload, &rec); err != nil {
		return err
	}
	score := providers.PromptScore{Text: rec.Text, Tokens: make([]providers.Token, len(rec.Tokens))}
	for i, t := range rec.Tokens {
		score.Tokens[i] = providers.Token{Text: t.Text, Bytes: t.Bytes, ID: t.ID, Offset: t.Offset, LogProb: float64(t.LogProb), Sampling: math.NaN()}
	}
	if e.kept == nil {
		e.kept = map[string]keptEcho{}
	}
	e.kept[r.Key] = keptEcho{rec.Prompt, score}
	return nil
}

// forget drops what belongs to a record that is there: one with a value needs
// it no more, and one that failed may have failed for it.
func (e *echoes) forget(key string) { delete(e.kept, key) }

// ScorePrompt implements [teacherforce.PromptScorer].
func (e *echoes) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	if req.Tag.Stage != stageLogProbs || req.Tag.Call != "context" {
		return e.scorer.ScorePrompt(ctx, req)
	}
	e.mu.Lock()
	kept, ok := e.kept[req.Tag.Key]
	delete(e.kept, req.Tag.Key) // asked for once a start
	e.mu.Unlock()
	if ok && kept.prompt == digest(req.Prompt) {
		return kept.score, nil
	}
	score, err := e.scorer.ScorePrompt(ctx, req)
	if err != nil {
		return score, err
	}
	rec := echoRecord{Prompt: digest(req.Prompt), Text: score.Text, Tokens: make([]echoToken, len(score.Tokens))}
	for i, t := range score.Tokens {
		if math.IsInf(t.LogProb, 0) {
			return score, nil // has no JSON form, and the pair will fail for it
		}
		rec.Tokens[i] = echoToken{Text: t.Text, Bytes: t.Bytes, ID: t.ID, Offset: t.Offset, LogProb: dataset.Float(t.LogProb)}
	}
	return score, e.j.AppendNoSync(kindEcho, req.Tag.Key, rec)
}
