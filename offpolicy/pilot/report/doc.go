// Package report shows a pilot.Verdict to people and to programs. It decides
// nothing and measures nothing: every figure on the page is a field of the
// verdict, or a sum, a difference or an order of such fields.
//
// # The model
//
// A verdict is one value. It is rendered four ways, and all of them say the
// same:
//
//	report.json   for programs    JSON, and back again with Read
//	report.md     for a review    Markdown
//	report.html   for a person    HTML
//	(a terminal)  at the end      Text
//
// The last three share one intermediate form, in which every number has
// already become text; so $0.5312 in one of them cannot be $0.53 in another.
// The decision comes first, then the reasons, then every check in order of
// severity with the evidence that it rests on, and only then the figures: a
// reader who stops early has read what matters.
//
// # A page that needs nothing
//
// report.html is one file. It fetches nothing, runs no script, and forbids
// itself both by a content security policy. It follows the reader's light or
// dark setting, reflows to the width of a phone, and prints. While the run goes
// on it is written again from time to time, and shows more when it is loaded
// again. Plots are inline SVG whose horizontal positions are percentages: they
// stretch with the page while their text keeps its size.
//
// # Hostile text
//
// Prompts and responses are written by strangers and by models. In HTML they
// pass through html/template's contextual escaping; in Markdown they stand in
// fences longer than any run of backticks within; on a terminal every control
// character is spelled out, so that a response cannot move the cursor or
// retitle a window. Characters that reorder text are spelled out in all three;
// report.json alone keeps every character.
//
// # What is missing
//
// A value that could not be obtained is null in JSON and a dash (—) elsewhere;
// it is never 0, and it takes no place on an axis. [JSON] refuses a number that
// JSON cannot hold, and [Read] refuses a file in which a number is absent,
// naming the field in both cases.
package report
