package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"strings"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// kindEcho is a reply that no record has come of yet.
const kindEcho = "echo"

// echoes journals replies of which a record takes several: a context's echo, and
// every answer to a certification's probes. A run that ends between them would
// otherwise pay for the first ones again; this way it repeats no more than what
// was in flight.
type echoes struct {
	scorer   teacherforce.PromptScorer
	chat     teacherforce.ChatScorer
	renderer interface {
		RenderChat(context.Context, providers.RenderRequest) ([]int, error)
	}
	generator teacherforce.Generator
	j         *journal.Journal

	mu    sync.Mutex
	filed map[string]filedEcho
}

// filedEcho is where in the journal a reply stands.
type filedEcho struct {
	At  int64
	now bool // it was filed or taken by this start
}

// echoRecord is a [providers.PromptScore] or [providers.Generation] on file: the
// parts that teacher forcing reads.
type echoRecord struct {
	Request string      `json:"request_sha256"` // its first 16 digits
	Text    string      `json:"text"`
	Tokens  []echoToken `json:"tokens"`
	Skipped int         `json:"skipped,omitempty"`
	Asked   int         `json:"asked,omitempty"`
	Filters int         `json:"filters,omitempty"`

	TokenIDs     []int  `json:"token_ids,omitempty"`
	PromptIDs    []int  `json:"prompt_ids,omitempty"`
	FinishReason string `json:"finish_reason,omitempty"`
	Refusal      string `json:"refusal,omitempty"`
	Hidden       string `json:"hidden,omitempty"`
	Model        string `json:"model,omitempty"`
}

type echoToken struct {
	Text    string        `json:"t"`
	Bytes   []byte        `json:"b,omitempty"`
	ID      int           `json:"id"`
	Offset  int           `json:"o"`
	LogProb dataset.Float `json:"l"`
	Top     []alternative `json:"a,omitempty"`
}

type alternative struct {
	Text    string        `json:"t"`
	LogProb dataset.Float `json:"l"`
	ID      *int          `json:"id,omitempty"`
}

// digest tells whether a reply is one to this request.
func digest(request any) string {
	b, err := json.Marshal(request)
	if err != nil {
		panic("pilot: a request without a JSON form: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// echoKey names a reply that is kept; it is empty for those that are not.
func echoKey(t providers.Tag) string {
	switch {
	case t.Stage == record.StageCertify:
		return t.Key.String() + "#" + t.Call
	case t.Stage == record.StageLogProbs && t.Call == "context":
		return t.Key.String()
	}
	return ""
}

// load takes a reply from the journal.
func (e *echoes) load(r journal.Record) error {
	var rec echoRecord
	if err := json.Unmarshal(r.Payload, &rec); err != nil {
		return err
	}
	e.file(r.Key, filedEcho{At: r.At})
	return nil
}

func (e *echoes) file(key string, at filedEcho) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.filed == nil {
		e.filed = map[string]filedEcho{}
	}
	e.filed[key] = at
}

// forget drops what belongs to a record that is there: one with a value needs
// it no more, and one that failed may have failed for it.
func (e *echoes) forget(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.filed, key)
}

// forgetProbes does the same for a certificate.
func (e *echoes) forgetProbes(c teacherforce.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.filed, func(key string, _ filedEcho) bool {
		return strings.HasPrefix(key, c.Model+"/"+c.Template+"/")
	})
}

// take returns the reply that an earlier start kept for a request; it is asked for once a start.
func (e *echoes) take(key, request string) (rec echoRecord, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.filed[key]
	if !ok || at.now {
		return rec, false, nil
	}
	line, err := e.j.Read(at.At)
	if err == nil {
		err = json.Unmarshal(line.Payload, &rec)
	}
	e.filed[key] = filedEcho{at.At, true}
	return rec, rec.Request == request, err
}

