package grading

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// thoughts are the markers between which models think aloud, by who is known to
// write them. They are matched in any letter case.
var thoughts = []struct{ opener, closer string }{
	{"<think>", "</think>"},                                    // DeepSeek, Qwen, GLM, MiniMax, Nemotron, Phi
	{"<thinking>", "</thinking>"},                              // models that follow Anthropic's prompting guide
	{"<thought>", "</thought>"},                                // EXAONE; Gemini's OpenAI-compatible endpoint
	{"<reasoning>", "</reasoning>"},                            // prompted
	{"<analysis>", "</analysis>"},                              // prompted
	{"<scratchpad>", "</scratchpad>"},                          // prompted
	{"<reflection>", "</reflection>"},                          // prompted
	{"<seed:think>", "</seed:think>"},                          // Seed-OSS
	{"<longcat_think>", "</longcat_think>"},                    // LongCat
	{"[think]", "[/think]"},                                    // Mistral's Magistral
	{"◁think▷", "◁/think▷"},                                    // Kimi
	{"<|start_thinking|>", "<|end_thinking|>"},                 // Cohere
	{"<|inner_prefix|>", "<|inner_suffix|>"},                   // Apertus
	{"<|thought_start|>", "<|thought_end|>"},                   // MiniCPM
	{"<|channel>thought", "<channel|>"},                        // Gemma
	{"<unused94>thought", "<unused95>"},                        // MedGemma
	{"<|begin_of_thought|>", "<|end_of_thought|>"},             // OpenThinker, Sky-T1
	{"here are my reasoning steps:", "[begin final response]"}, // Apriel
	{"here is my thought process:", "here is my response:"},    // Granite
	{"here's my thought process:", "here's my response:"},      // Granite
	{"<antthinking>", "</antthinking>"},                        // Claude
	{"<think_fast>", "</think_fast>"},                          // K2
	{"<think_faster>", "</think_faster>"},                      // K2
	{"<thoughts>", "</thoughts>"},                              // prompted
	{"<cot>", "</cot>"},                                        // prompted
}

// thoughtMarker matches any of them.
var thoughtMarker = func() *regexp.Regexp {
	var list []string
	for _, m := range thoughts {
		list = append(list, regexp.QuoteMeta(m.opener), regexp.QuoteMeta(m.closer))
	}
	return regexp.MustCompile("(?i)" + strings.Join(list, "|"))
}()

// answer is what a reply says once its thoughts are taken out: the text before
// the last thought, and the text after it, which starts at byte from of the
// reply.
type answer struct {
	before, after string
	from          int
}

// withoutThoughts takes the thoughts out of a reply. A thought ends at its first
// closing marker. A reply may begin inside a thought, because some templates
// write the opening marker themselves. It is an error if a thought does not
// end, or if markers do not pair up in any of these ways.
func withoutThoughts(reply string) (answer, error) {
	if a, ok, err := channels(reply); ok || err != nil {
		return a, err
	}
	var before strings.Builder
	from, closer, pairs := 0, "", 0
	for _, at := range thoughtMarker.FindAllStringIndex(reply, -1) {
		marker := strings.ToLower(reply[at[0]:at[1]])
		switch opened := closerOf(marker); {
		case closer != "": // inside a thought
			if marker == closer {
				from, closer = at[1], ""
			}
		case opened != "":
			before.WriteString(reply[from:at[0]] + "\n\n") // a thought parts what stands around it
			closer = opened
			pairs++
		case strings.HasPrefix(marker, "here"): // words, which no template writes
		case pairs == 0 && from == 0: // the template wrote the opening marker
			from = at[1]
			pairs++
		default:
			return answer{}, fmt.Errorf("%q closes a thought that is not open", reply[at[0]:at[1]])
		}
	}
	if closer != "" {
		return answer{}, errors.New("the reply ends inside its thought")
	}
	return answer{before.String(), reply[from:], from}, nil
}

func closerOf(marker string) string {
	for _, m := range thoughts {
		if m.opener == marker {
			return m.closer
		}
	}
	return ""
}

