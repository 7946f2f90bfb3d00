module github.com/reweigh/reweigh

go 1.26

require (
	github.com/cenkalti/backoff/v4 v4.3.0
	github.com/go-json-experiment/json v1.27.2
	github.com/google/go-cmp v0.7.0
	github.com/klauspost/compress v1.17.9
	golang.org/x/crypto v0.45.0
	golang.org/x/sync v0.19.0
	golang.org/x/sys v0.38.0
	gonum.org/v1/gonum v0.17.0
)
