package dev.kdbuild.core;

/**
 * A loaded model file: token ids in, logits out.
 *
 * <p>It may be called from several threads; its calls are independent of each other.
 */
public interface Engine extends AutoCloseable {
    /** What runs the model, with its version, as in {@code tensorflow-lite 2.16.1}. */
    String name();

    /**
     * The logits {@code [classes]} of one text or pair of texts.
     *
     * @param ids of each text, as many as {@link #texts()}: token ids {@code [tokens]}, at least one, each below {@link
     *     #vocabularySize()}; they are not changed
     * @throws IllegalStateException the engine was closed
     */
    float[] logits(int[]... ids);

    /** How many texts the model reads: 1, or 2 where it reads pairs. */
    int texts();

    /** Rows of the model's embedding, which must be the length of the vocabulary beside it. */
    int vocabularySize();

    /** How many logits a text or pair gets, which must be the number of labels. */
    int classes();

    /** Lets go of the model. Closing it again does nothing. */
    @Override
    void close();
}
