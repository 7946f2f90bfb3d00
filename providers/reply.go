package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// decoded is a reply with one choice, and what every kind of call takes from it.
type decoded struct {
	answer
	head      []byte // of the reply, for messages
	tokens    []Token
	spelled   []byte // what tokens spell
	promptIDs []int
	usage     *Usage
	meta      Meta
}

// receive sends the request of an attempt and reads the answer.
func (t *transport) receive(ctx context.Context, a attempt, w want) (decoded, *Error) {
	var d decoded
	a.limit = w.replyBytes()
	got, e := t.send(ctx, a, func(in *input) error { return readJSON(in, func(r *reader) { d.answer = r.answer(w) }) })
	d.meta, d.head = got.meta, got.head
	return t.decode(a, d, e)
}

// parse reads an answer that has come already, as in a line of a batch.
func (t *transport) parse(a attempt, body []byte, meta Meta, w want) (decoded, *Error) {
	d := decoded{meta: meta}
	in := &input{ctx: context.Background(), src: bytes.NewReader(body), limit: w.replyBytes()}
	err := readJSON(in, func(r *reader) { d.answer = r.answer(w) })
	d.head = in.head
	var e *Error
	if err != nil {
		e = t.unread(a, meta, in.head, err)
	}
	return t.decode(a, d, e)
}

// unread is the error of a 2xx answer that is not the JSON that it should be.
func (t *transport) unread(a attempt, meta Meta, head []byte, err error) *Error {
	return t.broken(a, meta, head, fmt.Errorf("the reply is not the JSON expected: %w", err))
}

// decode makes sense of a 2xx answer, or of as much of one as was read before e.
// The content decides what it is, not its content type: proxies send JSON as
// text/plain, and error objects with status 200.
func (t *transport) decode(a attempt, d decoded, e *Error) (decoded, *Error) {
	d.usage, d.meta.UsageDoubt = d.answer.usage.usage()
	if u := d.usage; u != nil && d.choices > 0 {
		said := a.op == opGenerate && (d.choice.text != "" || d.choice.message.content != "")
		switch {
		case u.PromptTokens == 0:
			d.usage, d.meta.UsageDoubt = nil, "no tokens are stated for a prompt: not believed"
		case u.CompletionTokens == 0 && said:
			d.usage, d.meta.UsageDoubt = nil, "no tokens are stated for a text: not believed"
		}
	}
	if e != nil {
		if e.Status/100 == 2 {
			e.Usage, e.Meta.UsageDoubt = d.usage, d.meta.UsageDoubt
		}
		return decoded{}, e
	}
	d.meta.Model, d.meta.Tier = t.label(d.model), t.label(d.tier)
	s := d.said
	s.merge(d.choice.said)
	if s.is || d.choices == 0 {
		cause := errors.New("the service reports an error beside the answer")
		if d.choices == 0 {
			cause = errors.New("the reply has no choices")
		}
		e := t.broken(a, d.meta, d.head, cause)
		if s.is || s.code != "" || s.status != 0 {
			message := e.Message
			s.settle()
			t.described(e, d.meta.Status, s)
			e.Message = first(e.Message, message)
		}
		if e.Usage = d.usage; !d.answer.usage.seen && d.choices == 0 && refuses(e.Class) {
			e.Usage = &Usage{} // as a status that refuses says: there is no answer to bill
		}
		return decoded{}, e
	}
	d.tokens = d.choice.tokens
	d.spelled = spell(d.tokens)
	if d.promptIDs = d.choice.promptIDs; len(d.promptIDs) == 0 {
		d.promptIDs = d.answer.promptIDs
	}
	if t.repeatsKey(d) {
		return decoded{}, t.brokenAt(a, d, errKeyRepeated)
	}
	if meaning, ok := FinishOf(d.choice.finish); ok {
		d.choice.finish = meaning
	}
	if meaning, ok := FinishOf(d.choice.native); ok && d.choice.finish == FinishStop {
		d.choice.finish = meaning // gateways say "stop" of what ended in other ways, too
	}
	if d.choice.finish == finishError { // the server failed while generating
		return decoded{}, t.brokenAt(a, d, errors.New("the server ended the generation with an error"))
	}
	return d, nil
}

// refuses reports a class of error by which a service says that it did not begin
// to work. A filter and a server that fails may have worked first.
func refuses(c Class) bool {
	switch c {
	case ClassAuth, ClassQuota, ClassRateLimited, ClassModelNotFound, ClassBadRequest, ClassTooLong:
		return true
	}
	return false
}

func (t *transport) brokenAt(a attempt, d decoded, err error) *Error {
	e := t.broken(a, d.meta, d.head, err)
	e.Usage = d.usage
	return e
}

// repeatsKey recognises a server that answers with the key that it was sent.
// Text is recorded as it is, so it cannot be redacted, only refused.
func (t *transport) repeatsKey(d decoded) bool {
	m := d.choice.message
	spelled := string(d.spelled)
	if spelled == d.choice.text || spelled == m.content {
		spelled = "" // looked at once
	}
	if slices.ContainsFunc([]string{d.choice.text, m.refusal, m.content, spelled}, t.key.repeats) {
		return true
	}
	for _, tok := range d.tokens {
		for _, a := range tok.Top {
			if t.key.repeats(a.Text) {
				return true
			}
		}
	}
	return false
}

var errKeyRepeated = errors.New("the server repeats the API key in its answer")

// wanted is what the reply to a request for a response has to give.
func (r GenerateRequest) wanted() want {
	b := r.Bound()
	return want{tokens: r.LogProbs, most: b.PromptTokens + b.CompletionTokens*(1+r.TopLogProbs), top: r.TopLogProbs}
}

// generation makes a response of the answer to a GenerateRequest.
func (t *transport) generation(a attempt, req GenerateRequest, d decoded) (Generation, *Error) {
	fail := func(class Class, err error) (Generation, *Error) {
		e := t.brokenAt(a, d, err)
		e.Class, e.Hint = class, t.hint(class)
		return Generation{}, e
	}
	g := Generation{
		FinishReason: t.label(d.choice.finish), TokenIDs: d.choice.tokenIDs, PromptIDs: d.promptIDs,
		DefaultSampling: a.defaulted, Usage: d.usage, Meta: d.meta,
	}
	switch m := d.choice.message; {
	case len(req.Messages) > 0 && m.odd:
		return fail(ClassBrokenReply, errors.New("the message's content is no text"))
	case len(req.Messages) == 0 && d.choice.hasText:
		g.Text = d.choice.text
	case len(req.Messages) > 0 && d.choice.has && m.has:
		g.Text, g.Refusal = m.content, m.refusal
	case len(req.Messages) > 0 && d.choice.has && g.FinishReason == FinishFiltered:
		return fail(ClassFiltered, errors.New("the service's content filter withheld the response"))
	case len(req.Messages) > 0 && d.choice.has:
		g.Refusal = m.refusal // null content: nothing was said, or only a refusal
	default:
		return fail(ClassBrokenReply, errors.New("the choice has no text"))
	}
	if g.FinishReason == "" {
		return fail(ClassBrokenReply, errors.New("the choice has no finish reason: nobody knows whether its text is whole"))
	}
	if req.LogProbs {
		g.Tokens = d.tokens
		if err := fillIDs(g.Tokens, g.TokenIDs); err != nil {
			return fail(ClassBrokenReply, err)
		}
	}
	g.TokenIDs = withoutEnd(g)
	g.Hidden = t.label(hidden(req, d))
	a.dialect.mendFirst(g.Tokens)
	return g, nil
}

// withoutEnd drops the end-of-turn token's id where the server lists it: the
// last of the tokens, adding nothing to the text of a response that stopped.
func withoutEnd(g Generation) []int {
	n := len(g.Tokens)
	if g.FinishReason == FinishStop && n > 0 && len(g.TokenIDs) == n && string(spell(g.Tokens[:n-1])) == g.Text {
		return g.TokenIDs[:n-1]
	}
	return g.TokenIDs
}

// wanted is what the reply to a scoring has to give.
func (r ScoreRequest) wanted(d dialect) want {
	b := r.worst()
	return want{tokens: true, listed: d.PromptList, most: b.PromptTokens + b.CompletionTokens, top: r.Top}
}

