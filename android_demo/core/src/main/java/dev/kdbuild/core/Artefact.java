package dev.kdbuild.core;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** An artefact whose manifest was read and found whole; other files are checked when they are read. */
public final class Artefact {
    static final String GOLDEN = "golden.jsonl";

    private static final String MANIFEST = "manifest.json";
    private static final String MANIFEST_DIGEST = "manifest.sha256";
    private static final int LARGEST_MANIFEST = 1 << 20;
    /** What is made room for on the manifest's word alone; a file that is really larger makes the buffer grow. */
    private static final int LARGEST_ADVANCE = 1 << 26;
    private static final int CHUNK = 1 << 16;
    private static final String WAY_OUT = ". Export the artefact again.";

    /** Where its files lie. */
    public final ArtefactSource source;
    /** What {@code manifest.json} says. */
    public final Manifest manifest;

    private Artefact(ArtefactSource source, Manifest manifest) {
        this.source = source;
        this.manifest = manifest;
    }

    /**
     * Reads the manifest.
     *
     * @throws ArtefactException there is no artefact, or its manifest is damaged or of an unknown version
     */
    public static Artefact open(ArtefactSource source) throws ArtefactException {
        String path = source + "/" + MANIFEST;
        byte[] content = small(source, MANIFEST, LARGEST_MANIFEST + 1);
        if (content == null) {
            throw new ArtefactException(source + ": not an artefact (no " + MANIFEST
                    + "). Make one with: kdbuild export RUN --out " + source);
        }
        if (content.length > LARGEST_MANIFEST) {
            throw new ArtefactException(
                    path + ": over " + LARGEST_MANIFEST + " bytes, so no manifest of ours" + WAY_OUT);
        }
        byte[] stated = small(source, MANIFEST_DIGEST, 200);
        if (stated == null) {
            throw new ArtefactException(source + ": " + MANIFEST_DIGEST + " is missing" + WAY_OUT);
        }
        String digest = hex(sha256().digest(content)) + "\n";
        if (!Arrays.equals(digest.getBytes(StandardCharsets.US_ASCII), stated)) {
            throw new ArtefactException(
                    path + ": its sha256 isn't the one in " + MANIFEST_DIGEST + ": it was changed" + WAY_OUT);
        }
        try {
            return new Artefact(source, Manifest.parse(utf8(content), path));
        } catch (CharacterCodingException error) {
            throw new ArtefactException(path + ": not valid JSON (not UTF-8)" + WAY_OUT, error);
        }
    }

    /**
     * The content of a file of the artefact.
     *
     * @throws ArtefactException the manifest doesn't list it, it is missing, or it isn't what the manifest says
     */
    public byte[] read(String name) throws ArtefactException {
        ByteBuffer content = checked(name, false);
        return content.capacity() == content.limit()
                ? content.array()
                : Arrays.copyOf(content.array(), content.limit());
    }

    /**
     * The content of a model file in a direct buffer of native byte order, as engines take it.
     *
     * @throws ArtefactException as of {@link #read}
     */
    public ByteBuffer readModel(String name) throws ArtefactException {
        return checked(name, true);
    }

    /**
     * The lines of a UTF-8 file of the artefact; only U+000A ends a line.
     *
     * @throws ArtefactException as of {@link #read}, or it isn't UTF-8
     */
    public List<String> readLines(String name) throws ArtefactException {
        String text;
        try {
            text = utf8(read(name));
        } catch (CharacterCodingException error) {
            throw new ArtefactException(source + "/" + name + ": not UTF-8" + WAY_OUT, error);
        }
        List<String> lines = new ArrayList<>();
        int start = 0;
        for (int end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
            lines.add(text.substring(start, end));
            start = end + 1;
        }
        if (start < text.length() || text.isEmpty()) {
            lines.add(text.substring(start));
        }
        return Collections.unmodifiableList(lines);
    }

    /**
     * The name of the model file to run.
     *
     * @param precision int8 where there is one if null
     * @param suffix how the names of the engine's files end
     * @throws ArtefactException the artefact has no such file
     */
    public String modelFile(Precision precision, String suffix) throws ArtefactException {
        List<String> there = new ArrayList<>();
        for (String name : Manifest.MODEL_FILES) {
            if (manifest.files.containsKey(name)) {
                there.add(name);
            }
        }
        for (Precision candidate : precision == null ? Precision.values() : new Precision[] {precision}) {
            String name = "model_" + candidate + suffix;
            if (there.contains(name)) {
                return name;
            }
        }
        if (there.isEmpty()) {
            throw new ArtefactException(source + ": its only model is " + Manifest.MEDIAPIPE_MODEL
                    + ", which MediaPipe runs and kdbuild doesn't. Export it again, with --format native as well.");
        }
        String kind = (precision == null ? "" : precision + " ") + suffix.substring(1);
        throw new ArtefactException(source + ": has no " + kind + " model. It has: " + Manifest.join(there) + ".");
    }

