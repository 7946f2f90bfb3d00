package report

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// badge answers one of the two questions that a pilot is run for, with a reason and
// with the command that follows from it.
type badge struct {
	Question string
	Answer   string
	Tone     string // pass, hold, fail or info
	Reason   string
	Do       string // what the command is for, or what to do if there is none
	Command  string // empty if there is none
	Next     bool   // whether this is the one to run now
}

func newBadges(v *pilot.Verdict) []badge {
	start, answer := startBadge(v), answerBadge(v)
	next := clean(v.Next.Command)
	for _, b := range []*badge{&answer, &start} { // the one that says more has the mark, if both name the command
		if next != "" && b.Command == next {
			b.Next = true
			break
		}
	}
	if start.Command != "" && start.Command == answer.Command {
		if start.Next = start.Next || answer.Next; start.Next {
			answer.Next = false
		}
		answer.Command, answer.Do = "", "By the same command."
	}
	switch first := "To start it"; {
	case answer.Next && answer.Tone == "hold" && strings.HasPrefix(start.Do, first):
		start.Do = first + " all the same" + start.Do[len(first):]
	case start.Next:
		answer.Do = strings.Replace(answer.Do, extension, "After that, to extend this run so:", 1)
	}
	return []badge{start, answer}
}

// startBadge says whether the full run may start.
func startBadge(v *pilot.Verdict) badge {
	b := badge{Question: "Can the full run start?", Command: clean(v.Next.Command), Tone: tone(v),
		Do: clean(record.Remedy{Do: v.Next.Do, Changes: v.Next.Changes}.String())}
	more := len(v.Reasons) - 1
	if len(v.Reasons) > 0 {
		b.Reason = cut(withoutKeys(clean(v.Reasons[0])), longestReason)
		if more > 0 {
			b.Reason += fmt.Sprintf(" (and %s below)", count(more)+" more")
		}
	}
	switch {
	case undecided(v):
		b.Answer, b.Reason = "Not decided yet", "The run is still going on. No check so far speaks against the full run."
	case v.Decision == record.GO && v.Run.Shard != nil:
		b.Answer, b.Tone = "Not decided yet", "info"
		b.Reason = "This is one part of the run, and no check of it speaks against the rest."
		return b
	case v.Decision == record.GO:
		b.Answer = "Yes"
		p := &v.Projection
		b.Reason = "No check speaks against it."
		if n := waived(v.Checks); n > 0 {
			b.Reason = fmt.Sprintf("No check speaks against it, but %s.",
				plural(n, "check that failed or held was waived", "checks that failed or held were waived"))
		}
		if p.Command == "" { // what is next is said of the whole run, as after a drill
			break
		}
		b.Command, b.Do = clean(p.Command), ""
		if p.Prompts > 0 {
			b.Do = "To start it, with " + plural(p.Prompts, "prompt", "prompts")
			if p.Missing() > 0 {
				b.Do = fmt.Sprintf("The input holds %s of its %s. To start those:", count(p.Held), count(p.Prompts))
				break
			}
			if more, ok := p.FurtherUSD.Get(); ok {
				b.Do += fmt.Sprintf(" (%s more)", price(more))
			}
			b.Do += stop(b.Command)
		}
	case v.Decision == record.HOLD:
		b.Answer = "Not until a person has looked"
	case v.Decision == record.NoGo:
		b.Answer = "No"
	default:
		b.Answer, b.Reason = "Not decided yet", "No check has been made."
	}
	if v.Decision != "" && !undecided(v) {
		b.Answer += " (" + clean(string(v.Decision)) + ")"
		if v.State == pilot.Running {
			b.Answer = "So far: " + b.Answer
		}
	}
	return b
}

// withoutKeys is a summary without the records that it lists behind a colon, whose keys
// are long and stand below, and with the last part of a model's path for the whole of it.
func withoutKeys(s string) string {
	if key := recordKey.FindStringIndex(s); key != nil {
		if at := strings.LastIndex(s[:key[0]], ": "); at > 0 && strings.Contains(s[:at], ": ") {
			s = s[:at]
		}
	}
	return modelPath.ReplaceAllString(s, "$1$2")
}

var (
	recordKey = regexp.MustCompile(`\S+/\S+/\d+`)
	modelPath = regexp.MustCompile(`(^|[\s(])(?:[\w.-]+/){2,}([\w.:-]*[A-Za-z][\w.:-]*)`)
)

// longestReason bounds the reason in a badge; the whole of it stands below.
const longestReason = 220

// answerBadge says whether the full run would give every policy's value.
func answerBadge(v *pilot.Verdict) badge {
	b := badge{Question: "Would it answer?", Tone: "info", Answer: "Not known yet"}
	p := &v.Projection
	within := "±" + number3(p.Resolution.OrNaN())
	switch {
	case v.Run.Shard != nil:
		b.Reason = "This takes all parts of the run."
		return b
	case v.State == pilot.Running:
		b.Reason = "This takes the whole sample."
		return b
	case v.Decision == record.NoGo:
		b.Reason = "The sample has to be right first: see the other box."
		return b
	case len(p.Questions) == 0:
		b.Reason = clean(p.Answer)
		if b.Reason == "" && len(p.Notes) > 0 {
			b.Reason = upperFirst(clean(p.Notes[0])) + "."
		}
		if b.Reason == "" {
			b.Reason = "The sample was not projected to the full run."
		}
		return b
	case p.Answered:
		b.Tone, b.Answer = "pass", "This sample answers already"
		b.Reason, b.Do = fmt.Sprintf("Every policy is known to %s or better.", within), "Nothing more need be run."
		return b
	}
	no, perhaps := p.Answering(record.OutlookNo), p.Answering(record.OutlookAtBest)
	b.Tone, b.Answer = "hold", "Not for every policy"
	switch {
	case len(no) == 0 && len(perhaps) == 0:
		b.Tone, b.Answer, b.Reason = "pass", "Yes", fmt.Sprintf("It should give every policy to %s or better.", within)
	case len(no) == len(p.Questions):
		b.Tone, b.Answer, b.Reason = "fail", "No", fmt.Sprintf("It would give no policy to %s.", within)
	default:
		b.Reason = fmt.Sprintf("The full run would give scores to %s %s.", within, clean(p.Gives()))
	}
	if d := p.Cheapest; d != nil {
		b.Command = clean(d.Command)
		b.Do = upperFirst(clean(d.Words(v.Run.Prompts)))
		if d.Labels > 0 {
			b.Do += ","
		}
		if b.Answer == "Yes" && d.Prompts < p.Prompts {
			b.Do += " would do so already"
		} else {
			b.Do += " would answer for all"
		}
		if usdMore, ok := d.USD.Get(); ok {
			b.Do += fmt.Sprintf(" (%s more)", price(usdMore))
		}
		b.Do += "."
		if b.Command != "" {
			b.Do += " " + extension
		}
	} else {
		b.Do = fmt.Sprintf("No run of up to %s is known to answer for all.", plural(p.Prompts, "prompt", "prompts"))
	}
	return b
}

// extension stands before the command that answers for all.
const extension = "To extend this run so:"

// stop ends what stands before a command, or a sentence without one.
func stop(command string) string {
	if command != "" {
		return ":"
	}
	return "."
}
