# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# Tests, fuzzing and benchmarks. What check_vet has vetted is not vetted again.

test_as_readme_says() {
	local cmd
	cmd=$(readme_command 'go test ')
	printf '$ %s\n' "$cmd"
	bash -euo pipefail -c "$cmd"
}

# test_race leaves out arithmetic, which is slow under the detector: what starts no
# goroutine, and the language model and the trials, whose goroutines are raced by the
# simulator's tests and by offpolicy's.
test_race() {
	go list ./... >"$tmp/packages"
	grep -v -e '/internal/worlds$' -e '/internal/spline$' -e '/teacherforce/temper$' -e '/internal/langmodel$' \
		-e '/internal/montecarlo$' "$tmp/packages" >"$tmp/raced"
	# shellcheck disable=SC2046 # one argument a package
	go test -race -short -vet=off -shuffle on $(cat "$tmp/raced")
}

# test_nested_modules tests the modules that ./... does not reach.
test_nested_modules() {
	local m list
	list=$(modules)
	for m in $list; do
		[[ $m != . ]] || continue
		(cd "$m" && go test -vet=off ./...)
	done
}

# kill_mutants breaks the code on purpose, one line at a time: a test has to
# notice each. It is no part of a run without names: it takes minutes, and its
# table is tested with everything else.
kill_mutants() {
	go run ./internal/mutants
}

# fuzz BUDGET PACKAGE TARGET runs one target, its output in $tmp/fuzz.log, and
# sets code to its exit code and execs to the number of inputs tried.
fuzz() {
	code=0
	go test -vet=off -run '^$' -fuzz "^$3\$" -fuzztime "$1" "$2" >"$tmp/fuzz.log" 2>&1 || code=$?
	execs=$(awk '{ for (i = 1; i < NF; i++) if ($i == "execs:") n = $(i + 1) } END { print n + 0 }' "$tmp/fuzz.log")
}

# fuzz_briefly gives every fuzz target a second.
#
# A duration as -fuzztime can fail with a bare "context deadline exceeded" when
# a worker is busy at the end (go.dev/issue/75804, in Go before 1.27), and can
# pass without having tried anything when the machine is slow. Both are answered
# by a second run, bounded by a count, that has no deadline to miss.
fuzz_briefly() {
	local line name pkg code execs names=() targets=()
	go test -vet=off -list '^Fuzz' ./... >"$tmp/fuzz.list"
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
		fuzz 1s "$pkg" "$name"
		if ((code == 0 && execs == 0)) || {
			((code != 0)) && grep -q 'context deadline exceeded' "$tmp/fuzz.log" &&
				! grep -q -e 'Failing input' -e 'panic' "$tmp/fuzz.log"
		}; then
			printf 'again, bounded by a count: %s\n' "$name"
			fuzz 5000x "$pkg" "$name"
		fi
		if ((code != 0 || execs == 0)); then
			cat "$tmp/fuzz.log" >&2
			fail "$pkg $name: exit code $code after $execs inputs"
		fi
		printf 'ok   %-34s %d inputs\n' "$name" "$execs"
	done
}

# bench_once runs every benchmark once, so that none of them rots. Its figures
# mean nothing.
bench_once() {
	local count
	go test -vet=off -run '^$' -bench . -benchtime 1x ./... >"$tmp/bench.log" 2>&1 || {
		cat "$tmp/bench.log" >&2
		fail 'a benchmark failed'
	}
	count=$(grep -c '^Benchmark' "$tmp/bench.log" || true)
	((count > 0)) || fail 'no benchmark ran'
	printf '%d benchmarks\n' "$count"
}
