package sim

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// memoryURL stands where no socket does. Port 0 cannot be connected to, so a
// client that is not the server's own fails at once and reaches nobody.
const memoryURL = "http://127.0.0.1:0"

// pipeListener hands both ends of a net.Pipe to two parties of one process.
// Blocking on it is durable in the sense of testing/synctest, which blocking on
// a socket is not.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

// dial ignores the address: whatever the URL says, nothing leaves the process.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// inBubble tells a synctest bubble by its clock, which starts in the year 2000;
// there is no other way to ask.
func inBubble() bool { return time.Now().Year() < 2020 }

// Client returns a client whose requests reach this server through memory,
// whatever host their URL names. No socket is opened, so that it works inside a
// [testing/synctest] bubble; make the server inside the bubble, too, and close
// it there. Every call returns the same connections.
func (s *Server) Client() *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport == nil {
		l := newPipeListener()
		s.transport = &http.Transport{
			DialContext:         l.dial,
			DisableCompression:  true,
			MaxIdleConnsPerHost: 1024,
		}
		if s.closed {
			_ = l.Close()
		} else {
			s.serve(l)
		}
	}
	return &http.Client{Transport: s.transport}
}