// score makes a scored text of the answer to a ScoreRequest and checks that it is one. Servers
// are known to accept echo and return nothing for the prompt, or the generated
// tokens alone; every text would score 0.0 then, certain, without an error.
func (t *transport) score(a attempt, req ScoreRequest, d decoded) (PromptScore, *Error) {
	unusable := func(format string, args ...any) (PromptScore, *Error) {
		e := t.broken(a, d.meta, nil, fmt.Errorf(format+": %w", append(args, errors.ErrUnsupported)...))
		e.Class, e.Usage = ClassBadRequest, d.usage
		e.Hint = unusableHint(e.Err)
		return PromptScore{}, e
	}
	ids := d.promptIDs
	if ids == nil {
		ids = req.PromptIDs
	}
	if a.scored != "" {
		req.Prompt = a.scored
	}
	tokens, spelled, skipped := d.tokens, d.spelled, 0
	listed, text, err := a.dialect.promptListed(d)
	if err != nil {
		return unusable("%w", err)
	}
	if listed != nil {
		tokens, spelled = listed, spell(listed)
	}
	switch {
	case len(tokens) == 0:
		return unusable("the reply has no log-probs")
	case len(req.PromptIDs) > 0 && d.promptIDs != nil && !endsWith(d.promptIDs, req.PromptIDs):
		return unusable("the server scored other token ids than those sent")
	case len(req.PromptIDs) > 0 && d.promptIDs == nil && d.usage != nil && d.usage.PromptTokens != len(req.PromptIDs):
		return unusable("the server counts %d tokens in a prompt of %d ids", d.usage.PromptTokens, len(req.PromptIDs))
	case a.last > 0:
		if tokens, skipped, err = lastOf(tokens, ids, req.Prompt, a.last, d.usage); err != nil {
			return unusable("%w", err)
		}
	case a.dialect.EchoDropsBOS:
		if tokens, err = echoWithoutBOS(tokens, req.Prompt, a.dialect.BOSInText, d.usage); err != nil {
			return unusable("%w", err)
		}
	case req.Prompt != "" && namedByID(tokens):
		return unusable("%w", &echoFault{"the server shows token ids in the place of texts",
			"start vLLM without its option return-tokens-as-token-ids"})
	case ids != nil && len(tokens) < len(ids):
		return unusable("%d log-prob entries for a prompt of %d tokens", len(tokens), len(ids))
	case ids != nil:
		tokens = tokens[:len(ids)] // what follows was generated
		if err := fillIDs(tokens, ids); err != nil {
			return unusable("%w", err)
		}
		identify(tokens, d.choice.positions)
	case !covers(tokens, spelled, req.Prompt):
		return unusable("the log-prob entries spell another text than the prompt")
	case listed == nil:
		if tokens, err = withoutGenerated(tokens, req.Prompt, d, asInt(a.body["max_tokens"]) > 0); err != nil {
			return unusable("%w", err)
		}
	}
	if !anyScored(tokens) || skipped > 0 && !slices.ContainsFunc(tokens, scored) {
		return unusable("every log-prob of the prompt is null")
	}
	s := PromptScore{Tokens: tokens, Skipped: skipped, Asked: a.asked, Filters: a.dialect.Filters, Usage: d.usage,
		Meta: d.meta}
	switch {
	case listed != nil:
		s.Text = text
	default:
		s.Text = d.choice.text
	}
	if s.Tokens, err = a.dialect.restoreBOS(s.Tokens, a.stripped); err != nil {
		return unusable("%w", err)
	}
	s.Text = a.stripped + s.Text
	a.dialect.mendFirst(s.Tokens)
	return s, nil
}

// endsWith allows for a BOS token that the server puts in front.
func endsWith(ids, tail []int) bool {
	if len(ids) < len(tail) {
		return false
	}
	for i, id := range tail {
		if ids[len(ids)-len(tail)+i] != id {
			return false
		}
	}
	return true
}

// namedByID reports that the texts of tokens are their ids, token_id:791, as vLLM can be started to
// write them.
func namedByID(tokens []Token) bool {
	return !slices.ContainsFunc(tokens, func(t Token) bool {
		id, ok := strings.CutPrefix(t.Text, "token_id:")
		return !ok || asID([]byte(id)) < 0
	})
}

