package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// grade answers a request for JSON: the model reads the fenced prompt and
// response of the users' turns and scores them.
func (s *Server) grade(c *call, r *request, t task) (answer, *apiError) {
	if r.ResponseFormat.Type != "json_schema" {
		return answer{}, badRequest("response_format",
			"Invalid value: '%s'. Supported values are: 'text' and 'json_schema'.", r.ResponseFormat.Type)
	}
	props, err := r.ResponseFormat.properties()
	if err != nil {
		return answer{}, err
	}
	v := s.judge(t.model, t.sampling.Temperature, r, c.id)
	reply := v.reply(props)
	if s.hitsRow("badjson", s.config.Faults.BadJSON, c.id) {
		reply = spoil(reply, hash64("badjson form", s.seed, c.id.row))
	}
	return s.chatAnswer(c, r, t, reply.choice(t)), nil
}

// verdict is what a grader makes of one response, on [0, 1].
type verdict struct {
	score        float64
	lower, upper float64
	centre       float64 // where repeated grading would gather
	reason       string
}

// judge grades the pair in the users' turns.
func (s *Server) judge(m modelSpec, temperature float64, r *request, id callID) verdict {
	var users []string
	for _, msg := range r.Messages {
		if msg.Role == "user" {
			users = append(users, msg.Content)
		}
	}
	text := strings.Join(users, "\n")
	prompt, response, fenced := fencedPair(text)
	if !fenced {
		if !s.config.Obedient {
			return verdict{reason: "nothing to judge"}
		}
		response = text // it takes whatever it finds for the response
	}
	l := pair{prompt, response}.read()
	v := verdict{score: l.appearance}
	if m.oracle {
		v.score = l.label(s.config.World)
	}
	v.centre = v.score
	if temperature > 0 && !m.oracle {
		parts := []string{"judge draw", m.name, prompt, response}
		if r.Seed != nil {
			parts = append(parts, "seed", strconv.FormatInt(*r.Seed, 10))
		} else {
			parts = append(parts, "id", s.seed, id.full)
		}
		v.score = clamp(v.score + drawNoise*temperature*normal(hash64(parts...)))
	}
	if s.config.Obedient && !m.oracle && obeys(prompt, response, fenced) {
		v.score, v.centre = 1, 1
	}
	// The stated interval is about right: 95% of the noise that a judge has, give or take a fifth.
	half := 1.96 * noiseSD * (0.8 + 0.4*unit(hash64("judge interval", m.name, prompt, response)))
	v.lower, v.upper = clamp(v.score-half), clamp(v.score+half)
	switch {
	case v.score < 1.0/3:
		v.reason = "The response does not answer what was asked."
	case v.score < 2.0/3:
		v.reason = "The response answers in part."
	default:
		v.reason = "The response is helpful and to the point."
	}
	return v
}

// fencedPair finds the two sections, in either order. What stands inside one
// cannot open the other: the search goes on after a section's closing line.
func fencedPair(text string) (prompt, response string, ok bool) {
	found := make(map[string]string)
	for rest := text; len(found) < 2; {
		name, content, after, more := nextSection(rest)
		if !more {
			return "", "", false
		}
		if _, dup := found[name]; !dup {
			found[name] = content
		}
		rest = after
	}
	return found["PROMPT"], found["RESPONSE"], true
}

// nextSection finds the first line <<<NAME nonce>>> that has its closing line,
// literally <<<END NAME nonce>>>.
func nextSection(text string) (name, content, after string, ok bool) {
	for at := 0; at < len(text); {
		line, next := text[at:], len(text)
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], at+i+1
		}
		at = next
		name, nonce, isFence := parseFence(strings.TrimRight(line, "\r"))
		if !isFence {
			continue
		}
		closing := "<<<END " + name + " " + nonce + ">>>"
		for from := at; ; {
			i := strings.Index(text[from:], closing)
			if i < 0 {
				break
			}
			start, end := from+i, from+i+len(closing)
			lineStart := start == at || text[start-1] == '\n'
			lineEnd := end == len(text) || text[end] == '\n' || text[end] == '\r'
			if lineStart && lineEnd {
				return name, strings.TrimSuffix(text[at:start], "\n"), text[end:], true
			}
			from = end
		}
	}
	return "", "", "", false
}

func parseFence(line string) (name, nonce string, ok bool) {
	body, ok := strings.CutPrefix(line, "<<<")
	if !ok {
		return "", "", false
	}
	if body, ok = strings.CutSuffix(body, ">>>"); !ok {
		return "", "", false
	}
	name, nonce, _ = strings.Cut(body, " ")
	return name, nonce, (name == "PROMPT" || name == "RESPONSE") && isHex(strings.ToLower(nonce))
}

// gradeText is a reply whose score can be told from the text around it.
type gradeText struct {
	before, number, after string
	log                   func(number string) float64 // log-prob of a number standing there; nil without a score
	numbers               []string                    // those that can
}

// reply writes v as the schema's properties want it, in their order.
func (v verdict) reply(props []property) gradeText {
	var g gradeText
	var b strings.Builder
	b.WriteByte('{')
	for i, p := range props {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(p.name)
		b.Write(key)
		b.WriteByte(':')
		scale := p.scale()
		switch p.name {
		case "score", "label":
			number := scale.format(v.score, math.Round)
			if g.log == nil {
				g.before, g.number = b.String(), number
				g.log, g.numbers = scale.distribution(v.centre)
				b.Reset()
				continue
			}
			b.WriteString(number)
		case "lower":
			b.WriteString(scale.format(v.lower, math.Floor))
		case "upper":
			b.WriteString(scale.format(v.upper, math.Ceil))
		case "reason":
			text, _ := json.Marshal(v.reason)
			b.Write(text)
		default:
			b.WriteString(p.filler())
		}
	}
	b.WriteByte('}')
	if g.log == nil {
		g.before = b.String()
	} else {
		g.after = b.String()
	}
	return g
}

