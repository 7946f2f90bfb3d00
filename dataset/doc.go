// Package dataset holds the records of an evaluation, their files, and the ways
// from raw conversations to prompts and from records to samples.
//
// # The model
//
// A run asks the same questions of several policies and writes down everything
// that came back. Each stage of it owns one kind of record: a [Prompt] is the
// context; a [Response] is what a policy answered; a [LogProb] is how likely the
// logging policy's response is under some policy; a [JudgeScore] is a cheap
// opinion of a response, an [OracleLabel] an expensive one. A [Sample] is the join of
// these on one logged prompt, and what an estimator reads.
//
// Three rules hold for every record.
//
// It is found by its [Key] (prompt, policy, draw) and never by its position, so
// that a row which is missing, late or out of order cannot lend its value to
// another.
//
// It holds a value or says why it has none, never both and never neither. A
// [Float] is a number or missing, and missing is null on disk. The zero Float is
// missing, and so is a key that is absent from a line, because the number 0 as a
// log-prob would mean certainty and as a score the worst. Only a [RecordError]
// explains a null.
//
// It has one spelling. Rows are sorted by key, map keys too, and floats are the
// shortest decimal that reads back: the same records are the same bytes.
//
// # The way in
//
// [ReadPrompts] turns Chatbot Arena rows, single conversations, CJE's files or
// plain prompts into prompts and accounts for every row that it drops. It
// recognises the form by its content, and whether it is stored as JSON lines, an
// array, CSV or any of these compressed. [SamplePrompts] then picks n by hash rank, so
// that a larger sample contains the smaller one whatever the order of the rows.
//
// A file larger than memory is a [Source]: [Source.Sample] reads it twice and holds
// only the sample. The module github.com/reweigh/reweigh/dataset/parquet makes a
// Source of a Parquet file.
//
// # Files
//
// A record file is JSON lines: one object a line, UTF-8. [ReadJSONL] streams
// one, [ReadFile] reads one whole, [WriteJSONL] writes one, and [WriteFile] puts
// any file in place by rename, so that a reader sees the old or the new file and
// nothing between. Files end complete or not at all: what a run writes while it
// goes belongs in the journal of
// [github.com/reweigh/reweigh/dataset/journal].
//
// # The join
//
// [Join] puts records together by key, as [Logs], and returns everything that did
// not join, with the reason. A log-prob keeps what it is of: [Scored] says it once a
// policy.
//
// # The way out
//
// Samples and fresh draws are in the layout that CJE (github.com/cimo-labs/cje)
// reads, and what its own tools wrote passes through without loss. Its loaders
// refuse a judge score that is null. [WriteFreshDraws] therefore keeps unscored
// draws in a folder of their own, which [ReadFreshDraws] reads and CJE does not; a
// sample without a score stays in samples.jsonl, for the sake of its log-probs, and
// is left out by CJE's loader with on_invalid="drop". [WriteSamplesCSV] writes
// samples as a table.
package dataset
