"""The engine's own log-probs of given responses, without its server.

direct.py ENGINE MODEL PAIRS OUT reads lines with "context", "response", "token_ids",
"ended" and "end_of_turn" and writes, for each, the sum of the log-probs of the
response's tokens after the context's, and how many they are. The tokens are those
of the context, followed by those that the response was sampled as, followed by the
end-of-turn token where it ended. Where the sampled ones are not known, they are
those of the response by itself, and a pair whose joint text has other tokens is left
out, with the reason, because it asks for something else.
"""

import json
import os
import sys

import numpy


def llama_cpp_python(model):
    import llama_cpp

    llm = llama_cpp.Llama(model, n_ctx=1024, logits_all=True, verbose=False)

    def tokens(text, special):
        return llm.tokenize(text.encode(), add_bos=False, special=special)

    def logprobs(ids):
        llm.reset()
        llm.eval(ids)
        out = [None]
        for i in range(1, len(ids)):
            row = numpy.asarray(llm.scores[i - 1], dtype=numpy.float64)
            top = row.max()
            out.append(float(row[ids[i]] - top - numpy.log(numpy.exp(row - top).sum())))
        return out

    return tokens, logprobs


def vllm(model):
    import vllm as engine

    llm = engine.LLM(model, max_model_len=1024, dtype="float32", enforce_eager=True, gpu_memory_utilization=0.2)
    tokenizer = llm.get_tokenizer()

    def tokens(text, special):
        return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)

    def logprobs(ids):
        params = engine.SamplingParams(max_tokens=1, prompt_logprobs=0)
        result = llm.generate({"prompt_token_ids": ids}, params, use_tqdm=False)[0]
        return [None if row is None else row[i].logprob for i, row in zip(ids, result.prompt_logprobs)]

    return tokens, logprobs


def main(engine, model, pairs, out):
    tokens, logprobs = {"llama-cpp-python": llama_cpp_python, "vllm": vllm}[engine](model)
    with open(pairs) as source, open(out, "w") as sink:
        for line in source:
            pair = json.loads(line)
            end = pair["end_of_turn"] if pair["ended"] else ""
            context = tokens(pair["context"], True)
            sampled = pair["token_ids"]
            response = (sampled or tokens(pair["response"], False)) + (tokens(end, True) if end else [])
            answer = {"prompt_id": pair["prompt_id"], "tokens": len(response), "logprob": None, "reason": ""}
            if not sampled and tokens(pair["context"] + pair["response"] + end, True) != context + response:
                answer["reason"] = "the joint text has other tokens"
            else:
                answer["logprob"] = sum(logprobs(context + response)[len(context):])
            sink.write(json.dumps(answer) + "\n")
            sink.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
    # All is written. vLLM's own end now and then aborts the process ("terminate called
    # without an active exception"); its workers end when this one is gone.
    os._exit(0)
