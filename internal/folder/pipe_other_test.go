//go:build !unix

package folder

import "errors"

func pipe(string) error { return errors.ErrUnsupported }
