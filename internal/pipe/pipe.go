// Package pipe is a network listener in memory. To wait on it is durable in the sense of
// [testing/synctest], which to wait on a socket is not.
package pipe

import (
	"context"
	"net"
	"sync"
)

// Dial is the DialContext of an http.Transport. It ignores the address: whatever it says, nothing
// leaves the process. It is net.ErrClosed once the listener is closed, and the context's cause
// once that is done.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Listen returns a listener and what dials to it.
func Listen() (net.Listener, Dial) {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	return l, l.dial
}

// listener hands the two ends of a net.Pipe to who dials and who accepts.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }
