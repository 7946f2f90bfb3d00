package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
)

// TestFilesFromTheField reads files of the kinds that people report. What is right for each
// is what somebody expects who has the file and pays for what is read: all of its prompts as
// they are, or a refusal that names the cause and does not send them after another.
func TestFilesFromTheField(t *testing.T) {
	const twelve = 12 // prompts of the usual file
	cases := []struct {
		file    string
		prompts int
		first   string // a prompt among them, roles before turns where there are several
		words   string // of the refusal, or of what was dropped
		reason  string
	}{
		{"ok.jsonl", twelve, "Why is the sky blue?", "", "the plain file that the others vary"},
		{"crlf.jsonl", twelve, "Why is the sky blue?", "", "line ends of Windows"},
		{"cr_only.jsonl", twelve, "Why is the sky blue?", "", "line ends of an old Mac: white space to JSON"},
		{"bom.jsonl", twelve, "How tall is a giraffe?", "", "Excel's mark is no part of the first row"},
		{"array_pretty.json", twelve, "Why is the sky blue?", "", "an array, indented"},
		{"multi.jsonl.gz", twelve, "Why is the sky blue?", "", "members joined with cat, as gzip reads them"},
		{"ok.jsonl.gz", twelve, "Why is the sky blue?", "", "gzip"},
		{"ok.jsonl.zst", twelve, "Why is the sky blue?", "", "zstd, which the hub ships"},
		{"gz_zero_pad.jsonl.gz", twelve, "Why is the sky blue?", "", "zeros after the end, which gzip passes over"},
		{"gz_gz.jsonl.gz", twelve, "Why is the sky blue?", "", "compressed twice: nothing else than the rows can be meant"},
		{"ok.jsonl.xz", 0, "", "xz-compressed", "named, with the tool that unpacks it"},
		{"ok.jsonl.bz2", 0, "", "bzip2-compressed", "the same"},
		{"ok.tar.gz", 0, "", "tar archive", "an archive may hold several files: the user picks one"},
		{"utf16le.jsonl", 0, "", "UTF-16", "named, not called bad JSON"},
		{"utf16be.jsonl", 0, "", "UTF-16", "the other order"},
		{"utf16.csv", 0, "", "UTF-16", "Excel's Unicode text"},
		{"utf16_nobom.jsonl", 0, "", "UTF-16 without a byte order mark", "told by its NUL bytes"},
		{"latin1.jsonl", 0, "", "not valid UTF-8: byte 32 is 0xf9", "a guess at the letters would be a replacement"},
		{"nul_raw.jsonl", 0, "", "a NUL byte inside", "JSON does not allow it"},
		{"nul_tail.jsonl", 0, "", "nul_tail.jsonl:13: NUL bytes", "rows may be lost with the end of the file"},
		{"nul_escape.jsonl", 4, "tail\x00end", "", "U+0000 is a character like others, and goes to the server as it is"},
		{
			"nan_meta.jsonl",
			0,
			"",
			"nan_meta.jsonl:4: NaN, which Python writes",
			"no JSON, and nobody knows what it should be",
		},
		{"inf_meta.jsonl", 0, "", "inf_meta.jsonl:4: -Infinity, which Python writes", "the same"},
		{"jsonl_trailing_comma.jsonl", 0, "", "comma after the object", "lines cut out of an array"},
		{"array_trailing_comma.json", 0, "", "comma before the array's end", "an array written by hand"},
		{"two_per_line.jsonl", 0, "", "two objects on one line", "a line break was lost"},
		{"concat_arrays.json", 0, "", "another array", "two files in one"},
		{"wrapped_data.json", 0, "", "does not end on its line", "the rows are inside an object, which the hint says"},
		{"dup_keys.jsonl", 0, "", `field "prompt" is there twice`, "readers differ in which one counts"},
		{"deep.jsonl", 0, "", `field "m" nests`, "it would be kept as metadata that few readers can read back"},
		{"prompt_number.jsonl", 0, "", `field "prompt" is no text: it is 42`, "42 was no prompt to the one who wrote it"},
		{"prompt_null_messages.jsonl", 1, "hello there?", "", "an empty list of messages says nothing against the prompt"},
		{"lone_surrogate.jsonl", 0, "", `half a surrogate pair, \ud83d`, "two such prompts would become one"},
		{"fffd40.jsonl", 40, "item 3 \ufffd and 21?", "", "U+FFFD itself is a character that a file may hold"},
		{"plain40.jsonl", 40, "item 3 x and 21?", "", "the same without it"},
		{"nfc_nfd.jsonl", 3, "cafe\u0301?", "", "other code points are other tokens: three prompts"},
		{"turkish.jsonl", 3, "STRASSE", "1 for duplicate text",
			"texts that differ in case alone are one prompt, a dotted capital I among them; ß and ss differ in letters"},

		{"bigint_ids.jsonl", twelve, "Why is the sky blue?", "", "ids beyond 2^53 keep their digits"},
		{"float_ids.jsonl", twelve, "Why is the sky blue?", "", "1.0 is the id 1, as pandas writes it"},
		{"exp_big_ids.jsonl", 0, "", "lost the last digits", "ids that went through a float are no longer distinct"},
		{"mixed_ids.jsonl", 0, "", `id "7" is on line 1 already`, "7 and \"7\" cannot be told apart in a file of records"},
		{"id_paths.jsonl", twelve, "Why is the sky blue?", "", "an id is a key and never a path: any text may be one"},

		{"ok.csv", twelve, "Why is the sky blue?", "", "commas and CRLF"},
		{"bom.csv", twelve, "Why is the sky blue?", "", "Excel's UTF-8"},
		{"single_col.csv", twelve, "Why is the sky blue?", "", "one column needs no comma"},
		{"newline_quote.csv", twelve, "line one\nline \"two\", and three", "", "line breaks and quotes inside cells"},
		{"cap_header.csv", twelve, "Why is the sky blue?", "", "Prompt is prompt"},
		{
			"space_header.csv",
			twelve,
			"Why is the sky blue?",
			"",
			"spaces after every comma are the writer's, not the cells'",
		},
		{"cr_only.csv", twelve, "Why is the sky blue?", "", "line ends of an old Mac, or of Excel for it"},
		{"comment.csv", twelve, "Why is the sky blue?", "", "a comment before the header"},
		{"formula_sep.csv", twelve, "Why is the sky blue?", "", "sep=, is a note to Excel"},
		{"semicolon.csv", twelve, "Why is the sky blue?", "", "Excel where the comma is decimal"},
		{"ok.tsv", twelve, "Why is the sky blue?", "", "tabs"},
		{"empty_prompt_nan.csv", 9, "Write a haiku on rain.", "3 for empty prompt",
			"nan is how a data frame spells a missing value, not something to ask a model"},
		{"backslash_quote.csv", 0, "", "quote after a backslash", "an escape that CSV does not have"},
		{"pyrepr_messages.csv", 0, "", "as Python prints it", "a list of a data frame, printed"},

		{"a140k_en.jsonl", 20, "What is 3 plus 9?", "", "the 140k set states languages as codes"},
		{"lang_codes.jsonl", twelve, "Why is the sky blue?", "", "en is English"},
		{"wildchat.jsonl", 8, "Name three rivers in Peru.", "4 for flagged by moderation", "toxic is WildChat's flag"},
		{"assistant_first.jsonl", twelve, "assistant: Hi, how can I help?\nuser: Why is the sky blue?", "",
			"what was said before the first question is its context"},
		{
			"system_conv.jsonl",
			twelve,
			"system: Answer as a pirate.\nuser: Why is the sky blue?",
			"",
			"so is a system prompt",
		},
		{"system_last_user.jsonl", twelve, "system: Be terse.\nuser: Why is the sky blue?", "", "the same in messages"},
		{"empty_assistant.jsonl", twelve, "user: Why is the sky blue?\nassistant: \nuser: and?", "",
			"a reply that was empty is a turn that can be held"},
		{"tool_turn_later.jsonl", 0, "", `what a tool said`, "the conversation had a tool that no policy here has"},
		{"toolcall_then_user.jsonl", 0, "", "call of a tool", "emptied of its call, the turn would lie about the context"},
		{"openai_ft_tools.jsonl", 0, "", "call of a tool", "the same in a file for fine-tuning"},
		{"developer_role.jsonl", 0, "", `role "developer"`, "whether it is a system prompt depends on the model"},
		{"parts_image.jsonl", 0, "", "12 for not only text", "the question is about a picture"},
		{"parts_text.jsonl", twelve, "How tall is a giraffe?", "", "parts are one text, with nothing between them"},
		{"parts_strings.jsonl", twelve, "Why is the sky blue?", "", "parts may be strings"},
		{"parts_input_text.jsonl", twelve, "Why is the sky blue?", "", "the name of a text part in OpenAI's responses"},
		{"parts_object.jsonl", twelve, "Why is the sky blue?", "", "ChatGPT's exports"},

		{
			"openai_ft.jsonl",
			twelve,
			"system: Be terse.\nuser: Why is the sky blue?",
			"",
			"the last turn is the reply to learn",
		},
		{"ultrafeedback_binarized.jsonl", twelve, "Why is the sky blue?", "", "messages hold the prompt and a reply"},
		{"alpaca_eval.json", twelve, "Why is the sky blue?", "", "the instruction is the prompt"},
		{"sharegpt.json", twelve, "Why is the sky blue?", "", "from human and gpt"},
		{"sharegpt_conversation.jsonl", twelve, "Why is the sky blue?", "", "the same under another name"},
		{"trl_prompt_list.jsonl", twelve, "Why is the sky blue?", "", "the prompt is a list of turns"},
		{"mtbench.jsonl", twelve, "Why is the sky blue?", "", "the first of the user's turns"},
		{"arena_hard.jsonl", twelve, "Why is the sky blue?", "", "turns as objects"},
		{"arena_hard2.jsonl", twelve, "Why is the sky blue?", "", "uid is the id"},
		{"inspect_input.jsonl", twelve, "Why is the sky blue?", "", "input is the prompt"},
		{"batch_api.jsonl", twelve, "Why is the sky blue?", "", "the request's messages are the prompt"},
		{"wsdm_plain.jsonl", twelve, "Why is the sky blue?", "", "the prompt is plain text, and no list"},
		{"rewardbench.jsonl", twelve, "Why is the sky blue?", "", "the prompt, with two answers"},
		{"helpsteer.jsonl", twelve, "Why is the sky blue?", "12 for duplicate text", "two answers to each prompt"},
	}
	dir := shareddata.File(t, "cases/data")
	listed := map[string]bool{}
	for _, c := range cases {
		listed[c.file] = true
		got, err := File(filepath.Join(dir, c.file)).Prompts(ReadOptions{ConversationLanguages: []string{"English"}})
		if c.prompts == 0 {
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("%s (%s): %v, want a refusal that says %q", c.file, c.reason, err, c.words)
			}
			var bad *LineError
			if strings.HasSuffix(c.file, "csv") && strings.Contains(err.Error(), "JSON lines") || !errors.As(err, &bad) &&
				!errors.Is(err, ErrNoPrompts) {
				t.Errorf("%s: %v, which sends the user after something else", c.file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s (%s): %v", c.file, c.reason, err)
			continue
		}
		found := false
		for _, p := range got.Prompts {
			found = found || shown(p) == c.first
		}
		dropped := strings.TrimPrefix(got.Attrition.summary(), "dropped ")
		if len(got.Prompts) != c.prompts || !found || dropped != c.words {
			t.Errorf("%s (%s): %d prompts, want %d with %q, dropped %q, want %q; the first is %q", c.file, c.reason,
				len(got.Prompts), c.prompts, c.first, dropped, c.words, shown(got.Prompts[0]))
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !listed[f.Name()] {
			t.Errorf("%s is in the folder, and nothing here says what is right for it", f.Name())
		}
	}
}

// shown is a prompt in one text.
func shown(p Prompt) string {
	if len(p.Messages) == 0 {
		return p.Text
	}
	var turns []string
	for _, m := range p.Messages {
		turns = append(turns, m.Role+": "+m.Content)
	}
	return strings.Join(turns, "\n")
}
