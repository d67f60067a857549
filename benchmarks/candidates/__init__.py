"""What the student is compared with in ``test_contenders.py``: other exports of it, simple classifiers, transformers."""
