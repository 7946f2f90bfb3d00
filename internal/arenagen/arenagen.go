package arenagen

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
)

// Conversation is one row: two models' answers to the same user turns, with
// the user's vote. Field names and order are the data set's.
type Conversation struct {
	QuestionID    string     `json:"question_id"` // 32 hexadecimal digits
	ModelA        string     `json:"model_a"`
	ModelB        string     `json:"model_b"`
	Winner        string     `json:"winner"` // "model_a", "model_b", "tie" or "tie (bothbad)"
	Judge         string     `json:"judge"`  // "arena_user_N"
	ConversationA []Message  `json:"conversation_a"`
	ConversationB []Message  `json:"conversation_b"`
	Turn          int        `json:"turn"` // user turns
	Anonymous     bool       `json:"anony"`
	Language      string     `json:"language"` // English name of the language
	Timestamp     float64    `json:"tstamp"`   // Unix seconds
	Moderation    Moderation `json:"openai_moderation"`
	Toxicity      Toxicity   `json:"toxic_chat_tag"`
}

// Message is one turn of a conversation.
type Message struct {
	Content string `json:"content"`
	Role    string `json:"role"` // "user" or "assistant"
}

// Moderation is what the moderation endpoint said of the conversation.
type Moderation struct {
	Categories Categories `json:"categories"`
	Scores     Scores     `json:"category_scores"`
	Flagged    bool       `json:"flagged"`
}

// Categories says which of the moderation's categories apply.
type Categories struct {
	Harassment            bool `json:"harassment"`
	HarassmentThreatening bool `json:"harassment/threatening"`
	Hate                  bool `json:"hate"`
	HateThreatening       bool `json:"hate/threatening"`
	SelfHarm              bool `json:"self-harm"`
	SelfHarmInstructions  bool `json:"self-harm/instructions"`
	SelfHarmIntent        bool `json:"self-harm/intent"`
	Sexual                bool `json:"sexual"`
	SexualMinors          bool `json:"sexual/minors"`
	Violence              bool `json:"violence"`
	ViolenceGraphic       bool `json:"violence/graphic"`
}

// Scores are the categories' scores in [0, 1].
type Scores struct {
	Harassment            float64 `json:"harassment"`
	HarassmentThreatening float64 `json:"harassment/threatening"`
	Hate                  float64 `json:"hate"`
	HateThreatening       float64 `json:"hate/threatening"`
	SelfHarm              float64 `json:"self-harm"`
	SelfHarmInstructions  float64 `json:"self-harm/instructions"`
	SelfHarmIntent        float64 `json:"self-harm/intent"`
	Sexual                float64 `json:"sexual"`
	SexualMinors          float64 `json:"sexual/minors"`
	Violence              float64 `json:"violence"`
	ViolenceGraphic       float64 `json:"violence/graphic"`
}

// Toxicity holds the verdicts of the two ToxicChat classifiers.
type Toxicity struct {
	RobertaLarge RobertaTag `json:"roberta-large"`
	T5Large      T5Tag      `json:"t5-large"`
}

// RobertaTag is the first classifier's verdict, with a probability.
type RobertaTag struct {
	Flagged     bool    `json:"flagged"`
	Probability float64 `json:"probability"`
}

// T5Tag is the second classifier's verdict, with a score.
type T5Tag struct {
	Flagged bool    `json:"flagged"`
	Score   float64 `json:"score"`
}

// Conversations yields n rows. Row i depends on the seed and on i alone. It
// panics if n is negative.
func Conversations(n int, seed uint64) iter.Seq[Conversation] {
	if n < 0 {
		panic(fmt.Sprintf("arenagen: Conversations: n = %d", n))
	}
	return conversations(0, n, seed)
}

// conversations yields the rows from..to-1.
func conversations(from, to int, seed uint64) iter.Seq[Conversation] {
	return func(yield func(Conversation) bool) {
		g := newGenerator(seed)
		for i := from; i < to; i++ {
			if !yield(g.row(i)) {
				return
			}
		}
	}
}

// Prompts returns the first user turns of the first English, unflagged
// conversations, n of them, in row order, without empty ones and without those
// that differ from an earlier one only in case or white space. It panics if n
// is negative.
func Prompts(n int, seed uint64) []string {
	if n < 0 {
		panic(fmt.Sprintf("arenagen: Prompts: n = %d", n))
	}
	g := newGenerator(seed)
	out := make([]string, 0, n)
	seen := make(map[string]bool, n)
	for i := 0; len(out) < n; i++ {
		p := g.prompt(i)
		norm := normalize(p.text)
		if p.language != english || p.flagged || norm == "" || seen[norm] {
			continue
		}
		seen[norm] = true
		out = append(out, p.text)
	}
	return out
}

// normalize is the form in which two prompts count as the same: lower case,
// white space collapsed.
func normalize(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// WriteJSONL writes n rows as JSON, one a line, as UTF-8 without HTML escapes.
func WriteJSONL(w io.Writer, n int, seed uint64) error { return WriteRows(w, 0, n, seed) }

// WriteRows writes the rows from..to-1 as [WriteJSONL] does.
func WriteRows(w io.Writer, from, to int, seed uint64) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(bw)
	enc.SetEscapeHTML(false)
	i := from
	for c := range conversations(from, to, seed) {
		if err := enc.Encode(c); err != nil {
			return fmt.Errorf("arenagen: write row %d: %w", i, err)
		}
		i++
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("arenagen: write: %w", err)
	}
	return nil
}

// generator holds what rows share.
type generator struct {
	seed uint64
	pcg  *rand.PCG
	r    *rand.Rand
	f    filler
}

func newGenerator(seed uint64) *generator {
	pcg := rand.NewPCG(0, 0)
	r := rand.New(pcg)
	return &generator{seed: seed, pcg: pcg, r: r, f: filler{r: r}}
}

// Streams of a row: its prompt, what surrounds it, and its variation of an
// earlier row. They are apart so that a prompt can be drawn again by index.
const (
	streamPrompt = iota
	streamRow
	streamRepeat
)

// start points the generator at a stream of row i.
func (g *generator) start(i, stream int) {
	g.pcg.Seed(mix(g.seed^0x5bf03635), mix(uint64(i)<<2|uint64(stream)))
}

// mix is the finaliser of SplitMix64: neighbouring rows get unrelated seeds.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
