package providers

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// An answer that was paid for and cannot be used costs as much as a good one, so it is
// bought less often than a refusal is tried: a fault that a second answer does not
// cure is mostly in all of them.
const (
	wastedCall  = 3 // such answers to one call, and it is given up
	wastedInRow = 8 // such answers of a model, whatever the call: each further call is made once
)

// wasted reports an answer that was paid for, or may have been, and cannot be used. One
// that broke off on its way is none: the next one may arrive.
func wasted(e *Error) bool {
	if e.Status/100 != 2 || !e.Class.Retryable() || errors.Is(e, io.ErrUnexpectedEOF) {
		return false
	}
	if u := e.Usage; u != nil {
		return u.PromptTokens+u.CompletionTokens > 0
	}
	return e.Class == ClassBrokenReply
}

// inVain counts the wasted answers to an operation of a model since the last good one.
func (c *Client) inVain(k Call) *atomic.Int64 {
	n, _ := c.vain.LoadOrStore([2]string{k.Op, k.Model}, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// again reports whether a call with so many wasted answers, mine of its own and inRow of its
// model's, may be made again after e. If not, e says so.
func again(e *Error, mine int, inRow int64) bool {
	switch {
	case mine >= wastedCall:
		e.Hint = fmt.Sprintf("%d answers to this call were paid for and cannot be used: it is not bought again", mine)
	case inRow >= wastedInRow:
		e.Hint = fmt.Sprintf("the last %d answers of this model were paid for and cannot be used: none is bought twice "+
			"until one can be", inRow)
	default:
		return true
	}
	return false
}