    /** The content of a file that the manifest lists, as long and with the digest that the manifest states. */
    private ByteBuffer checked(String name, boolean direct) throws ArtefactException {
        Manifest.FileEntry entry = manifest.files.get(name);
        if (entry == null) {
            throw new ArtefactException(source + ": its manifest lists no " + name + ". It has: "
                    + Manifest.join(manifest.files.keySet()) + ".");
        }
        String path = source + "/" + name;
        MessageDigest digest = sha256();
        ByteBuffer content = allocate(Math.max(0, stated(entry)), direct);
        long size = 0;
        try (InputStream stream = source.open(name)) {
            byte[] chunk = new byte[CHUNK];
            for (int read = stream.read(chunk); read >= 0; read = stream.read(chunk)) {
                size += read;
                if (size <= stated(entry)) {
                    digest.update(chunk, 0, read);
                    content = withRoom(content, read, direct);
                    content.put(chunk, 0, read);
                }
            }
        } catch (FileNotFoundException error) {
            throw new ArtefactException(path + ": can't be read (No such file or directory)" + WAY_OUT, error);
        } catch (IOException error) {
            throw new ArtefactException(path + ": can't be read (" + error.getMessage() + ")" + WAY_OUT, error);
        }
        if (!Long.toString(size).equals(entry.bytes)) {
            throw new ArtefactException(
                    path + ": " + size + " bytes instead of " + entry.bytes + ": it was changed" + WAY_OUT);
        }
        if (!hex(digest.digest()).equals(entry.sha256)) {
            throw new ArtefactException(path + ": its sha256 isn't the manifest's: it was changed" + WAY_OUT);
        }
        content.flip();
        return content;
    }

    /** The size that the manifest states, or -1 where no file has it. */
    private static long stated(Manifest.FileEntry entry) {
        return entry.bytes.length() > 10 || entry.bytes.startsWith("-") ? -1 : Long.parseLong(entry.bytes);
    }

    private static ByteBuffer allocate(long size, boolean direct) {
        int capacity = (int) Math.min(size, LARGEST_ADVANCE);
        ByteBuffer buffer = direct ? ByteBuffer.allocateDirect(capacity) : ByteBuffer.allocate(capacity);
        return buffer.order(ByteOrder.nativeOrder());
    }

    private static ByteBuffer withRoom(ByteBuffer buffer, int more, boolean direct) throws IOException {
        if (buffer.remaining() >= more) {
            return buffer;
        }
        long capacity = 2L * buffer.capacity();
        if (capacity > Integer.MAX_VALUE) {
            throw new IOException("over " + Integer.MAX_VALUE / 2 + " bytes");
        }
        ByteBuffer larger = direct ? ByteBuffer.allocateDirect((int) capacity) : ByteBuffer.allocate((int) capacity);
        buffer.flip();
        larger.put(buffer);
        return larger.order(ByteOrder.nativeOrder());
    }

    /** At most the first {@code most} bytes of a file; null if it isn't there. */
    private static byte[] small(ArtefactSource source, String name, int most) throws ArtefactException {
        byte[] content = new byte[most];
        int size = 0;
        try (InputStream stream = source.open(name)) {
            for (int read = 0; read >= 0 && size < most; read = stream.read(content, size, most - size)) {
                size += read;
            }
            return Arrays.copyOf(content, size);
        } catch (FileNotFoundException error) {
            return null;
        } catch (IOException error) {
            throw new ArtefactException(
                    source + "/" + name + ": can't be read (" + error.getMessage() + ")" + WAY_OUT, error);
        }
    }

    /** Decodes UTF-8 strictly. */
    static String utf8(byte[] content) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString();
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Java platform must have it
        }
    }

    static String hex(byte[] digest) {
        StringBuilder hex = new StringBuilder(2 * digest.length);
        for (byte value : digest) {
            hex.append(Character.forDigit(value >> 4 & 15, 16)).append(Character.forDigit(value & 15, 16));
        }
        return hex.toString();
    }
}
