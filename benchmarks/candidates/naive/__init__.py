"""The student exported as one would without kdbuild: ``nn.LSTM`` through litert-torch, Keras LSTMs through TensorFlow.

    python -m benchmarks.candidates.naive setup                            # once: environments of their own, 9 GB together
    python -m benchmarks.candidates.naive export STUDENT_FOLDER OUT_FOLDER

The files hold the weights of the student, so that answers can be compared, and run in LiteRT like ours.
"""
