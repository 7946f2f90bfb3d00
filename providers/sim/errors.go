package sim

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// provider is whose protocol a path speaks.
type provider int

const (
	fireworks provider = iota
	openAI
	vllm // an engine of one's own, which serves every model
)

// apiError is an answer other than 200, before it takes one of its provider's
// forms.
type apiError struct {
	status  int
	kind    string // the machine-readable word; what it means depends on the provider
	message string
	param   string
}

func badRequest(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", message: fmt.Sprintf(format, args...),
		param: param}
}

func errMethod(method string) *apiError {
	return &apiError{status: http.StatusMethodNotAllowed, kind: "invalid_request_error", message: "Not allowed to " +
		method + " on this path."}
}

// exhausted is what an empty account is told: a status of its own, or one that
// is shared with rate limits and told apart by its code.
func exhausted(p provider) *apiError {
	if p != openAI {
		return &apiError{status: http.StatusPaymentRequired, kind: "payment_required",
			message: "The account has no credits left. Add credits to go on."}
	}
	return &apiError{status: http.StatusTooManyRequests, kind: "insufficient_quota",
		message: "You exceeded your current quota, please check your plan and billing details."}
}

func noSuchPath(c *call) (answer, *apiError) {
	return answer{}, &apiError{status: http.StatusNotFound, kind: "not_found", message: "Invalid URL (" + c.path + ")"}
}

// authorise checks the bearer key. What a refusal says of the key is masked, as
// the real services mask it.
//
// An engine of one's own asks for none unless it was started with some.
func (s *Server) authorise(r *http.Request, p provider) *apiError {
	if p == vllm && len(s.config.Keys) == 0 {
		return nil
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		return &apiError{status: http.StatusUnauthorized, kind: "missing_api_key",
			message: "You didn't provide an API key. Provide it in an Authorization header using Bearer auth."}
	}
	if len(s.config.Keys) == 0 {
		return nil
	}
	for _, k := range s.config.Keys {
		if subtle.ConstantTimeCompare([]byte(k), []byte(key)) == 1 {
			return nil
		}
	}
	return &apiError{status: http.StatusUnauthorized, kind: "invalid_api_key", message: "Incorrect API key provided: " +
		mask(key) + "."}
}

// mask keeps at most the ends of a long key.
func mask(key string) string {
	const shown = 4
	if len(key) < 5*shown {
		return strings.Repeat("*", 8)
	}
	return key[:shown] + "********" + key[len(key)-shown:]
}

// refuse writes an error in one of the forms that its provider is known to use,
// chosen by a hash of the answer's id: a client must read them all.
func (s *Server) refuse(w http.ResponseWriter, c *call, e *apiError) {
	h := w.Header()
	if e.status == http.StatusTooManyRequests {
		if h.Get("Retry-After-Ms") == "" { // a fault, and no limit
			h.Set("Retry-After-Ms", "20")
			h.Set("X-Ratelimit-Remaining-Requests", "0")
		}
	}
	variant := hash64("error", s.seed, c.reply)
	var body any
	if c.provider != openAI {
		body = fireworksError(e, c.reply, variant)
	} else {
		body = openAIError(e, variant)
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic("sim: error body: " + err.Error()) // maps of strings always encode
	}
	writeBody(w, e.status, b)
}

// fireworksError is one of four forms: an error object with a request id, a flat object,
// an object whose "error" is a string, and the list of a validator (422 only).
func fireworksError(e *apiError, id string, variant uint64) any {
	kind, message := e.kind, e.message
	switch e.kind {
	case "rate_limit":
		kind, message = "rate_limit_exceeded", "Rate limit exceeded, please try again later."
	case "server_error":
		kind, message = "internal_server_error", "Internal server error."
	case "overloaded":
		kind, message = "service_unavailable", "Service overloaded, please try again later."
	case "missing_api_key", "invalid_api_key":
		kind = "unauthorized"
	}
	if e.status == http.StatusUnprocessableEntity {
		return map[string]any{"detail": []any{map[string]any{
			"loc": []any{"body", e.param}, "msg": message, "type": "value_error",
		}}}
	}
	code := strings.ToUpper(kind)
	if e.status == http.StatusNotFound {
		code, variant = "NOT_FOUND", 0 // seen in the first form only
	}
	switch variant % 3 {
	case 0:
		return map[string]any{
			"error":      map[string]any{"message": message, "param": nullable(e.param), "code": code, "type": "error"},
			"request_id": id,
		}
	case 1:
		return map[string]any{"object": "error", "type": kind, "code": kind, "message": message}
	default:
		return map[string]any{"error": http.StatusText(e.status), "message": message}
	}
}

// openAIError is the envelope with message, type, param and code; what the
// fields hold varies.
func openAIError(e *apiError, variant uint64) any {
	typ, message := "invalid_request_error", e.message
	var code any = nil
	switch e.kind {
	case "rate_limit":
		if variant%2 == 0 {
			typ, code, message = "requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 20ms."
		} else {
			typ, code, message = "rate_limit_error", "slow_down", "Your request rate grew too fast. Please slow down."
		}
	case "server_error":
		typ, message = "server_error", "The server had an error while processing your request."
		if variant%2 == 0 {
			code = e.status // seen as a number, too
		}
	case "overloaded":
		typ, code, message = "server_error", "server_is_overloaded", "The server is overloaded. Please retry later."
	case "missing_api_key":
		code = nil
	case "invalid_request_error", "not_found":
		if e.status == http.StatusNotFound && e.param == "" {
			code = "unknown_url"
		}
	case "insufficient_quota":
		typ, code = e.kind, e.kind
	default:
		code = e.kind
	}
	return map[string]any{"error": map[string]any{"message": message, "type": typ, "param": nullable(e.param),
		"code": code}}
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
