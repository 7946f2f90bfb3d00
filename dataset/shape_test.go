package dataset

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestShapes: a row of every shape, as its data set or tool writes it, and what a model would
// be asked.
func TestShapes(t *testing.T) {
	rows := []struct {
		row    string
		format string
		id     string
		want   string
		reason string
	}{
		{
			`{"question_id":"a1","conversation_a":[{"role":"user","content":"Where is Fez?"},{"role":"assistant","content":"Far"}],"conversation_b":[],"language":"English"}`,
			"chatbot_arena_conversations",
			"a1",
			"Where is Fez?",
			"Arena",
		},
		{`{"messages_a":[{"role":"user","content":"Where is Fez?"}],"messages_b":[],"winner":"tie"}`, "chatbot_arena_conversations", "",
			"Where is Fez?", "Search Arena"},
		{`{"id":1,"prompt":"[\"Where is Fez?\",null]","response_a":"[\"Far\"]","response_b":"[]"}`, "arena-human-preference-55k", "1",
			"Where is Fez?", "55k: the turns as text"},
		{`{"id":"w","prompt":"Where is Fez?","response_a":"Far","response_b":"Near","language":"English"}`, "arena-human-preference-55k",
			"w",
			"Where is Fez?", "WSDM Cup: the prompt as it is"},
		{`{"conversation_hash":"h1","conversation":[{"role":"user","content":"Where is Fez?","toxic":false},{"role":"assistant","content":"Far"}],"toxic":false,"language":"English"}`,
			"conversation", "h1", "Where is Fez?", "WildChat"},
		{`{"id":"s","system":"Be kind.","conversations":[{"from":"human","value":"Where is Fez?"},{"from":"gpt","value":"Far"}],"tools":""}`,
			"conversation", "s", "system: Be kind.\nuser: Where is Fez?", "ShareGPT with a system column"},
		{`{"conversations":[{"from":"system","value":""},{"from":"human","value":"Where is Fez?"}]}`, "conversation", "",
			"Where is Fez?", "an empty system turn is none"},
		{`{"source":"x","conversation":[{"input":"Where is Fez?","output":"Far"},{"input":"And Oran?","output":"East"}]}`,
			"conversation", "", "Where is Fez?", "Capybara: a question and its answer a turn"},
		{`{"prompt_id":"c","prompt":"Where is Fez?","response":"Far","judge_score":0.5}`, formatCJE, "c", "Where is Fez?",
			"CJE"},

		{
			`{"custom_id":"r","method":"POST","url":"/v1/responses","body":{"model":"m","instructions":"Be kind.","input":"Where is Fez?"}}`,
			"batch requests (OpenAI)",
			"r",
			"system: Be kind.\nuser: Where is Fez?",
			"a batch of responses",
		},
		{
			`{"custom_id":"r","params":{"model":"m","max_tokens":9,"system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":[{"type":"text","text":"Where is Fez?"}]}]}}`,
			"batch requests (Anthropic)",
			"r",
			"system: Be kind.\nuser: Where is Fez?",
			"a batch of messages",
		},
		{
			`{"recordId":"r","modelInput":{"anthropic_version":"x","messages":[{"role":"user","content":[{"text":"Where is Fez?"}]}]}}`,
			"batch requests (Bedrock)",
			"r",
			"Where is Fez?",
			"a batch of Bedrock's; its text parts have no type",
		},
		{
			`{"key":"r","request":{"contents":[{"role":"user","parts":[{"text":"Where "},{"text":"is Fez?"}]}],"system_instruction":{"parts":[{"text":"Be kind."}]}}}`,
			"batch requests (Gemini)",
			"r",
			"system: Be kind.\nuser: Where is Fez?",
			"a batch of Gemini's",
		},
		{
			`{"systemInstruction":{"role":"system","parts":[{"text":"Be kind."}]},"contents":[{"role":"user","parts":[{"text":"Where is Fez?"}]},{"role":"model","parts":[{"text":"Far"}]}]}`,
			"contents (Gemini)",
			"",
			"system: Be kind.\nuser: Where is Fez?",
			"tuning of Gemini's: the reply is the model's",
		},

		{`{"message_id":"o","parent_id":null,"text":"Where is Fez?","role":"prompter","lang":"en","message_tree_id":"o"}`,
			"oasst messages", "o", "Where is Fez?", "OpenAssistant, by message"},
		{
			`{"message_tree_id":"o","tree_state":"ready_for_export","prompt":{"message_id":"o","text":"Where is Fez?","role":"prompter","lang":"en","replies":[{"text":"Far"}]}}`,
			"oasst trees",
			"o",
			"Where is Fez?",
			"OpenAssistant, by tree",
		},

		{`{"prompt":"Where is Fez?"}`, "prompts", "", "Where is Fez?", "the least"},
		{`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"Where is Fez?"}]}`,
			"prompts", "", "user: Hi\nassistant: Hello\nuser: Where is Fez?", "messages that wait for a reply"},
		{`{"messages":[{"role":"user","content":"Where is Fez?"},{"role":"assistant","content":"Far"},{"role":"user","content":"And Oran?"},{"role":"assistant","content":"East"}],"source":"tulu"}`,
			"prompts", "", "Where is Fez?", "a conversation that is over: its first question, as of every conversation"},
		{`{"prompt":"And Oran?","messages":[{"role":"user","content":"Where is Fez?"},{"role":"assistant","content":"Far"},{"role":"user","content":"And Oran?"},{"role":"assistant","content":"East"}]}`,
			"prompts", "", "user: Where is Fez?\nassistant: Far\nuser: And Oran?",
			"the prompt beside it says which question"},
		{`{"system":"Be kind.","messages":[{"role":"user","content":"Where is Fez?"}]}`, "prompts", "",
			"system: Be kind.\nuser: Where is Fez?", "Anthropic's messages, the system prompt beside them"},
		{`{"system_prompt":"Be kind.","prompt":"Where is Fez?","completion":"Far"}`, "prompts", "",
			"system: Be kind.\nuser: Where is Fez?", "the same beside a prompt"},
		{
			`{"prompt":[{"role":"system","content":"Be kind."},{"role":"user","content":"Where is Fez?"}],"chosen":[],"rejected":[]}`,
			"prompts",
			"",
			"system: Be kind.\nuser: Where is Fez?",
			"TRL's list",
		},
		{`{"prompt":"[{\"role\": \"user\", \"content\": \"Where is Fez?\"}]"}`, "prompts", "", "Where is Fez?",
			"the same list as text, as a table holds it"},
		{`{"prompt":"[1, 2, 3]: what comes next?"}`, "prompts", "", "[1, 2, 3]: what comes next?",
			"a text with brackets"},
		{`{"prompt":"\n\nHuman: Where is Fez?\n\nAssistant: ","answers":[{"answer":"Far","rank":1}],"num_responses":7}`,
			"prompts", "", "Where is Fez?", "Nectar: a transcript that breaks off"},
		{
			`{"prompt":"\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Where is Fez?\n\nAssistant:","chosen":" Far","rejected":" No"}`,
			"prompts",
			"",
			"user: Hi\nassistant: Hello\nuser: Where is Fez?",
			"a longer one",
		},
		{`{"prompt":"Human: is that a role?"}`, "prompts", "", "Human: is that a role?", "a text that only begins so"},
		{`{"prompt":"Where is Fez?","response_0":"Far","response_1":"No","is_response_0_safe":true,"better_response_id":0}`,
			"prompts", "", "Where is Fez?", "PKU-SafeRLHF"},
		{`{"task_id":"H/0","prompt":"def f():\n","canonical_solution":"    pass\n"}`, "prompts", "H/0", "def f():\n",
			"HumanEval"},

		{`{"post_id":"p","domain":"d","history":"Where is Fez?","human_ref_A":"Far","human_ref_B":"No","labels":1}`, "shp",
			"p",
			"Where is Fez?", "SHP"},
		{`{"instruction":"Translate.","input":"Fez est loin.","output":"Fez is far."}`, "instructions", "",
			"Translate.\n\nFez est loin.", "Alpaca with an input"},
		{`{"instruction":"Where is Fez?","input":"","output":"Far","system":"Be kind.","history":[["Hi","Hello"]]}`,
			"instructions",
			"", "system: Be kind.\nuser: Hi\nassistant: Hello\nuser: Where is Fez?", "LLaMA-Factory's Alpaca"},
		{`{"instruction":"Where is it?","context":"Fez is in Morocco.","response":"There","category":"closed_qa"}`,
			"instructions",
			"", "Where is it?\n\nFez is in Morocco.", "Dolly"},
		{`{"id":"f.1","system_prompt":"Be kind.","question":"Where is Fez?","response":"Far"}`, "questions", "f.1",
			"system: Be kind.\nuser: Where is Fez?", "OpenOrca"},
		{`{"question":"Where is Fez?","answer":"Far"}`, "questions", "", "Where is Fez?", "GSM8K"},
		{`{"problem":"Where is Fez?","level":"Level 1","type":"Algebra","solution":"Far"}`, "questions", "",
			"Where is Fez?", "MATH"},
		{`{"query":"Where is Fez?","response":"Far"}`, "questions", "", "Where is Fez?", "MetaMath"},
		{`{"question_id":81,"category":"x","turns":["Where is Fez?","And Oran?"]}`, "turns", "81", "Where is Fez?",
			"MT-Bench"},
		{`{"question_id":"q","turns":[{"content":"Where is Fez?"}]}`, "turns", "q", "Where is Fez?", "Arena-Hard"},
		{`{"id":3,"input":[{"role":"system","content":"Be kind."},{"role":"user","content":"Where is Fez?"}],"ideal":"Far"}`,
			"inputs",
			"3", "system: Be kind.\nuser: Where is Fez?", "OpenAI's Evals"},
		{`{"chosen":"\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Where is Fez?\n\nAssistant: Far","rejected":"\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Where is Fez?\n\nAssistant: No"}`,
			"preferences", "", "user: Hi\nassistant: Hello\nuser: Where is Fez?", "HH-RLHF"},
		{`{"chosen":[{"role":"user","content":"Where is Fez?"},{"role":"assistant","content":"Far"}],"rejected":[{"role":"user","content":"Where is Fez?"},{"role":"assistant","content":"No"}],"score_chosen":2}`,
			"preferences", "", "Where is Fez?", "TRL's implicit prompt"},
		{`{"id":"0","data":["Where is Fez?","Far","And Oran?","East"]}`, "ultrachat", "0", "Where is Fez?", "UltraChat"},
		{
			`{"conv_id":"t","user_input":"Where is Fez?","model_output":"Far","toxicity":0,"jailbreaking":0,"openai_moderation":"[[\"hate\", 0.1]]"}`,
			"toxic-chat",
			"t",
			"Where is Fez?",
			"ToxicChat",
		},
	}
	seen := map[string]bool{}
	for _, row := range rows {
		got, err := ReadPrompts(strings.NewReader(row.row), "in.jsonl", ReadOptions{ConversationLanguages: []string{"en"}})
		if err != nil {
			t.Errorf("%s: %v", row.reason, err)
			continue
		}
		seen[got.Format] = true
		p := got.Prompts[0]
		if got.Format != row.format || shown(p) != row.want || row.id != "" && p.ID != row.id {
			t.Errorf("%s: %s %q is %q, want %s %q %q", row.reason, got.Format, p.ID, shown(p), row.format, row.id, row.want)
		}
		for name := range p.Metadata {
			if strings.Contains(name, "conversation_a") || name == "body" || name == "chosen" && row.format == "preferences" {
				t.Errorf("%s: field %s, which holds the prompt, is metadata too", row.reason, name)
			}
		}
	}
	for _, s := range shapes {
		if !seen[s.format] {
			t.Errorf("no row here is of the shape %s", s.format)
		}
	}
}

