package grading

import (
	"regexp"
	"strconv"
	"strings"
)

// The pieces of which the phrases below are made. Words are matched whole and in
// any letter case.
const (
	digits = `[0-9]+(?:[.,][0-9]+)?`
	number = `(?:` + digits + `|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|` +
		`(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|` +
		`(?:a\s+)?hundred|full|half|top)`
	// graded is how a grader speaks of what it grades.
	graded = `(?:it|this|that|them|(?:the|this)\s+(?:response|answer|reply|text))`
	// granting are verbs that take a grade.
	granting = `(?:think|thought|give[sn]?|gave|giving|award(?:s|ed|ing)?|assign(?:s|ed|ing)?|say|` +
		`settle\s+(?:on|for|at)|deserves?|earns?|merits?|warrants?|gets?|receives?|worth|go(?:ing)?\s+with|` +
		`lean(?:ing)?\s+(?:to|towards?)|call\s+it|choose|chose|pick|picked|land(?:ed)?\s+(?:on|at)|` +
		`start(?:ing)?\s+(?:at|from)|somewhere|closer\s+to)` +
		`(?:\s+(?:it|about|around|only|just|at|most|least|no|more|than|an?)){0,4}`
	// uncounted is what may follow a number that does not count things, so that
	// "gets 20." names a grade and "gets 2 dates wrong" does not.
	uncounted = `(?:\s*(?:[^\s\pL0-9/%]|$)|` +
		`\s+(?:for|on|in|because|and|but|at|as|if|since|overall|points?|marks?)\b)`
)

// names are what a line may call its grade: other languages' words for a score, and those that only
// such a line has. With a number behind it, each of them names a verdict.
const names = `score|label|grade|rating|verdict|evaluation|assessment|` +
	`(?:gesamt)?(?:bewertung|note|wertung|punktzahl)|puntuaci[oó]n|puntaje|calificaci[oó]n|nota|` +
	`punteggio|voto|pontua[cç][aã]o|` +
	`(?:最终|综合|总体)?(?:评分|得分|分数|打分)|总分|總分|評分|評価|採点|点数|スコア|점수|평점|평가|оценка|балл|рейтинг|` +
	`ocena|cijfer|betyg|puan|skor|nilai|điểm|คะแนน|الدرجة|التقييم`

// naming are the phrases that name a score, a grade or a rating.
var naming = []*regexp.Regexp{
	word(`(?:sub)?scor(?:e|es|ed|ing)|(?:sub)?grad(?:e|es|ed|ings?)|ratings?|rated|verdicts?`),
	word(`(?:I|I['’]d|I['’]ll|would|will|to|can|must|shall|could|should|may)\s+(?:\pL+\s+)?rate|rate\s+` + graded),
	word(`label(?:l?ed)?\s*(?:[:=]|(?:is|of|as|it|at)\b)\s*\S*`),
	word(`marks?\s*(?:[:=]|out\s+of|of\s+[0-9])\s*\S*|mark\s+it|` + number + `\s+marks`),
	word(`(?:give[sn]?|gave|giving|award(?:s|ed|ing)?|assign(?:s|ed|ing)?)\s+` + graded + `\s+.*`),
	regexp.MustCompile(`(?i)\b` + granting + `\s+` + number + uncounted),
	word(`put\s+` + graded + `\s+at\s+\S*|` + number + `\s+stars?`),
	// A sentence that is hardly more than a number, and the part of a scale in which a grader places it.
	regexp.MustCompile(`(?im)(?:^|[.!?]\s+|\b(?:it['’]s|that['’]s|(?:it|this|that)\s+is|be)\s+)` +
		`an?\s+(?:\pL+\s+){0,2}` + number + `(?:\s+(?:for|from)\s+me)?\s*(?:[.!?,;]|$)`),
	regexp.MustCompile(`(?im)(?:^|[.!?,;]\s+)` +
		`(?:so|hence|thus|therefore|maybe|perhaps|at\s+best|at\s+most|out\s+of\s+(?:ten|10|100))[\s:,]+` + number +
		`\s*(?:[.!?]|$)`),
	regexp.MustCompile(`(?i)` + digits + `\s*(?:[-–]|to)\s*` + digits + `\s+(?:range|band|bracket)\b|` +
		`\b(?:range|band|bracket)\s+(?:of\s+)?` + digits + `|\bI\b[^.!?\n]*\bbetween\s+` + digits + `\s+and\s+` + digits),
	// A line that gives a number another name, a number alone on its line, an object of
	// the kind that is asked for, and an answer in tags.
	regexp.MustCompile(`(?im)^[^\pL0-9\n]*(?:(?:my|the|final|overall|total)\s+){0,3}(?:final|overall|total|quality|` +
		`evaluation|assessment|judge?ment|result|answer|points?|value|level)[^\pL0-9\n]*[:=][^\pL0-9\n]*` + digits +
		`(?:\s*/\s*[0-9]+)?[^\pL0-9\n]*$`),
	regexp.MustCompile(`(?m)^[^\pL0-9\n]*` + digits + `[^\pL0-9\n]*$`),
	regexp.MustCompile(`(?i)(?:^|[^\pL])(?:` + names + `)\s*(?:[:：=]|\s(?:is|ist|est|es|é|è)\s)\s*` + digits + uncounted),
	regexp.MustCompile(`(?i)"(?:reason|lower|upper|label)"\s*:`),
	regexp.MustCompile(`(?i)</?(?:answer|response|output|result|score|grade|rating|label)>`),
	// Score, grade and rating in other languages.
	regexp.MustCompile(`(?i)评分|得分|分数|打分|總分|总分|評分|評価|採点|点数|スコア|점수|평점|оценк|балл|рейтинг|` +
		`bewertung|punktzahl|puntuaci|puntaje|calificaci|punteggio|pontua|คะแนน|الدرجة|التقييم`),
	// and a grade that is granted in them.
	regexp.MustCompile(`(?i)(?:\bich\s+(?:ver)?gebe|\bje\s+(?:lui\s+)?(?:donne|mets|attribue)|` +
		`\b(?:le|lo)\s+doy|\bgli\s+do|\beu\s+dou|ставлю|даю)\s+(?:[\pL]+\s+){0,3}` + digits +
		`|[0-9]\s*(?:分|점)(?:[^\pL]|$)`),
}

