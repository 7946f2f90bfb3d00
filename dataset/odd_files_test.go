package dataset

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

// TestOddFilesOfPrompts are files that were read as something else, or refused with a wrong reason.
func TestOddFilesOfPrompts(t *testing.T) {
	const mark = "\ufeff"
	for _, c := range []struct{ in, want, reason string }{
		{mark + mark + "id,prompt\n1,a?\n2,b?\n", "1 a?, 2 b?", "two marks: the ids were lost"},
		{mark + mark + `{"id":"1","prompt":"a?"}`, "1 a?", "two marks before JSON lines"},
		{"id,prompt\n1,a?\nid,prompt\n2,b?\n", "in:3: the header stands here again",
			"two files joined: a prompt \"prompt\""},
		{"id,prompt\n1,a?\n" + mark + "id,prompt\n2,b?\n", "in:3: the header stands here again", "the same, with a mark"},
		{"id,prompt,,\n1,a?,,\n2,b?, ,\n", "1 a?, 2 b?", "empty columns, as spreadsheets leave"},
		{"id,prompt,,\n1,a?,,c\n", "in:2: cell 4 is in a column without a name", "a cell below no name"},
		{"| id | prompt |\n| --- | :-: |\n| 1 | a? |\n", "in:2: a line of dashes: the file is a table in Markdown",
			"Markdown"},
		{"{\"prompt\":{\"0\":\"a?\",\"1\":\"b?\"},\"id\":{\"0\":1,\"1\":2}}", "a whole table, by columns",
			"pandas by columns"},
		{`{"columns":["id","prompt"],"index":[0],"data":[["1","a?"]]}`, "a whole table, by columns", "pandas split"},
		{"\"Where is Fez, and why?\"\n\"b?\"\n", "a text where an object should be", "texts with commas, one a line"},
		{"// prompts\n{\"prompt\":\"a?\"}\n", "begins with a comment", "comments"},
		{"\x1e{\"prompt\":\"a?\"}\n", "a JSON text sequence", "a sequence"},
		{"\x78\x9c\xab\x56\x2a\x28", "zlib-compressed", "zlib without gzip's header"},
		{"id,prompt,toxic\n1,a?,TRUE\n2,b?,0\n", "2 b?", "a flag of plain prompts"},
		{`{"id":1,"prompt":"a?","flagged":true}` + "\n" + `{"id":2,"prompt":"b?","flagged":false}`, "2 b?", "the same, in JSON"},
	} {
		got, err := ReadPrompts(strings.NewReader(c.in), "in", ReadOptions{})
		var say string
		if err != nil {
			say = err.Error()
		} else {
			var all []string
			for _, p := range got.Prompts {
				all = append(all, p.ID+" "+p.Text)
			}
			say = strings.Join(all, ", ")
		}
		if err == nil && say != c.want || err != nil && !strings.Contains(say, c.want) {
			t.Errorf("%s: %s, want %s", c.reason, say, c.want)
		}
	}
}

// TestShortGarbageAfterGzip: what follows the data is an error however short it is, though
// the first bytes of a file are looked at several times.
func TestShortGarbageAfterGzip(t *testing.T) {
	for n := range 6 {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, "{\"prompt\":\"a?\"}\n")
		z.Close()
		b.WriteString(strings.Repeat("x", n))
		_, err := ReadPrompts(&b, "in.gz", ReadOptions{})
		if n == 0 && err != nil || n > 0 && (err == nil || !strings.Contains(err.Error(), "not gzip")) {
			t.Errorf("%d bytes after the data: %v", n, err)
		}
	}
}

// TestOddTables are tables in which a row was taken for a response that is none, or one
// policy for two.
func TestOddTables(t *testing.T) {
	rows := "prompt_id,label\n" + strings.Repeat("q,0.5\n", 3)
	for _, c := range []struct{ in, say, reason string }{
		{rows + "Average,0.5\n", `in:5: the row of "Average" seems to sum up the others`, "a row below the others"},
		{rows + "prompt_id,label\nr,0.5\n", "in:5: the header stands here again", "two files joined"},
		{"prompt_id,policy,label\n1,base,0\n1,new,1\n2,Base ,1\n", `in:4: the policy "Base" is "base" in rows before`,
			"a policy spelt in two ways"},
		{`{"prompt_id":["a","b"],"label":[0,1]}`, "a whole table, by columns", "columns"},
		{`{"columns":["prompt_id","label"],"index":[0],"data":[["a",1]]}`, "a whole table, by columns", "pandas split"},
		{"prompt_id,label,,\n1,0.5,,\n", "", "empty columns"},
		{"prompt_id,response,label\nmean,It is the average.,0.5\n", "", "a response about the mean"},
	} {
		src := Source{"in", func() (RowReader, error) { return NewRowReader(strings.NewReader(c.in), "in") }}
		_, err := ReadTable(src, TableOptions{})
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: %v, want %q", c.reason, err, c.say)
		}
	}
}
