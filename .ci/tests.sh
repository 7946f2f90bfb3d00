# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# Tests, fuzzing and benchmarks.

test_as_readme_says() {
	local cmd
	cmd=$(readme_command 'go test ')
	printf '$ %s\n' "$cmd"
	bash -euo pipefail -c "$cmd"
}

test_race() {
	go test -race -shuffle on ./...
}

# test_nested_modules tests the modules that ./... does not reach.
test_nested_modules() {
	local m list
	list=$(modules)
	for m in $list; do
		[[ $m != . ]] || continue
		(cd "$m" && go test ./...)
	done
}

# fuzz_briefly gives every fuzz target three seconds.
#
# A duration as -fuzztime can fail with a bare "context deadline exceeded" when
# a worker is busy at the end (go.dev/issue/75804, in Go before 1.27). That one
# message, with no failing input, is answered by a second run that is bounded by
# a count, has no deadline to miss, and must pass.
fuzz_briefly() {
	local line name pkg names=() targets=() log
	go test -list '^Fuzz' ./... >"$tmp/fuzz.list"
	while read -r line; do
		case $line in
		Fuzz*) names+=("$line") ;;
		ok*)
			read -r _ pkg _ <<<"$line"
			for name in "${names[@]}"; do
				targets+=("$pkg $name")
			done
			names=()
			;;
		esac
	done <"$tmp/fuzz.list"
	((${#targets[@]} > 0)) || fail 'no fuzz target found'
	for line in "${targets[@]}"; do
		read -r pkg name <<<"$line"
		log=$tmp/fuzz.log
		local code=0
		go test -run '^$' -fuzz "^$name\$" -fuzztime 3s "$pkg" >"$log" 2>&1 || code=$?
		if ((code != 0)) && grep -q 'context deadline exceeded' "$log" && ! grep -q -e 'Failing input' -e 'panic' "$log"; then
			printf 'again, bounded by a count: %s %s\n' "$pkg" "$name"
			code=0
			go test -run '^$' -fuzz "^$name\$" -fuzztime 3000x "$pkg" >"$log" 2>&1 || code=$?
		fi
		if ((code != 0)); then
			cat "$log" >&2
			fail "$pkg $name"
		fi
		printf 'ok   %-34s %s\n' "$name" "$(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
	done
}

# bench_once runs every benchmark once, so that none of them rots. Its figures
# mean nothing.
bench_once() {
	local count
	go test -run '^$' -bench . -benchtime 1x ./... >"$tmp/bench.log" 2>&1 || {
		cat "$tmp/bench.log" >&2
		fail 'a benchmark failed'
	}
	count=$(grep -c '^Benchmark' "$tmp/bench.log" || true)
	((count > 0)) || fail 'no benchmark ran'
	printf '%d benchmarks\n' "$count"
}