func word(list string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:^|[^\pL])(?:` + list + `)(?:[^\pL]|$)`)
}

// fraction is a number of so many: "3/10", "12 out of 100", "12 of 100".
var fraction = regexp.MustCompile(`(?i)(?:^|[^0-9/.,])` + digits +
	`\s*(/|out\s+of|of)\s*([0-9]+|ten|a\s+hundred)` + uncounted)

// secondVerdict returns the first phrase of prose that names a score, a grade
// or a rating of its own, empty if there is none. top is the end of the scale.
func secondVerdict(prose string, top int) string {
	plain := markup.Replace(prose)
	for line := range strings.SplitSeq(plain, "\n") {
		if gradeLine.MatchString(named(strings.TrimSpace(line))) {
			return line // it would be read as a verdict if it were the last
		}
	}
	prose += "\n" + plain // "S*core*" is a score too
	for _, re := range naming {
		if m := re.FindString(prose); m != "" {
			return strings.TrimSpace(m)
		}
	}
	for _, m := range fraction.FindAllStringSubmatch(prose, -1) {
		of, weak := strings.ToLower(m[2]), strings.EqualFold(m[1], "of")
		if of == strconv.Itoa(top) || !weak && (of == "10" || of == "100" || of[0] > '9') {
			return strings.TrimSpace(m[0])
		}
	}
	return ""
}

// criterion is a line that gives a number to one side of a response: "Analysis: 60/100".
var criterion = regexp.MustCompile(`(?m)^[^\pL0-9\n]*(?:[0-9]{1,2}[.)]\s+)?[^\pL0-9\n]*\pL[^:：=\n]{0,40}[:：=]\s*` +
	digits + `(?:\s*/\s*[0-9]+)?[^\pL0-9\n]*$`)

// criterionToo is a line whose name could be that of another side, beside such lines.
var criterionToo = regexp.MustCompile(`(?i)^(?:evaluation|assessment|note|nota|nilai|评价|評価|평가)[^\pL]`)

// leadIn is a clause that introduces what follows as the grader's own verdict
// and says nothing else: "Here is my evaluation:", "Score:".
var leadIn = regexp.MustCompile(`(?i)^[\s*_#]*` +
	`(?:(?:okay|ok|sure|so|thus|therefore|hence|finally|overall|now|in\s+conclusion)[,.!]?\s+)*` +
	`(?:here(?:['’]s|\s+is)\s+|this\s+is\s+|below\s+is\s+)?(?:my\s+|the\s+|a\s+)?` +
	`(?:(?:final|overall|total|resulting|requested|required|quality|structured)\s+)*` +
	`(?:(score|grade|rating|label|verdict|evaluation|assessment|judge?ment|grading)|` +
	`json(?:\s+object)?|object|(?:final|my)\s+(?:answer|result|decision))` +
	`(?:\s+(?:for|of)\s+(?:the|this)\s+(?:response|answer|reply))?` +
	`(?:\s+(?:in|as)\s+(?:an?\s+|the\s+)?(?:(?:requested|required|given|specified)\s+)?` +
	`(?:json\s*)?(?:object|format|form)?)?` +
	`(?:\s+is|\s+as\s+follows)?[\s*_]*(:?)[\s*_]*$`)

