// Package jsonline reads JSON files strictly, and says on which line an error is.
package jsonline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Error adds to err, which encoding/json returned for b, the line that it is on: encoding/json reports an
// offset, and names types of Go.
func Error(b []byte, err error) error {
	var (
		syntax *json.SyntaxError
		typ    *json.UnmarshalTypeError
		at     int64
	)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
		if bytes.HasPrefix(b, []byte("\ufeff")) {
			err = errors.New("the file begins with a byte order mark, which JSON does not have")
		}
	case errors.As(err, &typ):
		at = typ.Offset
		err = fmt.Errorf("field %q holds a value of another kind, or out of range: %s", typ.Field, typ.Value)
	default:
		return err
	}
	return fmt.Errorf("line %d: %w", lineOf(b, at), err)
}
