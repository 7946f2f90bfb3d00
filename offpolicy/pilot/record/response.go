package record

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
)

// Response is a response without its text, token ids and usage, which stay on the disk: of the text
// it has what checks and an evaluation ask.
type Response struct {
	dataset.Response
	Text *Text // nil if the response failed
}

// Text is what there is to know of a text without reading it. Two texts are the same if theirs
// are equal.
type Text struct {
	Bytes, Characters int
	Blank             bool   // there is nothing but white space in it
	Sum               uint64 // the first bytes of its SHA-256
}

// textOf describes a text.
func textOf(text string) Text {
	h := sha256.Sum256([]byte(text))
	return Text{Bytes: len(text), Characters: utf8.RuneCountInString(text), Blank: strings.TrimSpace(text) == "",
		Sum: binary.BigEndian.Uint64(h[:8])}
}

// ResponseOf leaves the text, the lists of tokens and the usage of a response out.
func ResponseOf(row dataset.Response) Response {
	out := Response{Response: row}
	if row.Text != nil {
		text := textOf(*row.Text)
		out.Text = &text
	}
	out.Response.Text, out.TokenIDs, out.Sampling, out.Usage = nil, nil, nil, nil
	return out
}

// ResponseRows are responses as rows without their texts.
func ResponseRows(responses []dataset.Response) Rows[Response] {
	rows := make([]Response, len(responses))
	for i, row := range responses {
		rows[i] = ResponseOf(row)
	}
	return NewRows(rows, Response.Key)
}
