package providers

import (
	"bytes"
	"context"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// said is what a server says of a failure, whatever its form:
//
//	{"error": {"message": …, "type": …, "code": …}}          nested (OpenAI, Fireworks)
//	{"object": "error", "message": …, "type": …, "code": …}  flat (vLLM, Fireworks)
//	{"error": "Too Many Requests", "message": …}             a string
//	{"detail": [{"loc": […], "msg": …}]}                     FastAPI's 422; detail may be a string
//	[{"error": {"code": 429, "status": …, "details": […]}}]  Gemini
//	{"error": {"code": 403, "metadata": {"reasons": […]}}}   OpenRouter
//	{"base_resp": {"status_code": …, "status_msg": …}}       MiniMax
//
// with code a string or a number and message a string or a list. Anything else
// is its own message.
type said struct {
	is      bool   // there is an error object, or words that say that there was one
	code    string // a word, or a number that is no HTTP status
	kind    string // "type", or Gemini's "status"
	message string
	word    string // "error" where it is no object
	param   string
	status  int           // an HTTP status inside the body
	wait    time.Duration // the delay that it asks for
	flagged bool          // it says what a moderator objects to
	other   bool          // it says something that is not known here
	raw     string        // an upstream's own words
}

// What is kept of a server's strings, in bytes.
const (
	maxName    = 256
	maxMessage = 2 << 10 // of which 1 KiB is shown, without the key
)

// saidMember reads a member of an object that may describe a failure. depth is
// how many objects deep it stands.
func (r *reader) saidMember(s *said, key string, depth int) {
	switch key {
	case "error", "errors", "base_resp", "innererror":
		r.inner(s, key, depth)
	case "message", "msg", "status_msg", "error_msg", "error_description":
		if r.kind() == '{' {
			r.nested(s, key, depth)
			return
		}
		s.speaks(r.word(maxMessage))
	case "detail":
		if r.kind() == '{' {
			r.nested(s, key, depth)
			return
		}
		if text := r.detail(); s.message == "" {
			s.message = text
		}
	case "code", "status_code", "statusCode", "error_code":
		word := r.word(maxName)
		if n := statusOf(word); n != 0 {
			s.status = n
		} else if word != "0" {
			s.code = first(s.code, word)
		}
	case "status":
		if word := r.word(maxName); statusOf(word) != 0 {
			s.status = statusOf(word)
		} else {
			s.kind = first(s.kind, word)
		}
	case "type", "reason", "finishReason": // the last is Databricks'
		s.kind = first(r.word(maxName), s.kind)
	case "__type": // Amazon's, as "com.amazon.coral.service#ThrottlingException"
		name := r.word(maxName)
		s.code = first(s.code, name[strings.LastIndexByte(name, '#')+1:])
	case "object":
		s.is = r.word(maxName) == "error" || s.is
	case "param":
		s.param = r.word(maxName)
	case "metadata", "content_filter_result":
		r.metadata(s, depth)
	case "details":
		if r.kind() == '{' {
			r.metadata(s, depth)
			return
		}
		for ok := r.enter('['); ok; ok = r.more(']') {
			r.detailObject(s)
		}
	case "promptFeedback", "prompt_feedback": // Gemini: the prompt was blocked
		for ok := r.enter('{'); ok; ok = r.more('}') {
			if key := r.key(); string(key) != "blockReason" && string(key) != "block_reason" {
				r.skip()
			} else if why := r.word(maxName); why != "" && !strings.HasSuffix(why, "_UNSPECIFIED") {
				s.is, s.flagged = true, true
				s.message = first(s.message, "the prompt was blocked: "+why)
			}
		}
	case "retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds", "resets_in_seconds", "retry_in",
		"reset_after":
		r.wish(s, time.Second)
	case "retry_after_ms", "retryAfterMs":
		r.wish(s, time.Millisecond)
	default:
		if depth == 0 {
			r.skip()
			return
		}
		s.other = r.filled() || s.other
	}
}

// says reports whether an error object says anything: some services write one
// with empty fields beside every answer.
func (s said) says() bool {
	return s.is || s.other || s.flagged || s.status != 0 || s.wait > 0 ||
		first(s.code, s.kind, s.message, s.word, s.param, s.raw) != ""
}

// success reports an object that is there to say that nothing went wrong.
func (s said) success() bool {
	switch strings.ToLower(first(s.code, s.message)) {
	case "200", "ok", "success":
		return s.status == 0 && first(s.kind, s.word, s.param, s.raw) == "" && !s.flagged && !s.other
	}
	return false
}

// maxDepth bounds how deep errors in errors are followed.
const maxDepth = 3

// inner reads what stands under "error" and the like: an object, a word, or the
// first of a list.
func (r *reader) inner(s *said, key string, depth int) {
	switch r.kind() {
	case '{':
		if depth >= maxDepth {
			r.skip()
			return
		}
		var in said
		for ok := r.enter('{'); ok; ok = r.more('}') {
			r.saidMember(&in, string(cutBytes(r.key(), maxName)), depth+1)
		}
		if in.success() {
			return
		}
		in.is = in.says()
		if key == "base_resp" {
			// A success has status_code 0; these numbers are no HTTP statuses.
			if in.is = in.code != ""; in.is {
				in.code = "base_resp " + in.code
			}
		}
		s.merge(in)
	case '[':
		for i, ok := 0, r.enter('['); ok; i, ok = i+1, r.more(']') {
			if i > 0 {
				r.skip()
			} else {
				r.inner(s, key, depth)
			}
		}
	case 't', 'f', 'n':
		r.skip()
	default:
		if word := r.word(maxMessage); word != "" && word != "0" { // a count of errors
			s.is, s.word = true, word
		}
	}
}

// speaks adds a message: the first one is shown, and the delay that another names counts.
func (s *said) speaks(message string) {
	if s.message == "" {
		s.message = message
		return
	}
	s.wait = max(s.wait, namedDelay(message))
}

// nested reads an object in the place of a text. That it is there says nothing yet.
func (r *reader) nested(s *said, key string, depth int) {
	is := s.is
	r.inner(s, key, depth)
	s.is = is
}

// merge takes over what an inner object says, which says more than the outer.
func (s *said) merge(in said) {
	s.is = s.is || in.is
	s.code, s.kind = first(in.code, s.code), first(in.kind, s.kind)
	outer := s.message
	s.message = in.message
	s.speaks(outer)
	s.param, s.word = first(in.param, s.param), first(in.word, s.word)
	if in.status != 0 {
		s.status = in.status
	}
	s.wait, s.flagged, s.raw = max(s.wait, in.wait), s.flagged || in.flagged, first(in.raw, s.raw)
}

// metadata is OpenRouter's: what a moderator objects to, and the upstream's own
// words and headers.
func (r *reader) metadata(s *said, depth int) {
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch key := r.key(); string(key) {
		case "reasons", "flagged_input":
			s.flagged = r.filled() || s.flagged
		case "headers":
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if strings.EqualFold(string(cutBytes(r.key(), maxName)), "retry-after") {
					r.wish(s, time.Second)
				} else {
					r.skip()
				}
			}
		case "retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds", "retry_after_ms", "retryAfterMs",
			"reset_after":
			r.saidMember(s, string(key), depth+1)
		case "raw":
			if r.kind() == '{' {
				r.nested(s, "raw", depth+1)
			} else {
				s.raw = r.word(maxMessage)
			}
		default:
			r.skip()
		}
	}
}

