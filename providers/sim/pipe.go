package sim

import (
	"net/http"
	"time"

	"github.com/reweigh/reweigh/internal/pipe"
)

// memoryURL stands where no socket does. Port 0 cannot be connected to, so a
// client that is not the server's own fails at once and reaches nobody.
const memoryURL = "http://127.0.0.1:0"

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
		l, dial := pipe.Listen()
		s.transport = &http.Transport{
			DialContext:         dial,
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
