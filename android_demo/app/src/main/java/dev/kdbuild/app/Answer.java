package dev.kdbuild.app;

import dev.kdbuild.core.Encoding;
import dev.kdbuild.core.Explanation;

/** What the model says of a text, or why it can't. */
final class Answer {
    /** The answer and the words that it hangs on; null where there is none. */
    final Explanation explanation;
    /** What the model was given for the text; null where there is no answer. */
    final Encoding encoding;
    /** Whether words that aren't in the vocabulary are cut into pieces of it. */
    final boolean inPieces;
    /** How long the answer took, tokenising included and the explanation not. */
    final long nanos;
    /** Why there is no answer; null where there is one. */
    final String failure;

    Answer(Explanation explanation, Encoding encoding, boolean inPieces, long nanos) {
        this.explanation = explanation;
        this.encoding = encoding;
        this.inPieces = inPieces;
        this.nanos = nanos;
        failure = null;
    }

    Answer(String failure) {
        explanation = null;
        encoding = null;
        inPieces = false;
        nanos = 0;
        this.failure = failure;
    }
}
