# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# What can be said of the code without running it.

check_formatting() {
	local files
	files=$(gofmt -l .)
	[[ -z $files ]] || fail "not formatted; run gofmt -w on: $files"
}

check_modules() {
	local m list
	list=$(modules)
	for m in $list; do
		(cd "$m" && go mod tidy -diff && go mod verify)
	done
	local line
	line=$(awk '$1 == "go" { print $2 }' go.mod)
	[[ $line == 1.26 || $line == 1.26.0 ]] ||
		fail "go.mod says go $line: whoever imports the module would be forced above 1.26"
}

check_vet() {
	local m list
	list=$(modules)
	for m in $list; do
		(cd "$m" && go vet ./...)
	done
	go vet ./.ci/checkrun
}

# check_cross type-checks for the systems that no step can run on: for Windows, which
# differs more, the tests too.
check_cross() {
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go vet ./...
	GOOS=darwin GOARCH=amd64 CGO_ENABLED=0 go build ./...
}

check_staticcheck() {
	mkdir -p "$tmp/tools"
	GOFLAGS='' GOBIN="$tmp/tools" go install honnef.co/go/tools/cmd/staticcheck@v0.8.2
	local m list
	list=$(modules)
	for m in $list; do
		(cd "$m" && "$tmp/tools/staticcheck" ./...)
	done
}

# check_lint holds the code to this library's own rules: the floors of the house
# (.ci/floors), no exported name without a user, no bare float that may be
# missing, no flag in a library's text, one JSON form of an estimate, no long
# line. What it lets pass, .ci/allow lists with a reason. Its own tests, which
# test_nested_modules runs, show it every fault.
check_lint() {
	mkdir -p "$tmp/tools"
	go -C .ci/lint build -o "$tmp/tools/lint" .
	"$tmp/tools/lint" -C .
}

# check_pure: who has logs in hand needs no client.
check_pure() {
	local p
	for p in ./offpolicy ./dataset ./teacherforce/chat; do
		go list -deps "$p" >"$tmp/deps"
		if grep -qx 'net/http' "$tmp/deps"; then
			fail "$p links net/http"
		fi
	done
	# Fakes belong to tests: no package that is not for them links testing.
	go list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./... >"$tmp/packages"
	grep -v -e '/providertest$' -e '/internal/' "$tmp/packages" >"$tmp/public"
	# shellcheck disable=SC2046 # one argument a package
	go list -deps $(cat "$tmp/public") >"$tmp/deps"
	if grep -qx -e 'testing' -e 'net/http/httptest' "$tmp/deps"; then
		fail 'a public package links testing or httptest'
	fi
}
