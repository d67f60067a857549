package dev.kdbuild.core;

/** An artefact can't be used; the message is one line: what, why, the way out. */
public final class ArtefactException extends Exception {
    private static final long serialVersionUID = 1L;

    /** Makes one of its line. */
    public ArtefactException(String message) {
        super(message);
    }

    /** Makes one of its line and what led to it. */
    public ArtefactException(String message, Throwable cause) {
        super(message, cause);
    }
}