// detailObject is one of Google's error details, of which one names a delay and
// one a reason.
func (r *reader) detailObject(s *said) {
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "retryDelay":
			if d, err := time.ParseDuration(r.word(maxName)); err == nil {
				s.wait = max(s.wait, d)
			}
		case "reason":
			s.kind = first(r.word(maxName), s.kind)
		default:
			r.skip()
		}
	}
}

// wish reads a delay: a number of units, or a duration such as 20s.
func (r *reader) wish(s *said, unit time.Duration) {
	word := r.word(maxName)
	d, ok := parseWait(word, unit)
	if !ok {
		d = namedDelay("wait " + word)
	}
	if d >= sinceEpoch { // a date, counted from 1970
		d = 0
	}
	s.wait = max(s.wait, d)
}

// detail is FastAPI's: a text, or a list of what is wrong where.
func (r *reader) detail() string {
	if r.kind() != '[' {
		return r.word(maxMessage)
	}
	var parts []string
	size := 0
	for ok := r.enter('['); ok; ok = r.more(']') {
		if size > maxMessage {
			r.skip()
			continue
		}
		if r.kind() == '"' {
			parts = append(parts, r.word(maxMessage))
			continue
		}
		var where []string
		var text string
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "loc":
				for ok := r.enter('['); ok; ok = r.more(']') {
					if w := r.word(maxName); len(where) < 16 {
						where = append(where, w)
					}
				}
			case "msg", "message":
				text = r.word(maxMessage)
			default:
				r.skip()
			}
		}
		parts = append(parts, strings.TrimPrefix(strings.Join(where, ".")+": "+text, ": "))
		size += len(parts[len(parts)-1])
	}
	return cut(strings.Join(parts, "; "), maxMessage)
}

// statusOf is the HTTP status that a code is, 0 where it is none.
func statusOf(code string) int {
	if len(code) != 3 || code[0] < '4' || code[0] > '5' || code[1]-'0' > 9 || code[2]-'0' > 9 {
		return 0
	}
	return int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
}

