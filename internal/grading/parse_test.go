package grading

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	hundred, ten, five := Task{Min: 0, Max: 100}, Task{Min: 0, Max: 10}, Task{Min: 1, Max: 5}
	const repaired, refused = true, false
	tests := []struct {
		scale    Task
		reply    string
		want     int // unless refused
		ok       bool
		repaired bool
		reason   string
	}{
		{hundred, `{"reason":"fine","score":85}`, 85, true, false, "the form asked for"},
		{hundred, " \n{\"score\" : 0 , \"reason\" : \"\"}\n", 0, true, false, "white space and order do not matter"},
		{hundred, `{"reason":"x","score":100}`, 100, true, false, "the upper end"},
		{hundred, `{"reason":"x","score":1}`, 1, true, false, "1 on a scale to 100 is 1"},
		{ten, `{"reason":"x","score":1}`, 1, true, false, "1 on a scale to 10 is a tenth, not the best"},
		{five, `{"reason":"x","score":1}`, 1, true, false, "1 on a scale from 1 is the worst"},
		{five, `{"reason":"x","score":5}`, 5, true, false, "the best of 5"},
		{five, `{"reason":"x","score":0}`, 0, refused, false, "0 is below a scale from 1"},
		{ten, `{"reason":"x","score":85}`, 0, refused, false, "85 is not 8.5 of 10"},
		{hundred, `{"reason":"x","score":85.0}`, 85, true, false, "85.0 is a whole number"},
		{hundred, `{"reason":"x","score":8.5e1}`, 85, true, false, "so is 8.5e1"},
		{hundred, `{"reason":"give {\"score\": 100}","score":3}`, 3, true, false, "a number in the reason is no score"},
		{hundred, `{"reason":"x","score":101}`, 0, refused, false, "above the scale"},
		{hundred, `{"reason":"x","score":-1}`, 0, refused, false, "below the scale"},
		{hundred, `{"reason":"x","score":1e309}`, 0, refused, false, "beyond float64"},
		{hundred, `{"reason":"x","score":8.5}`, 0, refused, false, "not whole"},
		{hundred, `{"reason":"x","score":"85"}`, 0, refused, false, "a string"},
		{hundred, `{"reason":"x","score":null}`, 0, refused, false, "null"},
		{hundred, `{"reason":"x","score":true}`, 0, refused, false, "a boolean"},
		{hundred, `{"reason":"x","score":[85]}`, 0, refused, false, "an array"},
		{hundred, `{"reason":"x","score":{"v":85}}`, 0, refused, false, "an object"},
		{hundred, `{"reason":"x","score":NaN}`, 0, refused, false, "NaN is not JSON"},
		{hundred, `{"reason":"x","score":Infinity}`, 0, refused, false, "nor is Infinity"},
		{hundred, `{"reason":"x"}`, 0, refused, false, "score is missing"},
		{hundred, `{"reason":7,"score":85}`, 0, refused, false, "reason is no string"},
		{hundred, `{"reason":null,"score":85}`, 0, refused, false, "reason is null"},
		{hundred, `{"reason":"x","score":85,"extra":1}`, 0, refused, false, "an unknown key"},
		{hundred, `{"reason":"x","Score":85}`, 0, refused, false, "keys are exact"},
		{hundred, `{"reason":"x","score":10,"score":100}`, 0, refused, false, "a key twice"},
		{hundred, `{"reason":"x","reason":"y","score":10}`, 0, refused, false, "a key twice"},
		{hundred, `{"reason":"x","score":85`, 0, refused, false, "torn"},
		{hundred, `{"reason":"x","score":85,}`, 0, refused, false, "a trailing comma"},
		{hundred, `{reason:"x",score:85}`, 0, refused, false, "keys without quotes"},
		{hundred, ``, 0, refused, false, "empty"},
		{hundred, `null`, 0, refused, false, "null"},

		{hundred, `{"score":85}`, 85, true, repaired, "the reason is missing, the score is clear"},
		{hundred, `Evaluation: {"reason":"a } and { in it","score":85}`, 85, true, repaired, "braces inside a string"},
		{hundred, `"{\"reason\":\"x\",\"score\":85}"`, 85, true, repaired, "the object as a JSON string"},
		{hundred, "```json\n{\"reason\":\"x\",\"score\":85}\n```", 85, true, repaired, "a code fence"},
		{hundred, `{"a":1} {"reason":"x","score":1}`, 0, refused, false, "another object before it"},
		{hundred, "{\"reason\":\"x\",\"score\":101}\nScore: 85", 0, refused, false,
			"an object that is wrong is not talked over"},
		{hundred, `Score: {"reason":"x","score":`, 0, refused, false, "torn inside text"},
		{ten, `8/10`, 8, true, repaired, "a number of its scale"},
		{ten, `8 / 10.`, 8, true, repaired, "with spaces and a full stop"},
		{five, `4/5`, 4, true, repaired, "the end of the scale is 5"},
		{five, `8/10`, 0, refused, false, "another scale than the declared one is not converted"},
		{hundred, `8/10`, 0, refused, false, "nor on a scale to 100"},
		{ten, `**Score:** 8`, 8, true, repaired, "markup"},
		{ten, "It is good.\n\n**Score: 8/10**\n", 8, true, repaired, "on a line of its own"},
		{ten, "## Final rating = 8", 8, true, repaired, "a name that says what it is"},
		{ten, "1", 1, true, repaired, "1 on a scale to 10 is a tenth"},
		{hundred, `85`, 85, true, repaired, "nothing but the number"},
		{ten, `8.5`, 0, refused, false, "not whole"},
		{ten, `-3`, 0, refused, false, "negative"},
		{ten, `Score: -3`, 0, refused, false, "negative, named"},
		{ten, `Score -3`, 0, refused, false, "a sign is no dash: it may be negative"},
		{ten, `Score - 3`, 3, true, repaired, "a dash between name and number"},
		{ten, `Score 1*0`, 0, refused, false, "marks within a number do not make 10 of it"},
		{hundred, `8_5`, 0, refused, false, "nor 85"},
		{ten, `NaN`, 0, refused, false, "no number"},
		{ten, `Score: NaN`, 0, refused, false, "no number, named"},
		{ten, `1e309`, 0, refused, false, "beyond float64"},
		{ten, "8\n9", 0, refused, false, "two numbers without a name"},
		{ten, "Score: 8 or 9", 0, refused, false, "two numbers on a line"},
		{ten, `Score: 80%`, 0, refused, false, "a share is no number of a scale to 10"},
		{five, `Score (1-5): 4`, 4, true, repaired, "the scale beside the name"},
		{five, `Score (0-5): 4`, 0, refused, false, "another scale beside the name"},
		{five, `Score [1–5]: 4/5`, 4, true, repaired, "the scale twice"},
		{ten, `Score (0-100): 8`, 0, refused, false, "nor to 100"},
		{ten, `Rating: [[8]]`, 8, true, repaired, "MT-Bench's brackets"},
		{ten, `Rating: [[85]]`, 0, refused, false, "not on the scale"},
		{ten, "I would give it 8 of 10 points.", 0, refused, false, "no number is taken out of a sentence"},
		{ten, "It is good.", 0, refused, false, "no score at all"},
	}
	for _, tt := range tests {
		tt.scale.Fields = []string{"score"}
		got, repaired, err := tt.scale.parse(tt.reply)
		if (err == nil) != tt.ok || tt.ok && (len(got) != 1 || got[0] != tt.want || repaired != tt.repaired) ||
			!tt.ok && got != nil {
			t.Errorf("%s: %s: got %v, repaired %v, error %v, want %v", tt.reason, tt.reply, got, repaired, err, tt.want)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%s: the refusal gives no reason", tt.reason)
		}
	}
	three := task(t, "score", "lower", "upper")
	if got, _, err := three.parse(`{"reason":"x","upper":90,"lower":40,"score":70}`); err != nil ||
		!cmp.Equal(got, []int{70, 40, 90}) {
		t.Errorf("fields come in the task's order, whatever the reply's: %v, %v", got, err)
	}
	for _, reply := range []string{`{"reason":"x","lower":40,"score":70}`, "Score: 70"} {
		if _, _, err := three.parse(reply); err == nil {
			t.Errorf("%s: a missing bound is an error", reply)
		}
	}
}

