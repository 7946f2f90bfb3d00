package grading

import "strings"

// ending is how a reply ended.
type ending int

const (
	endedOtherwise ending = iota // an error, a call of a tool, or a word that is not in the table
	endedItself
	endedCut
	endedFiltered
	endedRefused
	endedUnsaid // the server does not say: only an object shows that it is whole
)

// endings are the finish reasons of services, in lower case.
var endings = map[string]ending{
	"stop": endedItself, "stop_sequence": endedItself, "end": endedItself, "end_turn": endedItself,
	"eos": endedItself, "eos_token": endedItself, "complete": endedItself, "completed": endedItself,
	"length": endedCut, "max_tokens": endedCut, "max_length": endedCut, "max_output_tokens": endedCut,
	"model_length": endedCut, "model_context_window_exceeded": endedCut, "token_limit": endedCut,
	"content_filter": endedFiltered, "content_filtered": endedFiltered, "guardrail_intervened": endedFiltered,
	"safety": endedFiltered, "recitation": endedFiltered, "blocklist": endedFiltered,
	"prohibited_content": endedFiltered, "spii": endedFiltered, "sensitive": endedFiltered,
	"refusal": endedRefused,
	"":        endedUnsaid,
}

func endingOf(finishReason string) ending { return endings[strings.ToLower(finishReason)] }
