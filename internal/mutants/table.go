package main

// mutation is one deliberate defect: in file, old becomes new, and test has to
// fail for it.
type mutation struct {
	name     string
	file     string
	old, new string
	pkg      string // of the test; empty means the file's
	test     string
	reason   string // what is wrong with it
}

var mutations = []mutation{
	// The seam.
	{name: "seam one late", file: "teacherforce/strategy.go", test: "TestExact",
		old: "if at != len(p.ContextEcho.Tokens) || !p.prefixed() {", new: "at++\n\tif !p.prefixed() {",
		reason: "the response's first token is left out"},
	{name: "seam one early", file: "teacherforce/strategy.go", test: "TestExact",
		old: "return sum(p.JointEcho.Tokens[n:], n)", new: "return sum(p.JointEcho.Tokens[n-1:], n)",
		reason: "the context's last token counts"},
	{name: "count whatever the tokens", file: "teacherforce/pair.go", test: "TestExact",
		old: "if len(ctx) == 0 || len(ctx) > len(joint) {\n\t\treturn false", new: "if len(ctx) > 0 {\n\t\treturn true",
		reason: "slicing by count sums the wrong tokens where one spans the seam"},
	{name: "tokens not compared", file: "teacherforce/pair.go", test: "TestExact",
		old: "if tail[i].ID >= 0 && tail[i].ID != id {", new: "if false {",
		reason: "the text's tokens are not the sampled ones"},
	{name: "offsets are bytes", file: "teacherforce/echo.go", test: "TestExact",
		old: "if len(chars) != len(sent)+1 {", new: "if false {", reason: "servers count characters"},
	{name: "ambiguous pieces", file: "teacherforce/echo.go", test: "FuzzPlace",
		old: "if p.lo[i] != offset || p.hi[i] != offset {", new: "if p.lo[i] > offset || p.hi[i] < offset {",
		reason: "a piece of a character may lie elsewhere"},
	{name: "late characters cut anywhere", file: "teacherforce/late.go", test: "FuzzPlaceLate",
		old: "l.starts.add(cuts[i], cuts[i+spare])", new: "l.starts.add(cuts[i], cuts[i])",
		reason: "where a piece of a character ends is not known"},
	{name: "first token shown as nothing", file: "teacherforce/echo.go", test: "TestEchoWithAddedBOS",
		old: "first == \"\" && len(next) != utf8.RuneCountInString(next)", new: "next == \"?\"",
		reason: "it is an added token, or a piece of the text"},
	{name: "known context one short", file: "teacherforce/echo.go", test: "TestScoreKnown",
		old: "|| at != known.N || !known.Begins(e.ids())", new: "|| at < known.N || !known.Begins(e.ids())",
		reason: "the digest is of another context"},
	{name: "known context not compared", file: "teacherforce/echo.go", test: "TestScoreKnown",
		old: "|| !known.Begins(e.ids())", new: "", reason: "a context of as many tokens is not the same"},

	// Nulls and impossible values.
	{name: "null skipped", file: "teacherforce/pair.go", test: "TestScoreRefuses",
		old: "v := t.LogProb.OrNaN()\n\t\tif bad", new: "v := t.LogProb.OrNaN()\n\t\tif v != v " +
			"{\n\t\t\tcontinue\n\t\t}\n\t\tif bad", reason: "a half-scored response looks likelier"},
	{name: "null is zero", file: "providers/read_values.go", test: "TestNewFormat",
		old: "if string(v) == \"null\" {\n\t\treturn dataset.Float{}, true",
		new: "if string(v) == \"null\" {\n\t\treturn dataset.Known(0), true", reason: "an all-null response is certain"},
	{name: "positive accepted", file: "teacherforce/pair.go", test: "TestScoreRefuses",
		old: "case v > positiveSlack:", new: "case v > 1e9:", reason: "no probability exceeds 1"},
	{name: "zeros go unseen", file: "teacherforce/anomalies.go", test: "TestFaultyRowsAreFlagged",
		old: "flags = append(flags, FlagZero)\n", new: "\n", reason: "a server that answers 0 claims certainty"},
	{name: "context of zeros", file: "teacherforce/anomalies.go", test: "TestFlags",
		old: "if t.LogProb.OrNaN() != 0 {\n\t\t\treturn false",
		new: "if t.LogProb.OrNaN() != 0 || true {\n\t\t\treturn false", reason: "short responses of the same server"},
	{name: "suspects by size", file: "teacherforce/suspects.go", test: "TestSuspectsOfArena",
		old: "|| supported(values, i, byResponse[values[i].Response])", new: "",
		reason: "texts that are recited are certain, and right"},

	// BOS, end of turn, template.
	{name: "two BOS", file: "teacherforce/chat/template.go", test: "TestRender",
		old: "r.text.WriteString(t.f.BOS)", new: "r.text.WriteString(t.f.BOS + t.f.BOS)",
		reason: "a second one costs points"},
	{name: "second BOS accepted", file: "teacherforce/echo.go", test: "TestScoreRefuses",
		old: "if bos := t.BOS(); bos != \"\" || first != \"\"", new: "if bos := t.BOS(); false || false && first != \"\"",
		reason: "the server's own changes every log-prob after it"},
	{name: "no end of turn", file: "teacherforce/score.go", test: "TestEndOfTurnCountsIffEnded",
		old: "if r.Ended {", new: "if false {", reason: "the model emitted the token"},
	{name: "always an end of turn", file: "teacherforce/score.go", test: "TestEndOfTurnCountsIffEnded",
		old: "if r.Ended {", new: "if true {", reason: "a response that was cut never emitted it"},
	{name: "one newline after a header", file: "teacherforce/chat/families.go", test: "TestRender",
		old: "Before: \"<|header_start|>\" + role + \"<|header_end|>\\n\\n\"",
		new: "Before: \"<|header_start|>\" + role + \"<|header_end|>\\n\"", reason: "Llama's headers end in two"},
	{name: "no date block", file: "teacherforce/chat/families.go", test: "TestRender",
		old: "f.SystemRule = SystemAlways\n", new: "\n", reason: "Llama 3.1 has it without a system prompt, too"},
	{name: "a control in content", file: "teacherforce/chat/template.go", test: "TestEveryControlIsRefused",
		old: "if s.start < end && start < s.end {", new: "if s.start < end && start < s.end && s.turn == 0 {",
		reason: "it would become the token"},
	{name: "a control across a seam", file: "teacherforce/chat/template.go", test: "TestControlAcrossTheSeamOfContent",
		old: "if s.start < end && start < s.end {", new: "if s.start <= start && end <= s.end {",
		reason: "content and marker make it together"},
	{name: "wrong template", file: "teacherforce/probes.go", test: "TestCertify",
		old: "p := Probe{OK: mean <= templateLimit,", new: "p := Probe{OK: true,",
		reason: "another family's template gave -150.9 for -0.004"},
	{name: "order", file: "teacherforce/probes.go", test: "TestCertifySimulator",
		old: "p.OK = p.Value.OrNaN() <= p.Limit.OrNaN()\n\tp.Detail = fmt.Sprintf(\"noise of a token's",
		new: "p.OK = true\n\tp.Detail = fmt.Sprintf(\"noise of a token's", reason: "values depend on what was asked before"},
	{name: "company", file: "teacherforce/probes.go", test: "TestCertifyCompany",
		old: "dataset.Known(max(again, later, batched))", new: "dataset.Known(max(again, later))",
		reason: "values depend on what else is asked at once"},

	// The server's own rendering.
	{name: "rendering not compared", file: "teacherforce/conversation.go", test: "TestChat",
		old: "if len(got) >= len(want) && slices.Equal(got[:len(want)], want) {", new: "if len(got) >= len(want) {",
		reason: "a template that trims, or another one, scores another text"},
	{name: "conversation one early", file: "teacherforce/conversation.go", test: "TestExactOverChat",
		old: "return sum(p.ChatEcho.Tokens[n:len(want)], n)", new: "return sum(p.ChatEcho.Tokens[n-1:len(want)], n)",
		reason: "the context's last token counts"},
	{name: "conversation always open", file: "teacherforce/conversation.go", test: "TestChat",
		old: "Open: pair.EndOfTurn == \"\"", new: "Open: true", reason: "a response that ended has an end-of-turn token"},
	{name: "an alternative's log-prob", file: "providers/positions.go", test: "TestScoreChat",
		old: "out[i].ID, out[i].Text, out[i].LogProb = p[at].id, p[at].text, p[at].logProb\n",
		new: "for k, c := range p {\n\t\t\tif c.logProb.OrNaN() > p[at].logProb.OrNaN() {\n\t\t\t\tat = " +
			"k\n\t\t\t}\n\t\t}\n" +
			"\t\tout[i].ID, out[i].Text, out[i].LogProb = p[at].id, p[at].text, p[at].logProb\n",
		reason: "the likeliest token is not the one that stands there"},
	{name: "another context certified", file: "teacherforce/probes.go", test: "TestCertifyConversations",
		old: "p.OK = false\n\t\tp.Detail += \"; asked", new: "p.Detail += \"; asked",
		reason: "the server says itself that its template is another"},
	{name: "a template by its name", file: "offpolicy/pilot/config.go", test: "TestConversationsAndOwnTemplates",
		old: "own[t.Name()] = t.Hash()", new: "own[t.Name()] = t.Name()",
		reason: "records of two renderings would stand in one run"},

	// Policies.
	{name: "system prompt left out", file: "teacherforce/forcer.go", test: "TestRenderIsWhatIsGeneratedFrom",
		old: "if p.System != \"\" {", new: "if false {", reason: "policies that share a model become one"},
	{name: "clone shares the context", file: "teacherforce/score.go", test: "TestCalls",
		old: "key := contextKey{s.p.Name, s.p.Hash(),", new: "key := contextKey{\"\", s.p.Hash(),",
		reason: "the A/A test would compare a number with itself"},
	{name: "policies swapped", file: "offpolicy/pilot/internal/engine/logprobs.go", test: "TestRunGoesThroughAndResumes",
		old: "res, err = r.forcer.ScoreKnown(ctx, tag, policy, p, known, response)",
		new: "res, err = r.forcer.ScoreKnown(ctx, tag, p0, p, known, response)", reason: "every weight is 1"},
	{name: "another model's ids", file: "teacherforce/score.go", test: "TestPreferenceAndRecord",
		old: "if r.Model == model &&", new: "if", reason: "it has, for all we know, another tokenizer"},
	{name: "a strategy is believed", file: "teacherforce/decide.go", test: "TestStrategyIsChecked",
		old: "a := checked(s.Score(pair), pair)", new: "a := s.Score(pair)", reason: "+2 nats would be a weight"},
	{name: "raw passes for true", file: "teacherforce/decide.go", test: "TestDistribution",
		old: "Distribution: dataset.RawDistribution,", new: "Distribution: dataset.SamplingDistribution,",
		reason: "temperature and top-p are ignored"},
	{name: "raw ratios", file: "teacherforce/ratio.go", test: "TestLogRatio",
		old: "if side != \"\" {", new: "if false {", reason: "they are not importance weights"},
	{name: "a clone's own sampling", file: "teacherforce/tempered.go", test: "TestDistribution",
		old: "(r.By == p || shown)", new: "true",
		reason: "the A/A test would compare a number with itself"},
}
