package endpoints

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/reweigh/reweigh/providers"
)

// checkPlain refuses an address that would send prompts, and a key, in clear over a
// network: plain HTTP to a host that is not this machine, unless that is allowed. The
// error names the host alone, since an address may hold a secret.
func checkPlain(address string, allowed bool) error {
	u, err := url.Parse(address)
	if err != nil || allowed || !strings.EqualFold(u.Scheme, "http") || providers.Loopback(address) {
		return nil // what is no address at all is refused by who opens it
	}
	return fmt.Errorf("http to %s sends keys and prompts in clear: use https", u.Hostname())
}
