package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/reweigh/reweigh/internal/endpoints"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// plain is the name of the server that -base-url declares.
const plain = "server"

// connect opens the endpoint that serves model, and says what the model is called there
// and how the endpoint was declared.
func connect(declared endpoints.List, model, template string) (e providers.Endpoint, local, address string,
	err error) {
	bos := map[string][]string{}
	if t, ok := chat.Lookup(template); ok {
		for _, spec := range declared {
			bos[spec.Name] = []string{t.BOS()}
		}
	}
	all, err := declared.Open(bos, os.Getenv)
	if err != nil {
		return e, "", "", err
	}
	router, err := providers.NewRouter(all...)
	if err != nil {
		return e, "", "", err
	}
	e, local = router.Route(model)
	for _, spec := range declared {
		if spec.Name == e.Name {
			address = string(spec.Kind) + " " + spec.URL
		}
	}
	return e, local, address, nil
}

// checkServer refuses a server that shows itself to be of another kind than was said, or
// to score nothing. One that lists no models is asked for the scores themselves.
func checkServer(ctx context.Context, client *providers.Client, model string) error {
	_, err := client.Models(ctx)
	var e *providers.Error
	refused := errors.Is(err, providers.ErrWrongKind) ||
		errors.As(err, &e) && (e.Status == 0 || e.Class == providers.ClassAuth)
	if refused && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("nothing was scored: %w", err)
	}
	return providers.ScoresPrompts(client.Provider(), model)
}
