"""Unpacks a file of quantised weights into a folder that vLLM reads.

unpack.py FILE.gguf FOLDER writes the weights that the file's numbers stand for,
in 32 bits, and the tokenizer and chat template that the file carries.
"""

import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(file, folder):
    file = pathlib.Path(file)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # The weights in memory are unpacked, and the model still says that they are not.
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    del model.config.quantization_config
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