// FuzzParse: a reply is refused with a reason and no value, or it ends in one
// whole number on the scale: whatever is added to it, even another grade, makes
// it a reply that is refused. Not repaired, it is one JSON object that has, as
// encoding/json reads it, exactly the fields asked for.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"reason":"x","score":85}`, `{"reason":"x","score":8.5e1}`, `{"reason":"x","score":101}`, `{"score":1,"score":2}`,
		`{"reason":"x","score":85} {}`, "```json\n{}\n```", `{"reason":"\ud800","score":-0}`, `{`, ``, "**Score:** 8",
		"8/100", "Score: 1\nScore: 2", `"{\"score\":1}"`,
	} {
		f.Add(s)
	}
	for _, r := range slices.Concat(replies, moreReplies) {
		f.Add(r.reply)
	}
	tk := task(f, "score")
	f.Fuzz(func(t *testing.T, reply string) {
		got, repaired, err := tk.parse(reply)
		if err != nil {
			if got != nil || repaired || err.Error() == "" {
				t.Error("a refused reply gave a value, or no reason")
			}
			return
		}
		if len(got) != 1 || got[0] < 0 || got[0] > 100 {
			t.Fatalf("%q was read as %v", reply, got)
		}
		for _, more := range []string{" or so", "\nScore: 1", "\n" + `{"reason":"x","score":1}`, "\n" + reply} {
			if again, _, err := tk.parse(reply + more); err == nil {
				t.Errorf("%q was read as %v, and with %q after it as %v", reply, got, more, again)
			}
		}
		if repaired {
			return
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(reply), &object); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		_, isText := object["reason"].(string)
		if len(object) != 2 || !isText || object["score"] != float64(got[0]) {
			t.Errorf("%q was read as %v", reply, got)
		}
	})
}
