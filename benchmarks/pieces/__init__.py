"""Words against words and pieces: accuracy, typos, tokens, bytes, and scripts without spaces."""
