package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

var (
	llama4, _ = chat.Lookup("llama4")
	controls  = llama4.Controls()
	listing   = []providers.Model{{ID: "toy", Serverless: true}}
)

// stream is the random numbers of one response: its own if it has a seed.
func stream(seed *int64) *rand.Rand {
	if seed == nil {
		return rand.New(rand.NewPCG(rand.Uint64(), 0))
	}
	return rand.New(rand.NewPCG(uint64(*seed), 0))
}

// sure is the probability of the next token; all others share the rest.
const sure = 0.98

// next is the token that follows ids: a letter, or the end of the turn.
func next(ids []int) int {
	h := fnv.New32a()
	fmt.Fprint(h, ids)
	if x := h.Sum32(); x%64 != 0 {
		return int("etaoin shrdlu. "[x%15])
	}
	return split(llama4.EndOfTurn())[0]
}

// split tokenizes a text: control tokens whole, the rest by bytes.
func split(text string) (ids []int) {
	for text != "" {
		id, n := int(text[0]), 1
		for i, c := range controls {
			if strings.HasPrefix(text, c) {
				id, n = 256+i, len(c)
			}
		}
		ids, text = append(ids, id), text[n:]
	}
	return ids
}

func spell(id int) string {
	if id < 256 {
		return string([]byte{byte(id)})
	}
	return controls[id-256]
}

// token is ids[i] with its log-prob after those before it.
func token(ids []int, i int) providers.Token {
	p := (1 - sure) / float64(255+len(controls))
	if ids[i] == next(ids[:i]) {
		p = sure
	}
	s, v := spell(ids[i]), math.Log(p)
	return providers.Token{Text: strings.ToValidUTF8(s, "\uFFFD"), Bytes: []byte(s), ID: ids[i], Offset: -1,
		LogProb: dataset.Known(v), Sampling: dataset.Known(v)}
}

// refuse is the error of a request that cannot be answered, nil if it can.
func refuse(ctx context.Context, op string, tag providers.Tag, model string, invalid error) error {
	e := &providers.Error{Op: op, Provider: "toy", Model: model, Tag: tag, Class: providers.ClassBadRequest, Err: invalid}
	switch err := ctx.Err(); {
	case invalid != nil:
		return e
	case err != nil:
		e.Class, e.Err = providers.ClassCanceled, err
		if err == context.DeadlineExceeded {
			e.Class = providers.ClassTimeout
		}
		return e
	case model != "toy":
		e.Class = providers.ClassModelNotFound
		return e
	}
	return nil
}