// anyScored ignores the first token, which nothing precedes.
func anyScored(tokens []Token) bool {
	return slices.ContainsFunc(tokens[1:], scored) || len(tokens) == 1
}

func scored(t Token) bool { return t.LogProb.Valid() }

// modelsOf makes a listing of what was read.
func (t *transport) modelsOf(a attempt, got got, l listing) ([]Model, *Error) {
	if !l.has {
		e := t.broken(a, got.meta, got.head, errors.New("the listing has no data"))
		if l.said.is {
			l.said.settle()
			t.described(e, got.meta.Status, l.said)
		}
		return nil, e
	}
	for i, m := range l.models {
		switch {
		case m.ID == "":
			return nil, t.broken(a, got.meta, nil, fmt.Errorf("model %d of the listing has no id", i))
		case t.key.repeats(m.ID):
			return nil, t.broken(a, got.meta, nil, errKeyRepeated)
		case l.dates[i] != "":
			var err error
			if l.models[i].Shutdown, err = parseDate(l.dates[i]); err != nil {
				return nil, t.broken(a, got.meta, nil, fmt.Errorf("model %s: shutdown_date %q: want YYYY-MM-DD", t.label(m.ID),
					cut(t.clean(l.dates[i]), 40)))
			}
		}
	}
	return l.models, nil
}

// listing is a list of models as it was read, with the dates of their ends as
// they are written.
type listing struct {
	has    bool
	models []Model
	dates  []string
	cards  []card // by model
	said   said
}

// card is what an entry of a listing says of who wrote it.
type card struct {
	owner   string // owned_by
	undated bool   // created is 0
}

// maxModels is more than any service lists.
const maxModels = 100_000

// listing reads {"data": [{"id": …}]}, or the list alone. An entry that does not say whether it is
// served without a deployment of one's own is taken to be. A name that is cut
// would be another's, so an entry with a longer one is left out.
func (r *reader) listing() (l listing) {
	var seen uint32
	if r.kind() == '[' { // Together
		r.listed(&l)
		return l
	}
	for ok := r.enter('{'); ok; ok = r.more('}') {
		key := string(cutBytes(r.key(), maxName))
		if key != "data" {
			r.saidMember(&l.said, key, 0)
			continue
		}
		r.once(&seen, 0, "data")
		r.listed(&l)
	}
	if l.models == nil {
		l.models = []Model{}
	}
	return l
}

// listed reads the entries of a listing.
func (r *reader) listed(l *listing) {
	l.has, l.models = r.kind() == '[', []Model{}
	for ok := r.enter('['); ok; ok = r.more(']') {
		m, date, shown := r.model()
		if len(m.ID) > maxName {
			continue
		}
		if len(l.models) >= maxModels {
			r.fail("more than %d models", maxModels)
		}
		l.models, l.dates, l.cards = append(l.models, m), append(l.dates, date), append(l.cards, shown)
	}
}

func (r *reader) model() (m Model, date string, shown card) {
	m.Serverless = true
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "id":
			r.once(&seen, 0, "id")
			if r.kind() == '"' {
				m.ID = r.word(maxName + 1)
			} else {
				r.skip()
			}
		case "shutdown_date":
			date = r.word(maxName)
		case "owned_by":
			if r.kind() == '"' {
				shown.owner = r.word(maxName)
			} else {
				r.skip()
			}
		case "created":
			shown.undated = r.count() == 0
		case "supportsServerless", "supports_serverless":
			switch r.kind() {
			case 't', 'f':
				m.Serverless = r.filled()
			default:
				r.skip()
			}
		case "context_length", "context_window", "max_model_len", "max_context_length":
			// Together, OpenRouter; Groq; vLLM; Mistral
			m.Context = max(0, r.count())
		default:
			r.skip()
		}
	}
	return m, date, shown
}

func parseDate(s string) (time.Time, error) {
	if day, _, ok := bytes.Cut([]byte(s), []byte("T")); ok {
		s = string(day)
	}
	return time.Parse(time.DateOnly, s)
}
