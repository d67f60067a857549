package dev.kdbuild.core;

import java.nio.ByteBuffer;

/** What opens model files of one format. */
public interface EngineFactory {
    /** How the names of its model files end, as in {@code .tflite}. */
    String suffix();

    /**
     * Loads a model.
     *
     * @param name of the file, for messages
     * @param model its content, in a direct buffer of native byte order from its position to its limit; the engine may
     *     keep it
     * @param threads how many threads one call may use
     * @throws ArtefactException it can't be loaded
     */
    Engine open(String name, ByteBuffer model, int threads) throws ArtefactException;
}
