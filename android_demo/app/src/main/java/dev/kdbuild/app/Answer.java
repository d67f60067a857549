package dev.kdbuild.app;

import dev.kdbuild.core.Explanation;

/** What the model says of a text, or why it can't. */
final class Answer {
    /** The answer and the tokens that it hangs on; null where there is none. */
    final Explanation explanation;
    /** For each token that was read, whether it isn't in the vocabulary; {@code [tokens]}. */
    final boolean[] unknown;
    /** How long the answer took, tokenising included and the explanation not. */
    final long nanos;
    /** Why there is no answer; null where there is one. */
    final String failure;

    Answer(Explanation explanation, boolean[] unknown, long nanos) {
        this.explanation = explanation;
        this.unknown = unknown;
        this.nanos = nanos;
        failure = null;
    }

    Answer(String failure) {
        explanation = null;
        unknown = new boolean[0];
        nanos = 0;
        this.failure = failure;
    }
}
