"""The MediaPipe file in the real MediaPipe, which runs in a virtual environment of its own.

    python -m benchmarks.mediapipe --student RUN/student --data SST2_DIR --work WORK

Installs each version of MediaPipe under WORK once, and writes ``benchmarks/results/mediapipe.json`` and ``mediapipe.md``.
"""
