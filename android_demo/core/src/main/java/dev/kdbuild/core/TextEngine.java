package dev.kdbuild.core;

/** An engine that cuts texts itself, as the artefact's tokenizer does. */
interface TextEngine extends Engine {
    /**
     * Reads a text.
     *
     * @throws IllegalStateException the engine was closed
     */
    TokenIds read(String text);
}
