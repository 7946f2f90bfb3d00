# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# The library as another module sees it, before it is published.

# import_from_outside makes a module beside the checkout, as the README says to,
# runs a program there that uses every package for importers, and tests a
# provider of the module's own.
import_from_outside() {
	need internal/consumer/testdata/main.go internal/consumer/testdata/toy.go
	local edit tidy line dir=$tmp/importer/app
	edit=$(readme_command 'go mod edit ')
	tidy=$(readme_command 'go mod tidy')
	mkdir -p "$dir"
	ln -s "$root" "$tmp/importer/reweigh"
	cp internal/consumer/testdata/*.go "$dir/"
	cd "$dir" || fail "no $dir"
	go mod init example.com/app
	go mod edit -go=1.26
	printf '$ %s\n$ %s\n' "$edit" "$tidy"
	GOFLAGS='' bash -euo pipefail -c "$edit; $tidy"
	line=$(awk '$1 == "go" { print $2 }' go.mod)
	[[ $line == 1.26 || $line == 1.26.0 ]] || fail "importing the module moved the importer's go line to $line"
	go vet .
	go run .
	go test . # a provider of its own: the conformance suite, and a pilot with it
	cd "$root" || fail "no $root"
}