func cutBytes(b []byte, most int) []byte { return b[:min(len(b), most)] }

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// parseError reads the body of an answer of another status than 2xx, or of a
// line of a batch. What is no JSON, or was cut, says what could be read of it,
// or is its own message.
func parseError(body []byte) said {
	s := saidIn(body)
	s.settle()
	s.message = first(s.message, page(body), string(cutBytes(body, maxMessage)))
	return s
}

// saidIn is what could be read of a body.
func saidIn(body []byte) (s said) {
	in := &input{ctx: context.Background(), src: bytes.NewReader(body), limit: int64(len(body))}
	_ = readJSON(in, func(r *reader) {
		if k := r.kind(); k == '{' || k == '[' {
			s = r.answer(want{}).said
		}
	})
	return s
}

// page is what a page of HTML says in short: its title. Proxies send one in place
// of the service's answer. Anything else is no page, and empty.
func page(body []byte) string {
	text := strings.TrimSpace(string(cutBytes(body, 8<<10)))
	if !strings.HasPrefix(text, "<") {
		return ""
	}
	m := title.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return pageSays + strings.TrimSpace(cut(html.UnescapeString(m[1]), maxName))
}

const pageSays = "a page of HTML: "

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// settle makes a word in place of an error object the message, or the code where
// there is one, and finds the delay that the message names. A gateway may give an
// upstream's whole answer as its message: what that says counts.
func (s *said) settle() {
	if text := strings.TrimSpace(s.message); strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		s.merge(saidIn([]byte(text)))
	}
	if text := strings.TrimSpace(s.raw); strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		in := saidIn([]byte(text))
		s.raw = in.message
		// Whose key or money the upstream misses nobody knows: the gateway's, mostly.
		if c := classify(http.StatusBadRequest, in); c != ClassAuth && c != ClassQuota {
			s.merge(in)
		}
	}
	switch {
	case s.message == "":
		s.message = first(s.word, s.code)
	case s.code == "":
		s.code = cut(s.word, maxName)
	}
	if s.wait == 0 {
		s.wait = namedDelay(s.message)
	}
}

// namedDelay is the wait that a message names: "Please try again in 1m2.5s", "retry
// after 20 seconds", "available in 2 minutes", "wait 9 seconds", "1 hour and 5 minutes", "will
// reset after 2h7m", "replenished
// in 2.03:04:05", which are days and a time (OpenAI, Groq, Gemini, Azure, Django, GitHub).
func namedDelay(message string) time.Duration {
	m := delay.FindStringSubmatch(ownWords(cut(message, maxMessage)))
	switch {
	case m == nil:
		return 0
	case m[1] != "":
		d, err := time.ParseDuration(strings.ReplaceAll(m[1], " ", ""))
		if err != nil {
			return 0
		}
		return max(0, d)
	case m[2] != "":
		d, _ := parseWait(m[2], units[strings.ToLower(m[3])])
		more, _ := parseWait(m[4], units[strings.ToLower(m[5])])
		return min(d, sinceEpoch) + min(more, sinceEpoch)
	}
	var sum time.Duration
	for i, unit := range []string{"day", "hour", "min", "sec"} {
		d, _ := parseWait(m[6+i], units[unit])
		sum += d
	}
	return sum
}

var (
	units = map[string]time.Duration{"sec": time.Second, "min": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	delay = regexp.MustCompile(`(?i)(?:(?:try again|retry|wait|reset|replenished)(?:s|ing)?(?: (?:in|after|for))?|` +
		`available in)` +
		`(?: about)? (?:((?:[0-9.]{1,12}(?:ms|h|m|s))(?: ?[0-9.]{1,12}(?:ms|h|m|s))*)\b|` +
		`([0-9.]{1,12}) ?(sec|min|hour|day)[a-z]*` +
		`(?:,?(?: and)? ([0-9.]{1,12}) ?(sec|min|hour))?` +
		`|(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2})\b)`)
)

// described makes an error's words fit to be shown and sets its class.
func (t *transport) described(e *Error, status int, s said) {
	e.Class = classify(status, s)
	if s.raw != "" && s.raw != s.message {
		s.message = strings.TrimPrefix(s.message+": "+s.raw, ": ")
	}
	e.Code, e.Message, e.Param = t.clean(s.code), t.clean(s.message), t.clean(s.param)
	if e.Code == "" && s.status != 0 {
		e.Code = strconv.Itoa(s.status)
	}
	e.RetryAfter = s.wait
	e.Hint = t.hint(e.Class)
	if e.Class == ClassTooLong {
		e.Hint = tooLongHint(s.message, e.Hint)
	}
}