// The markers of OpenAI's harmony format, in which gpt-oss models reply.
const (
	channelMark = "<|channel|>"
	messageMark = "<|message|>"
	startMark   = "<|start|>"
)

// channels reads a reply in the harmony format, in which the answer is the
// message of the one channel "final"; ok is false for any other reply. Some
// servers drop the special tokens and leave "analysis…assistantfinal…".
func channels(reply string) (a answer, ok bool, err error) {
	text := strings.TrimSpace(reply)
	bare := strings.HasPrefix(text, "analysis") || strings.HasPrefix(text, "commentary") ||
		strings.HasPrefix(text, "assistantfinal")
	if bare && strings.Contains(text, "assistantfinal") {
		from := strings.Index(reply, "assistantfinal") + len("assistantfinal")
		return answer{"", reply[from:], from}, true, nil
	}
	// Anywhere else a marker is a quotation.
	first := strings.Index(reply, channelMark)
	if first < 0 || !strings.HasPrefix(text, channelMark) && !strings.HasPrefix(text, startMark) &&
		!strings.HasPrefix(text, "assistant"+channelMark) &&
		!strings.HasSuffix(reply[:first], "<|end|>"+startMark+"assistant") {
		return answer{}, false, nil
	}
	finals := 0
	for at := first; at >= 0; {
		name, _, isMessage := strings.Cut(reply[at+len(channelMark):], messageMark)
		if !isMessage {
			return answer{}, false, errors.New("a channel without a message")
		}
		from := at + len(channelMark) + len(name) + len(messageMark)
		next := strings.Index(reply[from:], channelMark)
		if strings.HasPrefix(strings.TrimSpace(name), "final") {
			finals++
			a = answer{"", reply[from:], from}
		}
		if at = next; next >= 0 {
			at += from
		}
	}
	if finals != 1 {
		return answer{}, false, fmt.Errorf("%d final messages", finals)
	}
	return a, true, nil
}

// ends are special tokens that a server may leave at the end of a reply.
var ends = []string{
	"<|return|>", "<|end|>", "<|im_end|>", "<|eot_id|>", "<|eot|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>",
	"<|END_OF_TURN_TOKEN|>", "<end_of_turn>", "<eos>", "</s>", "[/INST]",
	"<｜end▁of▁sentence｜>", "<turn|>", "[END FINAL RESPONSE]",
}

// wrappers are tags that some models put around the answer that follows a
// thought.
var wrappers = []struct{ opener, closer string }{
	{"<answer>", "</answer>"},                        // Hunyuan
	{"<response>", "</response>"},                    // ERNIE
	{"<output>", "</output>"},                        // prompted
	{"<result>", "</result>"},                        // prompted
	{"<json>", "</json>"},                            // prompted
	{"<|START_RESPONSE|>", "<|END_RESPONSE|>"},       // Cohere
	{"<|begin_of_box|>", "<|end_of_box|>"},           // GLM
	{"<|begin_of_solution|>", "<|end_of_solution|>"}, // OpenThinker, Sky-T1
}

// unwrapped returns where in text the answer stands, without white space, ends
// and wrappers.
func unwrapped(text string) (from, to int) {
	to = len(text)
	for {
		inner := strings.TrimLeft(text[from:to], space)
		from = to - len(inner)
		inner = strings.TrimRight(inner, space)
		to = from + len(inner)
		was := to - from
		for _, e := range ends {
			if strings.HasSuffix(text[from:to], e) {
				to -= len(e)
			}
		}
		for _, w := range wrappers {
			inner := text[from:to]
			if len(inner) >= len(w.opener)+len(w.closer) && strings.EqualFold(inner[:len(w.opener)], w.opener) &&
				strings.EqualFold(inner[len(inner)-len(w.closer):], w.closer) {
				from, to = from+len(w.opener), to-len(w.closer)
			}
		}
		if to-from == was {
			return from, to
		}
	}
}

const space = " \t\r\n\v\f\u00a0\ufeff\u200b"