// keep puts a reply on file.
func (e *echoes) keep(key, request string, rec echoRecord, tokens []providers.Token) error {
	if tokens != nil {
		rec.Tokens = make([]echoToken, len(tokens))
	}
	for i, t := range tokens {
		if math.IsInf(t.LogProb.OrNaN(), 0) {
			return nil // has no JSON form, and what is made of it will fail for it
		}
		rec.Tokens[i] = echoToken{Text: t.Text, Bytes: t.Bytes, ID: t.ID, Offset: t.Offset, LogProb: t.LogProb}
		for _, a := range t.Top {
			if !math.IsInf(a.LogProb.OrNaN(), 0) {
				rec.Tokens[i].Top = append(rec.Tokens[i].Top, keptAlternative(a))
			}
		}
	}
	rec.Request = request
	at, err := e.j.AppendAtNoSync(kindEcho, key, rec)
	if err == nil {
		e.file(key, filedEcho{at, true})
	}
	return err
}

func (r echoRecord) tokens() []providers.Token {
	if r.Tokens == nil {
		return nil
	}
	out := make([]providers.Token, len(r.Tokens))
	for i, t := range r.Tokens {
		out[i] = providers.Token{Text: t.Text, Bytes: t.Bytes, ID: t.ID, Offset: t.Offset, LogProb: t.LogProb}
		for _, a := range t.Top {
			id := -1
			if a.ID != nil {
				id = *a.ID
			}
			out[i].Top = append(out[i].Top, providers.Alternative{Text: a.Text, LogProb: a.LogProb, ID: id})
		}
	}
	return out
}

// ScorePrompt implements [teacherforce.PromptScorer].
func (e *echoes) ScorePrompt(ctx context.Context, req providers.ScoreRequest) (providers.PromptScore, error) {
	key := echoKey(req.Tag)
	if key == "" {
		return e.scorer.ScorePrompt(ctx, req)
	}
	request := req
	request.Tag = providers.Tag{}
	return e.score(key, digest(request), func() (providers.PromptScore, error) { return e.scorer.ScorePrompt(ctx, req) })
}

// ScoreChat implements [teacherforce.ChatScorer].
func (e *echoes) ScoreChat(ctx context.Context, req providers.ChatScoreRequest) (providers.PromptScore, error) {
	key := echoKey(req.Tag)
	if key == "" {
		return e.chat.ScoreChat(ctx, req)
	}
	request := req
	request.Tag = providers.Tag{}
	return e.score(key, digest(request), func() (providers.PromptScore, error) { return e.chat.ScoreChat(ctx, req) })
}

// score returns the score kept under key for a request of that digest, or asks
// and keeps it.
func (e *echoes) score(key, id string, ask func() (providers.PromptScore, error)) (providers.PromptScore, error) {
	if rec, ok, err := e.take(key, id); ok || err != nil {
		return providers.PromptScore{Text: rec.Text, Tokens: rec.tokens(), Skipped: rec.Skipped, Asked: rec.Asked,
			Filters: temper.Order(rec.Filters)}, err
	}
	score, err := ask()
	if err != nil {
		return score, err
	}
	return score, e.keep(key, id, echoRecord{Text: score.Text, Skipped: score.Skipped, Asked: score.Asked,
		Filters: int(score.Filters)}, score.Tokens)
}

func keptAlternative(a providers.Alternative) alternative {
	out := alternative{Text: a.Text, LogProb: a.LogProb}
	if a.ID >= 0 {
		out.ID = &a.ID
	}
	return out
}

// RenderChat asks the server, which takes nothing for it.
func (e *echoes) RenderChat(ctx context.Context, req providers.RenderRequest) ([]int, error) {
	return e.renderer.RenderChat(ctx, req)
}

// Generate implements [teacherforce.Generator], for certification.
func (e *echoes) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	request := req
	request.Tag = providers.Tag{}
	key, id := echoKey(req.Tag), digest(request)
	if rec, ok, err := e.take(key, id); ok || err != nil {
		g := providers.Generation{Text: rec.Text, Tokens: rec.tokens(), TokenIDs: rec.TokenIDs, PromptIDs: rec.PromptIDs,
			FinishReason: rec.FinishReason, Refusal: rec.Refusal, Hidden: rec.Hidden}
		g.Meta.Model = rec.Model
		return g, err
	}
	g, err := e.generator.Generate(ctx, req)
	if err != nil {
		return g, err
	}
	return g, e.keep(key, id, echoRecord{Text: g.Text, TokenIDs: g.TokenIDs, PromptIDs: g.PromptIDs,
		FinishReason: g.FinishReason, Refusal: g.Refusal, Hidden: g.Hidden, Model: g.Meta.Model}, g.Tokens)
}