// TestShapesRefuse: what is close to a shape and holds no prompt, or one that would be cut.
func TestShapesRefuse(t *testing.T) {
	rows := []struct{ row, say, reason string }{
		{`{"text":"Fez is far."}`, "does not say where its prompt ends", "a text to train on"},
		{`{"question":"Where is Fez?","choices":["Far","Near"],"answer":0}`, "multiple choice", "MMLU"},
		{`{"id":"1","context":"Fez is far.","question":"Where is it?","answers":{"text":["far"]}}`,
			`asks about its "context"`, "SQuAD: the question is about a passage"},
		{`{"input":"Where is it?","context":"Fez is far.","answers":["far"],"length":3,"_id":"a"}`, `asks about its "context"`,
			"LongBench: to ask without the context would be another question"},
		{`{"question_id":1,"question":"Where is Fez?","options":["Far","Near"],"answer_index":0}`, "multiple choice", "MMLU-Pro"},
		{`{"response":"Far"}`, "a response, and no prompt", "replies alone"},
		{`{"custom_id":"r","response":{"status_code":200,"body":{"choices":[]}}}`, "a response, and no prompt",
			"the output of a batch"},
		{`{"chosen":"Far","rejected":"No"}`, "is an answer, and the row has no prompt", "answers alone"},
		{`{"chosen":[{"role":"assistant","content":"Far"}],"rejected":[{"role":"assistant","content":"No"}]}`,
			"no turn of a user",
			"the same as lists"},
		{`{"data":[{"prompt":"x"}]}`, `field "data" holds the rows`, "rows inside an object"},
		{`{"rows":[{"row":{"prompt":"x"}}]}`, `field "rows" holds the rows`, "the hub's viewer"},
		{`{"title":"x","mapping":{}}`, "tree of messages", "ChatGPT's export"},
		{`{"custom_id":"r","body":{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}}`,
			"declares tools", "a request with tools"},
		{`{"custom_id":"r","body":{"input":[{"role":"user","content":[{"type":"input_image"}]}]}}`, "not only text",
			"a picture"},
		{`{"custom_id":"r","body":{"model":"m","file":"x"}}`, `"body" has no messages or input or prompt`,
			"another endpoint's"},
		{`{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","name":"f"}]},{"role":"user","content":"y"}]}`,
			"use of a tool", "Anthropic's tool use"},
		{`{"messages":[{"role":"user","content":"x"},{"role":"assistant"},{"role":"user","content":"y"}]}`, "has no content",
			"a reply that is missing is not an empty one"},
		{`{"messages":[{"content":"x"}]}`, "no role", "a turn of nobody"},
		{`{"messages":"Where is Fez?"}`, "no JSON list", "a text for a list"},
		{`{"conversations":[{"from":"human","value":"x"},{"from":"observation","value":"7"}]}`, "what a tool said",
			"ShareGPT's tools"},
		{`{"system":"a","messages":[{"role":"system","content":"b"},{"role":"user","content":"x"}]}`,
			"another system prompt",
			"two system prompts"},
		{`{"prompt":"z","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`,
			"differs from every turn",
			"a prompt that is not in the messages"},
		{`{"prompt":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`, "the last turn must be the user's",
			"a prompt that ends with a reply"},
		{`{"prompt":{"text":"x"}}`, `field "prompt" is no text`, "a prompt that is an object"},
		{`{"prompt":"[{'role': 'user', 'content': 'x'}]"}`, "as Python prints it", "a list of a data frame"},
		{`{"prompt":"x","id":"a","id":"b"}`, `field "id" is there twice`, "two ids"},
		{`{"prompt":"x","note":1,"note":2}`, `field "note" is there twice`, "two values of one field"},
		{`{"conversation":[{"role":"user","content":"x"}],"toxic":"maybe"}`, `field "toxic"`, "a flag that is none"},
		{`{"prompt":"x","id":1e17}`, "lost the last digits", "an id from a float"},
		{`{'prompt': 'x'}`, "as Python prints it", "an object of Python's"},
		{`{"prompt":"x","ok":True}`, "as Python prints it", "a word of Python's"},
		{"{\"prompt\":\"x\ty\"}", `control character '\t'`, "a tab in a string"},
		{`{"prompt":"x",}`, "comma before '}'", "a comma too many"},
	}
	for _, row := range rows {
		_, err := ReadPrompts(strings.NewReader(row.row), "in.jsonl", ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), row.say) {
			t.Errorf("%s: %v, want %q", row.reason, err, row.say)
		}
	}
}