// leadInAbroad is the same in other languages: "Hier ist meine Bewertung:", "评分如下：".
var leadInAbroad = regexp.MustCompile(`(?i)^[\s*_#]*(?:` +
	`(?:hier\s+ist\s+|hier\s+folgt\s+)?(?:meine\s+|die\s+)?(?:bewertung|beurteilung|einschätzung|punktzahl)|` +
	`(?:voici\s+)?(?:mon\s+|ma\s+|la\s+|l['’])?(?:évaluation|notation|note)|` +
	`(?:aquí\s+está\s+|esta\s+es\s+)?(?:mi\s+|la\s+)?(?:evaluación|puntuación|calificación)|` +
	`(?:以下是|这是)?(?:我的)?(?:评分|评价|评估|打分)(?:结果)?(?:如下)?` +
	`)(?:\s+(?:im|au|en)\s+(?:formato?\s+)?json[-\pL]*)?[\s*_]*([:：])[\s*_]*$`)

// lead is what a lead-in says: that there is one, that it ends in a colon, and that it names
// a grade. "The final answer:" does not, because that may be the response's.
type lead struct{ in, colon, grade bool }

func leads(line string) lead {
	if m := leadIn.FindStringSubmatch(line); m != nil {
		return lead{true, m[2] != "", m[1] != ""}
	}
	abroad := leadInAbroad.MatchString(line)
	return lead{abroad, abroad, abroad}
}

// clause is a line's last clause, after what stands before it.
var clause = regexp.MustCompile(`^(?s:(.*[.,;!?]\s+))?([^.,;!?\n]*)$`)

// splitLeadIn takes a lead-in off the end of prose.
func splitLeadIn(prose string) (rest string, l lead) {
	prose = strings.TrimRight(prose, space)
	at := strings.LastIndexByte(prose, '\n') + 1
	line := prose[at:]
	heading := strings.HasPrefix(line, "#") || strings.HasPrefix(line, "**") && strings.HasSuffix(line, "**")
	if l := leads(line); l.colon || l.in && (heading || !introduces(prose[:at])) {
		return prose[:at], l
	}
	if line == "json" { // a fence that was lost
		return prose[:at], lead{in: true}
	}
	if m := clause.FindStringSubmatch(line); m != nil && m[1] != "" {
		if l := leads(m[2]); l.colon {
			return prose[:at] + m[1], l
		}
	}
	return prose, lead{}
}

var (
	sentenceEnd = regexp.MustCompile("[.!?…。！？؟।][\"'”’)\\]*_`\\p{So}\\x{fe0f} ]*$")
	// ownLine is a line that is complete without a full stop: an item of a list,
	// a heading, a row of a table, a rule, or a name and what it stands for.
	ownLine = regexp.MustCompile(`^\s*(?:[-*+•]\s|[0-9]+[.)]\s|#|\||[-*_]{3,}\s*$|\*\*[^*]+\*\*\s*$|` +
		`[\pL ]{1,30}(?::\s+|：\s*)\S)`)
	fenceLine = regexp.MustCompile("(?m)^[ ]{0,3}(?:```|~~~)")
)

// introduces reports whether prose, which stands before a verdict, may be
// introducing a quotation: it ends in a colon, or in the middle of a sentence.
func introduces(prose string) bool {
	text := strings.TrimRight(prose, space)
	if text == "" {
		return false
	}
	line := text[strings.LastIndexByte(text, '\n')+1:]
	if !strings.Contains(prose[len(text):], "\n") { // the verdict is in the middle of a line
		return true
	}
	if !sentenceEnd.MatchString(text) && !ownLine.MatchString(line) && !ownLine.MatchString(markup.Replace(line)) {
		return true
	}
	text = strings.TrimRight(text, "*_ ")
	return strings.HasSuffix(text, ":") || strings.HasSuffix(text, "：")
}
