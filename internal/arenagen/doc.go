// Package arenagen makes conversations in the shape of Chatbot Arena's public
// data set (lmsys/chatbot_arena_conversations), so that a run, a test or a
// benchmark has rows to read without a download, a licence or a key.
//
// # The model
//
// A small grammar per language (text/*.txt) holds prompt templates grouped by
// kind (questions, code, word problems, role play, pasted text and so on), the
// words that fill their slots, follow-up questions and short answers. A row
// draws a language, a kind, a template and its fillers from a stream of its
// own, derived from the seed and the row's index: row i is the same whatever n
// is, so a longer data set starts with the shorter one.
//
// The defects of the real data are planted at known rates, because whoever
// reads Arena rows has to handle them: about 3% repeat an earlier prompt with
// other case or white space, 2-3% are flagged by moderation, 0.3% have an empty
// first turn, and a fifth is in another language than English. A few English
// prompts repeat by themselves, as short questions do.
//
// The text is written for this package. None of it is taken from the data set,
// and nothing here imitates the quality of any of the models it names.
package arenagen