// TestRowsOfOnePrompt: SHP has a row a comparison, OpenAssistant one a message.
func TestRowsOfOnePrompt(t *testing.T) {
	shp := `{"post_id":"p","history":"Where is Fez?","human_ref_A":"a","human_ref_B":"b"}`
	other := strings.ReplaceAll(shp, `"a"`, `"c"`)
	reply := `{"message_id":"n","parent_id":"o","text":"Far","role":"assistant","lang":"en"}`
	ask := `{"message_id":"o","parent_id":null,"text":"Where is Fez?","role":"prompter","lang":"en"}`
	de := `{"message_id":"d","parent_id":null,"text":"Wo ist Fez?","role":"prompter","lang":"de"}`
	rows := []struct{ in, dropped, reason string }{
		{lines(shp, other), "dropped 1 for duplicate text", "two comparisons of one post"},
		{lines(ask, reply, de), "dropped 1 for goes on from another row, 1 for language", "a message and its reply"},
	}
	for _, row := range rows {
		got := ingest(t, row.in, ReadOptions{ConversationLanguages: []string{"English"}})
		if len(got.Prompts) != 1 || got.Prompts[0].Text != "Where is Fez?" || got.Attrition.summary() != row.dropped {
			t.Errorf("%s: %v, %s", row.reason, got.Prompts, got.Attrition.summary())
		}
	}
	clash := lines(shp, strings.ReplaceAll(shp, "Fez", "Oran"))
	if _, err := ReadPrompts(strings.NewReader(clash), "in.jsonl", ReadOptions{}); err == nil {
		t.Error("one id of two posts was accepted")
	}
}

