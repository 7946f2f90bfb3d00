package record

import (
	"iter"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/byprompt"
)

// Join joins the records by prompt, with an empty text for every response that has one:
// texts stay where they are. See [dataset.JoinEach].
func (r *Records) Join(judge string, each func(dataset.Joined) error) (map[string]dataset.Scored, error) {
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
	unread := ""
	texts := r.Responses.Brief()
	prompts := byPrompt(r.Prompts, r.Prompts.row)
	responses := byPrompt(texts, func(i int) dataset.Response {
		row := texts.row(i)
		if row.Text != nil {
			row.Response.Text = &unread
		}
		return row.Response
	})
	rows := r.LogProbs.Brief()
	logProbs := byPrompt(rows, rows.row)
	labels, scores := byPrompt(r.Labels, r.Labels.row), byPrompt(r.Scores, r.Scores.row)
	return func(yield func(dataset.RunRecords) bool) {
		prompts, responses, logProbs, labels, scores := prompts, responses, logProbs, labels, scores
		var part dataset.RunRecords
		for id := range byprompt.Each(&prompts, &responses, &logProbs, &labels, &scores) {
			part.Prompts = prompts.Take(id, part.Prompts[:0])
			part.Responses = responses.Take(id, part.Responses[:0])
			part.LogProbs = logProbs.Take(id, part.LogProbs[:0])
			part.Labels, part.Scores = labels.Take(id, part.Labels[:0]), scores.Take(id, part.Scores[:0])
			if !yield(part) {
				return
			}
		}
	}
}

// byPrompt lists rows by prompt, as row reads them.
func byPrompt[T, R any](rows Rows[T], row func(int) R) byprompt.List[R] {
	return byprompt.Of(rows.n, func(i int) string { return rows.key(i).PromptID }, row)
}
