package sim

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// logprobForm is how a request wants its log-probs.
type logprobForm int

const (
	noLogprobs      logprobForm = iota
	contentLogprobs             // Fireworks, logprobs: true
	legacyLogprobs              // Fireworks, logprobs: 1..5
	lateLogprobs                // vLLM's completions: a number of any size
	openAILogprobs              // OpenAI, logprobs: true
)

// Log-prob arrays are appended by hand: they are nearly all of an answer, and
// encoding/json would spend more time on them than the language model.

func appendLogprobs(b []byte, form logprobForm, entries []entry) []byte {
	switch form {
	case contentLogprobs:
		return appendContent(b, entries)
	case legacyLogprobs:
		return appendLegacy(b, entries)
	case lateLogprobs:
		return appendLate(b, entries)
	case openAILogprobs:
		return appendOpenAI(b, entries)
	default:
		return append(b, "null"...)
	}
}

// appendContent writes {"content":[{token, bytes, logprob, sampling_logprob,
// text_offset, token_id, top_logprobs}]}. The first token of a text has a
// number, too.
func appendContent(b []byte, entries []entry) []byte {
	tok := vocabulary()
	b = append(b, `{"content":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		raw := tok.Bytes(e.id)
		b = append(b, `{"token":`...)
		b = appendString(b, raw)
		b = append(b, `,"bytes":`...)
		b = appendBytes(b, raw)
		b = append(b, `,"logprob":`...)
		b = appendFloat(b, e.logprob)
		b = append(b, `,"sampling_logprob":`...)
		b = appendFloat(b, e.sampling)
		b = append(b, `,"text_offset":`...)
		b = strconv.AppendInt(b, int64(e.offset), 10)
		b = append(b, `,"token_id":`...)
		b = strconv.AppendInt(b, int64(e.id), 10)
		b = append(b, `,"top_logprobs":[`...)
		for j, c := range e.top {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendCandidate(b, c, true)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...)
}

func appendCandidate(b []byte, c langmodel.Candidate, withID bool) []byte {
	raw := vocabulary().Bytes(c.ID)
	b = append(b, `{"token":`...)
	b = appendString(b, raw)
	b = append(b, `,"logprob":`...)
	b = appendFloat(b, c.LogProb)
	if withID {
		b = append(b, `,"token_id":`...)
		b = strconv.AppendInt(b, int64(c.ID), 10)
	}
	b = append(b, `,"bytes":`...)
	b = appendBytes(b, raw)
	return append(b, '}')
}

// appendLegacy writes the five parallel arrays; the first token of a text has
// null.
func appendLegacy(b []byte, entries []entry) []byte {
	tok := vocabulary()
	b = append(b, '{')
	b = appendArray(b, "tokens", entries, func(b []byte, e entry) []byte { return appendString(b, tok.Bytes(e.id)) })
	b = appendArray(append(b, ','), "token_logprobs", entries, appendValue)
	b = appendArray(append(b, ','), "top_logprobs", entries, func(b []byte, e entry) []byte {
		if e.first {
			return append(b, "null"...)
		}
		b = append(b, '{')
		for j, c := range e.top {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendString(b, tok.Bytes(c.ID))
			b = append(b, ':')
			b = appendFloat(b, c.LogProb)
		}
		return append(b, '}')
	})
	b = appendArray(append(b, ','), "text_offset", entries, appendOffset)
	b = appendArray(append(b, ','), "token_ids", entries, func(b []byte, e entry) []byte {
		return strconv.AppendInt(b, int64(e.id), 10)
	})
	return append(b, '}')
}

// appendLate writes vLLM's four arrays (0.32.0, completion/serving.py, and observed). The map of
// alternatives begins with the token that stands there, whatever its rank, and its keys are texts:
// of two tokens that decode alike the later one is left.
func appendLate(b []byte, entries []entry) []byte {
	tok := vocabulary()
	var texts []string
	var values []float64
	add := func(text string, v float64) {
		if i := slices.Index(texts, text); i >= 0 {
			values[i] = v
			return
		}
		texts, values = append(texts, text), append(values, v)
	}
	b = append(b, '{')
	b = appendArray(b, "text_offset", entries, appendOffset)
	b = appendArray(append(b, ','), "token_logprobs", entries, appendValue)
	b = appendArray(append(b, ','), "tokens", entries, func(b []byte, e entry) []byte {
		return appendString(b, *e.shown)
	})
	b = appendArray(append(b, ','), "top_logprobs", entries, func(b []byte, e entry) []byte {
		if e.first {
			return append(b, "null"...)
		}
		texts, values = texts[:0], values[:0]
		add(*e.shown, e.logprob)
		for _, c := range e.top {
			if c.ID != e.id {
				add(cleanText(tok.Bytes(c.ID)), c.LogProb)
			}
		}
		b = append(b, '{')
		for j, text := range texts {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendString(b, text)
			b = append(b, ':')
			b = appendFloat(b, values[j])
		}
		return append(b, '}')
	})
	return append(b, '}')
}

// appendArray writes "name":[…] of the entries.
func appendArray(b []byte, name string, entries []entry, item func([]byte, entry) []byte) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, e)
	}
	return append(b, ']')
}

func appendValue(b []byte, e entry) []byte {
	if e.first {
		return append(b, "null"...)
	}
	return appendFloat(b, e.logprob)
}

func appendOffset(b []byte, e entry) []byte { return strconv.AppendInt(b, int64(e.offset), 10) }

// appendOpenAI writes {"content":[{token, logprob, bytes, top_logprobs}],
// "refusal":null}.
func appendOpenAI(b []byte, entries []entry) []byte {
	tok := vocabulary()
	b = append(b, `{"content":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		raw := tok.Bytes(e.id)
		b = append(b, `{"token":`...)
		b = appendString(b, raw)
		b = append(b, `,"logprob":`...)
		b = appendFloat(b, e.logprob)
		b = append(b, `,"bytes":`...)
		b = appendBytes(b, raw)
		b = append(b, `,"top_logprobs":[`...)
		for j, c := range e.top {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendCandidate(b, c, false)
		}
		b = append(b, "]}"...)
	}
	return append(b, `],"refusal":null}`...)
}

// appendFloat writes the shortest form that reads back exactly; NaN is null,
// and minus infinity, which JSON lacks, the -9999 that servers write for it.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "null"...)
	case math.IsInf(v, -1):
		return append(b, "-9999.0"...)
	case v == 0:
		return append(b, "0.0"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func appendBytes(b, raw []byte) []byte {
	b = append(b, '[')
	for i, c := range raw {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(c), 10)
	}
	return append(b, ']')
}

func appendInts(b []byte, ids []int) []byte {
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return append(b, ']')
}

// appendString writes raw as a JSON string, with U+FFFD for each byte that
// belongs to no character.
func appendString[T []byte | string](b []byte, raw T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	s := string(raw)
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // RuneError, for a stray byte, is U+FFFD
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
