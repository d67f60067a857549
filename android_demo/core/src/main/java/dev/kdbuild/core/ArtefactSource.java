package dev.kdbuild.core;

import java.io.IOException;
import java.io.InputStream;

/**
 * Where the files of an artefact lie: a folder on disk, the assets of an Android app, an archive.
 *
 * <p>Its {@code toString()} names it in messages.
 */
public interface ArtefactSource {
    /**
     * Opens a file; the caller closes it.
     *
     * @param name a plain file name, without any folder
     * @throws java.io.FileNotFoundException there is no such file
     * @throws IOException it can't be read
     */
    InputStream open(String name) throws IOException;
}
