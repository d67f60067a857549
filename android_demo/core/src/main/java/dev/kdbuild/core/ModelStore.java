package dev.kdbuild.core;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;

/**
 * Models that an app gets after it was installed: a folder with the present one and the one before.
 *
 * <p>How a file comes is the app's affair. What comes is taken only if it is signed with the app's key, not older than what is
 * there, and answers its own golden texts on this device to the bit. Whenever the process is killed, a model that passed all this
 * is there. One store a folder, for one thread at a time.
 */
public class ModelStore {
    private static final String CURRENT = "current.kdb";
    private static final String PREVIOUS = "previous.kdb";
    private static final String INCOMING = "incoming.kdb";
    private static final int LARGEST = 1 << 28;

    private final File folder;
    private final byte[] publicKey;

    /**
     * Opens a store.
     *
     * @param folder its own, made if it isn't there
     * @param publicKey who must have signed the models, in DER as SubjectPublicKeyInfo
     * @throws IOException the folder can't be made
     */
    public ModelStore(File folder, byte[] publicKey) throws IOException {
        this.folder = folder;
        this.publicKey = publicKey.clone();
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException(folder + ": can't be made");
        }
        delete(INCOMING); // what a killed process left
    }

    /**
     * Takes a new model.
     *
     * @param source of the file's bytes; the caller closes it
     * @throws ArtefactException it isn't a whole model, isn't signed with the key, is older than the one that is there, or answers
     *     otherwise on this device; what is there stays
     * @throws IOException it can't be read or written; what is there stays
     */
    public void install(InputStream source) throws IOException, ArtefactException {
        byte[] content = read(source);
        ModelSignature signature = ModelSignature.check(INCOMING, ByteBuffer.wrap(content), publicKey);
        long newest = Math.max(serial(CURRENT), serial(PREVIOUS));
        if (signature.serial < newest) {
            throw new ArtefactException(INCOMING + ": its serial is " + signature.serial + ", and the model that is there has "
                    + newest + ". Sign it again to go back to it.");
        }
        ModelFile.checkGolden(INCOMING, content);
        reached("checked");
        try {
            write(content);
            reached("written");
            if (file(CURRENT).exists()) {
                rename(CURRENT, PREVIOUS);
                reached("set aside");
            }
            rename(INCOMING, CURRENT);
            reached("in place");
        } catch (IOException error) {
            delete(INCOMING);
            throw error;
        }
    }

    /**
     * Loads the newest model that is whole and signed; null where there is none, and the app uses its own.
     *
     * @throws IOException a file can't be read
     */
    public Classifier load() throws IOException {
        for (String name : new String[] {CURRENT, PREVIOUS}) {
            if (file(name).exists()) {
                try {
                    return ModelFile.load(file(name).getPath(), read(name), publicKey);
                } catch (ArtefactException error) {
                    continue; // it was damaged since; the one before may be whole
                }
            }
        }
        return null;
    }

    /**
     * Goes back to the model before the present one.
     *
     * @return whether there was one
     * @throws IOException it can't be moved
     */
    public boolean revert() throws IOException {
        if (!file(PREVIOUS).exists()) {
            return false;
        }
        rename(PREVIOUS, CURRENT);
        return true;
    }

    /** Called after each step of an installation. */
    void reached(String step) {}

    /** That of a model that is there, whole and signed; -1 where there is none. */
    private long serial(String name) throws IOException {
        if (!file(name).exists()) {
            return -1;
        }
        try {
            return ModelSignature.check(name, ByteBuffer.wrap(read(name)), publicKey).serial;
        } catch (ArtefactException error) {
            return -1;
        }
    }

    private File file(String name) {
        return new File(folder, name);
    }

    private byte[] read(String name) throws IOException {
        try (InputStream stream = new FileInputStream(file(name))) {
            return read(stream);
        }
    }

    private static byte[] read(InputStream source) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        byte[] chunk = new byte[1 << 16];
        for (int read = source.read(chunk); read >= 0; read = source.read(chunk)) {
            if (content.size() + read > LARGEST) {
                throw new IOException("over " + LARGEST + " bytes, so no model of ours");
            }
            content.write(chunk, 0, read);
        }
        return content.toByteArray();
    }

    private void write(byte[] content) throws IOException {
        try (FileOutputStream stream = new FileOutputStream(file(INCOMING))) {
            stream.write(content);
            stream.getFD().sync();
        }
    }

    private void rename(String from, String to) throws IOException {
        if (!file(from).renameTo(file(to))) {
            throw new IOException(file(from) + ": can't be renamed to " + to);
        }
    }

    private void delete(String name) throws IOException {
        if (file(name).exists() && !file(name).delete()) {
            throw new IOException(file(name) + ": can't be removed");
        }
    }
}
