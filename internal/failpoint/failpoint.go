// Package failpoint lets a test stop a program at the places where it writes. In
// production nothing is set, and a failpoint costs one load.
package failpoint

import "sync/atomic"

var hook atomic.Pointer[func(name string)]

// Set makes f be called at every failpoint, from whichever goroutine gets there;
// nil unsets it. It is for tests alone.
func Set(f func(name string)) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}

// At marks a place by name.
func At(name string) {
	if f := hook.Load(); f != nil {
		(*f)(name)
	}
}
