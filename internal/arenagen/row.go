package arenagen

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Planted rates, of all rows. The tests hold the output to them.
const (
	rateRepeat  = 0.030 // an earlier row's prompt with other case or white space
	rateFlagged = 0.025
	rateEmpty   = 0.003
)

// maxPrompt bounds a prompt in bytes. The longest of the real ones that this
// generator follows has about 1,600; a repeat may add a few of white space.
const maxPrompt = 1590

type language struct {
	name    string // as the data set spells it
	percent int
	grammar func() *grammar
}

var english = &language{"English", 80, loadGrammar("english")}

// languages adds up to 100 percent; the shares of the smaller ones follow the
// order in the data set, not its figures.
var languages = []*language{
	english,
	{"German", 4, loadGrammar("german")},
	{"Spanish", 4, loadGrammar("spanish")},
	{"French", 3, loadGrammar("french")},
	{"Portuguese", 3, loadGrammar("portuguese")},
	{"Russian", 3, loadGrammar("russian")},
	{"Chinese", 2, loadGrammar("chinese")},
	{"Japanese", 1, loadGrammar("japanese")},
}

var models = []string{
	"alpaca-13b", "chatglm-6b", "claude-instant-v1", "claude-v1", "dolly-v2-12b", "fastchat-t5-3b", "gpt-3.5-turbo",
	"gpt-4",
	"gpt4all-13b-snoozy", "guanaco-33b", "koala-13b", "llama-13b", "mpt-7b-chat", "oasst-pythia-12b", "palm-2",
	"RWKV-4-Raven-14B",
	"stablelm-tuned-alpha-7b", "vicuna-13b", "vicuna-7b", "wizardlm-13b",
}

// prompt is a row's first user turn and what it implies for the rest.
type prompt struct {
	text     string
	language *language
	kind     *kind
	subject  string
	flagged  bool
}

// prompt returns row i's first user turn.
func (g *generator) prompt(i int) prompt {
	g.start(i, streamRepeat)
	if i == 0 || g.r.Float64() >= rateRepeat {
		return g.fresh(i)
	}
	// A repeat takes its text from what row j would be if it were no repeat
	// itself, so that no chain has to be followed. Where row j is one, or is
	// empty, the next row before it stands in.
	var p prompt
	for j := g.r.IntN(i); ; j-- {
		if p = g.fresh(j); p.text != "" && !g.repeats(j) || j == 0 {
			break
		}
	}
	g.start(i, streamRepeat)
	g.r.Uint64()
	p.text = vary(g.r, p.text)
	return p
}

func (g *generator) repeats(j int) bool {
	g.start(j, streamRepeat)
	return j > 0 && g.r.Float64() < rateRepeat
}

// fresh draws row i's prompt as if no row repeated another.
func (g *generator) fresh(i int) prompt {
	g.start(i, streamPrompt)
	r := g.r
	p := prompt{language: languages[0]}
	n := r.IntN(100)
	for _, l := range languages {
		if n -= l.percent; n < 0 {
			p.language = l
			break
		}
	}
	gr := p.language.grammar()
	p.kind = gr.pick(r)
	switch u := r.Float64(); {
	case u < rateEmpty:
		p.text = strings.Repeat(" ", r.IntN(3))
		return p
	case u < rateEmpty+rateFlagged:
		if k := gr.named("flagged"); k != nil {
			p.kind = k
		}
		p.flagged = true
	}
	for p.text == "" || len(p.text) > maxPrompt {
		g.f.subject = ""
		p.text = g.f.expand(p.kind.prompts[r.IntN(len(p.kind.prompts))])
		p.subject = g.f.subject
		if p.language == english {
			p.text = dress(r, p.text)
		}
	}
	return p
}

// row builds row i.
func (g *generator) row(i int) Conversation {
	p := g.prompt(i)
	g.start(i, streamRow)
	r := g.r
	c := Conversation{
		QuestionID: questionID(r),
		Judge:      "arena_user_" + strconv.Itoa(1+r.IntN(13000)),
		Turn:       turns(r),
		Anonymous:  r.IntN(20) != 0,
		Language:   p.language.name,
		// Collected from 24 April 2023 on, one about every five minutes.
		Timestamp:  float64(16823517400000+int64(i)*3100000+int64(r.IntN(3000000))) / 1e4,
		Moderation: moderation(r, p.flagged),
		Toxicity:   toxicity(r, p.flagged),
	}
	a := r.IntN(len(models))
	b := (a + 1 + r.IntN(len(models)-1)) % len(models)
	c.ModelA, c.ModelB = models[a], models[b]
	c.Winner = []string{"model_a", "model_a", "model_a", "model_b", "model_b", "model_b", "tie", "tie (bothbad)",
		"tie (bothbad)"}[r.IntN(9)]

	user := p.text
	g.f.subject = p.subject
	if p.subject == "" {
		g.f.subject = p.kind.name
	}
	gr := p.language.grammar()
	for t := range c.Turn {
		if t > 0 {
			user = g.f.expand(gr.follow[r.IntN(len(gr.follow))])
		}
		c.ConversationA = append(c.ConversationA, Message{user, "user"}, Message{g.reply(p), "assistant"})
		c.ConversationB = append(c.ConversationB, Message{user, "user"}, Message{g.reply(p), "assistant"})
	}
	return c
}

func (g *generator) reply(p prompt) string {
	return g.f.expand(p.kind.replies[g.r.IntN(len(p.kind.replies))])
}

func questionID(r *rand.Rand) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), r.Uint64())
	return hex.EncodeToString(binary.BigEndian.AppendUint64(b, r.Uint64()))
}

// turns is 1 for most rows, at most 4.
func turns(r *rand.Rand) int {
	switch n := r.IntN(100); {
	case n < 80:
		return 1
	case n < 93:
		return 2
	case n < 98:
		return 3
	}
	return 4
}

// moderation scores every category low, and one of them high where the row is
// flagged. Scores are decimal fractions, exact on every machine.
func moderation(r *rand.Rand, flagged bool) Moderation {
	low := func() float64 { return float64(1+r.IntN(900)) / 1e6 }
	m := Moderation{
		Scores: Scores{
			low(), low(), low(), low(), low(), low(), low(), low(), low(), low(), low(),
		},
		Flagged: flagged,
	}
	if flagged {
		high := float64(6000+r.IntN(3900)) / 1e4
		switch r.IntN(3) {
		case 0:
			m.Categories.Harassment, m.Scores.Harassment = true, high
		case 1:
			m.Categories.Hate, m.Scores.Hate = true, high
		default:
			m.Categories.Violence, m.Scores.Violence = true, high
		}
	}
	return m
}

func toxicity(r *rand.Rand, flagged bool) Toxicity {
	n := 50 + r.IntN(4000)
	if flagged {
		n = 100000 - n
	}
	return Toxicity{RobertaTag{flagged, float64(n) / 1e5}, T5Tag{flagged, float64(10+r.IntN(900)) / 1e5}}
}
