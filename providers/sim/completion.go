package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// task is one prompt to be continued, scored, or both.
type task struct {
	model     modelSpec
	prompt    []int
	sampling  langmodel.Sampling
	maxTokens int
	stop      []string
	stream    uint64 // seeds what is drawn
	echo      int    // how many of the prompt's last tokens the answer repeats
	echoText  bool   // repeat the text alone, without log-probs
	form      logprobForm
	top       int // alternatives at each position
	mode      LogProbsMode
	penalty   float64 // of repetition; 0 is none
}

// choice is what a task comes to.
type choice struct {
	text      string
	finish    string // "stop" or "length"
	ids       []int  // generated, without the stop token
	stop      []int  // the stop token, if one was generated
	generated int    // tokens charged for: the stop token is one of them
	entries   []entry
}

// entry is one token with its log-prob.
type entry struct {
	id      int
	logprob float64 // NaN for null
	// sampling is the log-prob under the distribution drawn from; NaN where
	// nothing was drawn, as in a prompt.
	sampling float64
	offset   int // code points of the returned text before the token
	first    bool
	shown    *string // the token's text, where it is not its own
	top      []langmodel.Candidate
}

// run does the work of one task, with the content faults of id's record.
func (s *Server) run(t task, id callID) choice {
	var c choice
	draw := s.generate(t, id)
	c.finish = "length"
	if draw.Stopped {
		c.finish, c.stop = "stop", []int{draw.StopID}
	}
	c.ids = draw.IDs
	c.generated = len(draw.LogProbs)

	lm, tok := t.model.lm(), vocabulary()
	echoed := t.prompt[len(t.prompt)-t.echo:]
	var echo, text []byte
	for _, id := range echoed {
		echo = append(echo, tok.Bytes(id)...)
	}
	for _, id := range c.ids {
		text = append(text, tok.Bytes(id)...)
	}
	if n, ok := findStop(text, t.stop); ok {
		kept := tokensCovering(c.ids, n.end)
		c.ids, c.stop, c.generated, c.finish, text = c.ids[:kept], nil, kept, "stop", text[:n.start]
	}
	full := append(echo, text...)
	c.text = cleanText(full)
	if t.form == noLogprobs {
		return c
	}

	offsets := newOffsets(full)
	if t.echo > 0 && !t.echoText && !s.config.Faults.NoEcho {
		c.entries = s.scorePrompt(t, id, offsets)
	} else {
		offsets.at(len(echo))
	}
	at := len(echo)
	for i := range c.generated {
		e := entry{logprob: draw.LogProbs[i], sampling: draw.Sampling[i], offset: offsets.at(at)}
		if i < len(c.ids) {
			e.id = c.ids[i]
			at += len(tok.Bytes(e.id))
		} else {
			e.id = draw.StopID
		}
		if t.top > 0 {
			e.top = lm.Top(slices.Concat(t.prompt, c.ids[:min(i, len(c.ids))]), t.top)
		}
		if t.mode != "" {
			t.mode.generated(&e, draw.Penalised[i], t.sampling.Temperature)
		}
		c.entries = append(c.entries, e)
	}
	return c
}

// generate draws the response, or what a fault makes of it.
func (s *Server) generate(t task, id callID) langmodel.Draw {
	if t.maxTokens == 0 {
		return langmodel.Draw{}
	}
	if s.hitsRow("empty", s.config.Faults.Empty, id) {
		stop := endOfTurnID()
		lp := t.model.logProbs(append(slices.Clone(t.prompt), stop))
		sampling := math.NaN() // not drawn, unless raw and tempered are one
		if t.sampling == neutral {
			sampling = lp[len(lp)-1]
		}
		return langmodel.Draw{LogProbs: lp[len(lp)-1:], Sampling: []float64{sampling}, Stopped: true, StopID: stop}
	}
	key := drawn{t.model.name, idText(t.prompt), t.sampling, t.penalty, t.maxTokens, t.stream}
	d := draws.Get(key, func() langmodel.Draw {
		rng := rand.New(rand.NewPCG(t.stream, mix(t.stream, 0)))
		return t.model.lm().GeneratePenalised(t.prompt, t.sampling, cmp.Or(t.penalty, 1), t.maxTokens, stopTokens(), rng)
	})
	if len(d.IDs) > 0 && s.hitsRow("cut", s.config.Faults.Cut, id) {
		n := max(1, len(d.IDs)/3)
		return langmodel.Draw{IDs: d.IDs[:n], LogProbs: d.LogProbs[:n], Sampling: d.Sampling[:n]}
	}
	return d
}