// scale is a range of numbers that a schema asks for.
type scale struct {
	low, high float64
	step      float64
}

func (p property) scale() scale {
	s := scale{low: 0, high: 100, step: 1}
	if p.minimum != nil {
		s.low = *p.minimum
	}
	if p.maximum != nil {
		s.high = *p.maximum
	}
	if s.high <= s.low {
		s.high = s.low + 100
	}
	if !slices.Contains(p.types, "integer") && s.high-s.low <= 10 {
		s.step = 0.01
	}
	return s
}

// format writes x in [0, 1] as a number of the scale.
func (s scale) format(x float64, round func(float64) float64) string {
	steps := round((s.high - s.low) * x / s.step * (1 + 1e-12))
	v := min(s.low+steps*s.step, s.high)
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// distribution is the grader's own uncertainty, read off a normal around
// centre, as log-probs of the numbers it could have written. It covers scales
// of at most 101 numbers.
func (s scale) distribution(centre float64) (func(string) float64, []string) {
	n := int(math.Round((s.high - s.low) / s.step))
	if n > 100 {
		return func(string) float64 { return structural }, nil
	}
	logs := make(map[string]float64, n+1)
	numbers := make([]string, 0, n+1)
	weights := make([]float64, n+1)
	var sum float64
	for i := range weights {
		z := (float64(i)/float64(n) - centre) / drawNoise
		weights[i] = math.Exp(-z*z/2) + 1e-9
		sum += weights[i]
	}
	for i, w := range weights {
		number := s.format(float64(i)/float64(n), math.Round)
		numbers = append(numbers, number)
		logs[number] = math.Log(w / sum)
	}
	slices.SortStableFunc(numbers, func(a, b string) int {
		switch {
		case logs[a] > logs[b]:
			return -1
		case logs[a] < logs[b]:
			return 1
		}
		return 0
	})
	return func(number string) float64 { return logs[number] }, numbers
}

// filler is a value of the right type for a property that is no business of a
// grader.
func (p property) filler() string {
	if len(p.enum) > 0 {
		return string(p.enum[0])
	}
	for _, t := range p.types {
		switch t {
		case "string":
			return `""`
		case "integer", "number":
			return "0"
		case "boolean":
			return "false"
		case "array":
			return "[]"
		case "object":
			return "{}"
		}
	}
	return "null"
}

// spoil makes a reply that does not follow its schema: prose, a torn object,
// another key, or a number outside the scale.
func spoil(g gradeText, form uint64) gradeText {
	switch form % 4 {
	case 0:
		return gradeText{before: "I would give this response " + g.number + " points, because it addresses the question."}
	case 1:
		all := g.before + g.number + g.after
		return gradeText{before: all[:max(1, 2*len(all)/3)]}
	case 2:
		return gradeText{before: fmt.Sprintf(`{"verdict":%q}`, g.number)}
	default:
		g.number = "-" + g.number + "1"
		return gradeText{before: g.before + g.number + g.after}
	}
}

// structural is the log-prob of text that the schema leaves no choice about.
const structural = -1e-4

// choice turns the reply into tokens, within the limit.
func (g gradeText) choice(t task) choice {
	tok := tokenizer()
	var c choice
	add := func(text string, logprob float64, top []langmodel.Candidate) {
		for _, id := range tok.EncodeOrdinary(text) {
			own := top
			if own == nil && t.top > 0 {
				own = []langmodel.Candidate{{ID: id, LogProb: logprob}}
			}
			c.ids = append(c.ids, id)
			c.entries = append(c.entries, entry{id: id, logprob: logprob, sampling: logprob, top: own})
			logprob, top = structural, nil
		}
	}
	add(g.before, structural, nil)
	if g.number != "" && g.log != nil {
		add(g.number, g.log(g.number), g.alternatives(t.top))
	}
	add(g.after, structural, nil)
	stop := endOfTurnID()
	c.entries = append(c.entries, entry{id: stop, logprob: structural, sampling: structural})
	c.finish, c.generated = "stop", len(c.entries)
	if c.generated > t.maxTokens {
		c.finish, c.generated = "length", t.maxTokens
		c.ids, c.entries = c.ids[:t.maxTokens], c.entries[:t.maxTokens]
	}
	var text []byte
	for _, id := range c.ids {
		text = append(text, tok.Bytes(id)...)
	}
	at, offsets := 0, newOffsets(text)
	for i := range c.entries {
		c.entries[i].offset = offsets.at(at)
		if i < len(c.ids) {
			at += len(tok.Bytes(c.ids[i]))
		}
	}
	c.text = cleanText(text)
	if t.form == noLogprobs {
		c.entries = nil
	}
	return c
}

// alternatives are the most likely numbers, where each of them is one token;
// else only what was written can be shown.
func (g gradeText) alternatives(n int) []langmodel.Candidate {
	var top []langmodel.Candidate
	for _, number := range g.numbers[:min(n, len(g.numbers))] {
		ids := tokenizer().EncodeOrdinary(number)
		if len(ids) != 1 {
			return nil
		}
		top = append(top, langmodel.Candidate{ID: ids[0], LogProb: g.log(number)})
	}
	return top
}

func clamp(x float64) float64 { return min(1, max(0, x)) }
