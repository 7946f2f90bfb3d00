package record

import (
	"cmp"
	"iter"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// Join joins the records by prompt, with an empty text for every response that has one:
// texts stay where they are. See [dataset.JoinEach].
func (r *Records) Join(judge string, each func(dataset.Joined) error) (map[string]dataset.Scored, []dataset.Unjoined,
	error) {
	in := dataset.RunRecords{Logging: r.Logging().Policy.Name, Judge: judge}
	for _, a := range r.Arms {
		if a.Role != Logging {
			in.Targets = append(in.Targets, a.Policy.Name)
		}
	}
	return dataset.JoinEach(in, r.parts(), each)
}

// parts are the records prompt by prompt.
func (r *Records) parts() iter.Seq[dataset.RunRecords] {
	texts, rows := r.Responses.Brief(), r.LogProbs.Brief()
	ordered := [5][]int32{byPrompt(r.Prompts), byPrompt(texts), byPrompt(rows), byPrompt(r.Labels),
		byPrompt(r.Scores)}
	unread := ""
	return func(yield func(dataset.RunRecords) bool) {
		prompts, responses, logProbs := cursorOf(r.Prompts, ordered[0]), cursorOf(texts, ordered[1]),
			cursorOf(rows, ordered[2])
		labels, scores := cursorOf(r.Labels, ordered[3]), cursorOf(r.Scores, ordered[4])
		var part dataset.RunRecords
		for {
			id, more := "", false
			for _, next := range []func() (string, bool){prompts.next, responses.next, logProbs.next, labels.next,
				scores.next} {
				if of, ok := next(); ok && (!more || of < id) {
					id, more = of, true
				}
			}
			if !more {
				return
			}
			part.Prompts = prompts.take(id, part.Prompts[:0])
			part.Labels, part.Scores = labels.take(id, part.Labels[:0]), scores.take(id, part.Scores[:0])
			part.LogProbs, part.Responses = logProbs.take(id, part.LogProbs[:0]), part.Responses[:0]
			for _, row := range responses.take(id, nil) {
				if row.Text != nil {
					row.Response.Text = &unread
				}
				part.Responses = append(part.Responses, row.Response)
			}
			if !yield(part) {
				return
			}
		}
	}
}

// byPrompt are the places of rows by prompt, nil if they stand in that order.
func byPrompt[T any](rows Rows[T]) []int32 {
	last, inOrder := "", true
	for i := range rows.n {
		id := rows.key(i).PromptID
		last, inOrder = id, inOrder && last <= id
	}
	if inOrder {
		return nil
	}
	order := make([]int32, rows.n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		return cmp.Compare(rows.key(int(a)).PromptID, rows.key(int(b)).PromptID)
	})
	return order
}

// cursor goes through rows by prompt.
type cursor[T any] struct {
	rows  Rows[T]
	order []int32
	i     int
}

func cursorOf[T any](rows Rows[T], order []int32) cursor[T] { return cursor[T]{rows, order, 0} }

func (c *cursor[T]) place() int {
	if c.order == nil {
		return c.i
	}
	return int(c.order[c.i])
}

// next is the prompt of the next row.
func (c *cursor[T]) next() (string, bool) {
	if c.i == c.rows.n {
		return "", false
	}
	return c.rows.key(c.place()).PromptID, true
}

// take appends the rows of a prompt.
func (c *cursor[T]) take(id string, to []T) []T {
	for ; c.i < c.rows.n && c.rows.key(c.place()).PromptID == id; c.i++ {
		to = append(to, c.rows.row(c.place()))
	}
	return to
}
