package pipe_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/reweigh/reweigh/internal/pipe"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, dial := pipe.Listen()
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, "hello")
			c.Close()
		}()
		c, err := dial(t.Context(), "tcp", "example.com:443")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		cause := errors.New("the caller's own")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := dial(ctx, "", ""); !errors.Is(err, cause) {
			t.Errorf("nobody accepts and the context is done: %v, want its cause", err)
		}
		l.Close()
		l.Close() // may be called twice
		if _, err := dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialled after Close: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepted after Close: %v", err)
		}
	})
}
