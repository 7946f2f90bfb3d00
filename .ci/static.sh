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
	[[ $line == 1.25 || $line == 1.25.* ]] || fail "go.mod says go $line: whoever imports the module would be forced above 1.25"
}

check_vet() {
	local m list
	list=$(modules)
	for m in $list; do
		(cd "$m" && go vet ./...)
	done
	go vet ./.ci/checkrun
}

# check_cross compiles and vets, tests included, for the systems that no step
# can run on.
check_cross() {
	local os
	for os in windows darwin; do
		GOOS=$os GOARCH=amd64 CGO_ENABLED=0 go build ./...
		GOOS=$os GOARCH=amd64 CGO_ENABLED=0 go vet ./...
		printf 'ok   %s\n' "$os"
	done
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

# check_floors holds every import of the root module to .ci/floors: to a package
# of the same floor or of one below.
check_floors() {
	need .ci/floors
	local module
	module=$(go list -m)
	go list -f '{{.ImportPath}}{{range .Imports}} {{.}}{{end}}' ./... >"$tmp/imports"
	awk -v module="$module" '
		function floor(pkg,   p) {
			p = substr(pkg, length(module) + 2)
			if (p == "") p = "."
			if (p in floors) return floors[p]
			sub(/\/.*/, "/...", p)
			if (p in floors) return floors[p]
			printf "%s has no floor: add it to .ci/floors\n", pkg
			bad = 1
			return -1
		}
		FNR == NR { if ($0 !~ /^(#|$)/) for (i = 2; i <= NF; i++) floors[$i] = $1; next }
		{
			mine = floor($1)
			for (i = 2; i <= NF; i++) {
				if ($i != module && index($i, module "/") != 1) continue
				theirs = floor($i)
				if (mine >= 0 && theirs > mine) {
					printf "%s (floor %d) imports %s (floor %d)\n", $1, mine, $i, theirs
					bad = 1
				}
			}
		}
		END { if (NR == FNR) { print "no packages"; bad = 1 }; exit bad }
	' .ci/floors "$tmp/imports"
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