// neutral sampling draws from the model's own distribution.
var neutral = langmodel.Sampling{Temperature: 1, TopP: 1}

// scorePrompt gives the echoed tokens their log-probs, or what faults make of
// them.
func (s *Server) scorePrompt(t task, id callID, offsets *offsets) []entry {
	lm, tok := t.model.lm(), vocabulary()
	f := s.config.Faults
	zero := s.hitsRow("zero", f.Zero, id)
	positive := s.hitsRow("positive", f.Positive, id)
	nulls := s.hitsRow("null", f.Null, id)
	order := s.nextOrder()
	nullHash := hash64("null position", s.seed, id.row)
	noise := hash64("noise", s.seed, id.full)

	lps := t.model.logProbs(t.prompt)
	start := len(t.prompt) - t.echo
	entries := make([]entry, 0, t.echo+len(t.prompt)-start)
	at := 0
	for i := start; i < len(t.prompt); i++ {
		e := entry{id: t.prompt[i], logprob: lps[i], sampling: math.NaN(), offset: offsets.at(at), first: i == 0}
		at += len(tok.Bytes(e.id))
		if f.Noise > 0 {
			e.logprob = min(0, e.logprob+f.Noise*normal(mix(noise, i)))
		}
		if f.Order {
			e.logprob = min(0, e.logprob+1e-3*(2*unit(mix(order, i))-1))
		}
		if positive {
			e.logprob = -e.logprob
		}
		if zero {
			e.logprob = 0
		}
		if nulls && unit(mix(nullHash, i)) < 1.0/3 {
			e.logprob = math.NaN()
		}
		if t.top > 0 {
			e.top = lm.Top(t.prompt[:i], t.top)
		}
		t.mode.given(&e)
		entries = append(entries, e)
	}
	return entries
}

// nextOrder numbers the scoring requests.
func (s *Server) nextOrder() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scored++
	return mix(s.scored, 0)
}

// tokensCovering is how many of ids it takes to cover n bytes.
func tokensCovering(ids []int, n int) int {
	for i, id := range ids {
		if n <= 0 {
			return i
		}
		n -= len(vocabulary().Bytes(id))
	}
	return len(ids)
}

type span struct{ start, end int }

// findStop finds the stop string that ends first in text.
func findStop(text []byte, stop []string) (span, bool) {
	best, found := span{}, false
	for _, s := range stop {
		i := strings.Index(string(text), s)
		if s == "" || i < 0 {
			continue
		}
		if n := (span{i, i + len(s)}); !found || n.end < best.end {
			best, found = n, true
		}
	}
	return best, found
}

// cleanText is what JSON can carry: every byte that is not part of a character
// becomes U+FFFD.
func cleanText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

// offsets turns byte positions of a text into code points of its clean form.
// Positions are asked for in ascending order.
type offsets struct {
	text  []byte
	byte  int
	runes int
}

func newOffsets(text []byte) *offsets { return &offsets{text: text} }

// at counts the characters that start before byte n. A token that begins inside
// a character is thus at the next one.
func (o *offsets) at(n int) int {
	for o.byte < n && o.byte < len(o.text) {
		_, size := utf8.DecodeRune(o.text[o.byte:])
		o.byte += size
		o.runes++
	}
	return o.runes
}

// drawStream seeds the request's own random stream. The seed, the model and the
// prompt decide it; where there is no seed, the request's id and the choice's
// index stand in for it.
func (s *Server) drawStream(m modelSpec, prompt []int, seed *int64, id callID, index int) uint64 {
	parts := []string{"draw", m.name, idText(prompt)}
	if seed != nil {
		parts = append(parts, "seed", strconv.FormatInt(*seed, 10))
	} else {
		parts = append(parts, "id", s.seed, id.full, strconv.Itoa(index))
	}
	return hash64(parts...)
}

func idText(ids []int) string {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = append(b, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	}
	return string(b)
}
