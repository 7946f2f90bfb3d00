# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# The library as another module sees it, before it is published.

import_from_outside() {
	need internal/consumer/testdata/main.go
	local dir=$tmp/consumer
	mkdir -p "$dir"
	cp internal/consumer/testdata/main.go "$dir/"
	cd "$dir" || fail "no $dir"
	go mod init example.com/consumer
	go mod edit -go=1.25 -require=github.com/reweigh/reweigh@v0.0.0 -replace="github.com/reweigh/reweigh=$root"
	GOFLAGS='' go mod tidy
	local line
	line=$(awk '$1 == "go" { print $2 }' go.mod)
	[[ $line == 1.25 || $line == 1.25.0 ]] || fail "importing the module moved the importer's go line to $line"
	go vet .
	go run .
	cd "$root" || fail "no $root"
}