func TestLanguageSpellings(t *testing.T) {
	for want, spellings := range map[string][]string{
		"en":        {"English", "english", "ENGLISH", "en", "EN", "en-US", "en_GB", "eng", "eng_Latn", "English (US)"},
		"de":        {"German", "de", "deu", "ger", "de-AT"},
		"zh":        {"Chinese", "zh", "zh-Hant", "zho", "cmn", "Chinese (Simplified)"},
		"unknown":   {"unknown", " Unknown "},
		"klingon x": {"Klingon x"},
	} {
		for _, s := range spellings {
			if got := canonicalLanguage(s); got != want {
				t.Errorf("%q is %q, want %q", s, got, want)
			}
		}
	}
	codes := map[string]bool{}
	for _, code := range languageCodes {
		codes[code] = true
	}
	if n := len(codes); n < 180 {
		t.Errorf("%d languages, of some 184 with a code of two letters: %v", n, slices.Sorted(maps.Keys(codes)))
	}
	// A conversation that states no language is kept by the default list and by no other.
	none := `{"conversation":[{"role":"user","content":"x"}]}`
	null := strings.Replace(none, "{", `{"language":null,`, 1)
	for _, row := range []struct {
		in   string
		opt  ReadOptions
		kept bool
	}{
		{none, ReadOptions{ConversationLanguages: []string{"en"}}, true},
		{null, ReadOptions{ConversationLanguages: []string{"en"}}, false},
		{none, ReadOptions{Languages: []string{"en"}}, false},
		{none, ReadOptions{}, true},
	} {
		if _, err := ReadPrompts(strings.NewReader(row.in), "in.jsonl", row.opt); (err == nil) != row.kept {
			t.Errorf("%s with %v: %v", row.in, row.opt, err)
		}
	}
}
