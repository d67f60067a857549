package dev.kdbuild.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;

/** An artefact folder on disk. */
public final class FolderSource implements ArtefactSource {
    private final File folder;

    /**
     * Names the folder.
     *
     * @throws ArtefactException there is no such folder
     */
    public FolderSource(File folder) throws ArtefactException {
        if (!folder.isDirectory()) {
            throw new ArtefactException(
                    folder + ": no such artefact folder. Make one with: kdbuild export RUN --out " + folder);
        }
        this.folder = folder;
    }

    @Override
    public InputStream open(String name) throws IOException {
        File file = new File(folder, name);
        if (!file.exists()) {
            throw new FileNotFoundException(file.getPath());
        }
        try {
            return new FileInputStream(file);
        } catch (FileNotFoundException error) {
            throw new IOException("it is a folder, or may not be read", error);
        }
    }

    @Override
    public String toString() {
        return folder.getPath();
    }
}
