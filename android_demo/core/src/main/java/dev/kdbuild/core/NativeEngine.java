package dev.kdbuild.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * kdbuild's own engine, in C: the same answers, bit by bit, on every processor.
 *
 * <p>Calls of several threads run side by side, each with memory of its own, which later calls use again. A call uses one
 * thread. The library {@code kdbuild} must be on the path that {@link System#loadLibrary} searches; on Android it is part
 * of the app.
 */
public final class NativeEngine implements TextEngine {
    /** Opens {@code .kdb} files. */
    public static final EngineFactory FACTORY = new EngineFactory() {
        @Override
        public String suffix() {
            return ".kdb";
        }

        @Override
        public Engine open(String name, ByteBuffer model, int threads) throws ArtefactException {
            return load(name, model, false);
        }
    };

    private static final int ALIGNMENT = 64;
    private static final int LONGEST_MESSAGE = 200;
    private static final int LONGEST_NAME = 1024;
    /** Bytes of what {@code ids} says beside them: label, tokens, unknown ones, whether the text was truncated. */
    private static final int COUNTS = 16;

    private final ByteBuffer file;
    private final ByteBuffer model;
    private final int texts;
    private final int classes;
    private final int vocabularySize;
    private final int maxTokens;
    private final int scratchSize;
    private final ConcurrentLinkedQueue<Workspace> idle = new ConcurrentLinkedQueue<>();
    private volatile boolean closed;

    /**
     * Loads a model.
     *
     * @param verify whether every byte is checked, for files that no manifest vouches for
     * @throws ArtefactException it can't be loaded
     */
    static NativeEngine load(String name, ByteBuffer model, boolean verify) throws ArtefactException {
        System.loadLibrary("kdbuild");
        return new NativeEngine(name, aligned(model), verify);
    }

    private NativeEngine(String name, ByteBuffer file, boolean verify) throws ArtefactException {
        this.file = file;
        model = direct(modelSize());
        int problem = open(model, file, file.capacity(), verify ? 1 : 0);
        if (problem != 0) {
            ByteBuffer out = direct(LONGEST_MESSAGE);
            byte[] reason = new byte[Math.min(message(problem, out, LONGEST_MESSAGE), LONGEST_MESSAGE)];
            out.get(reason);
            throw new ArtefactException(
                    name + ": " + new String(reason, StandardCharsets.US_ASCII) + ". Export the model again.");
        }
        ByteBuffer numbers = direct(5 * 4);
        describe(file, model, numbers);
        texts = numbers.getInt(0);
        classes = numbers.getInt(4);
        vocabularySize = numbers.getInt(8);
        maxTokens = numbers.getInt(12);
        scratchSize = numbers.getInt(16);
    }

    @Override
    public String name() {
        return "kdbuild";
    }

    @Override
    public float[] logits(int[]... ids) {
        if (ids.length != texts) {
            throw new IllegalArgumentException(ids.length + " texts for a model that reads " + texts);
        }
        int second = ids.length > 1 ? ids[1].length : 0;
        Workspace workspace = workspace();
        IntBuffer numbers = workspace.ids(ids[0].length + second);
        for (int[] text : ids) {
            numbers.put(text);
        }
        int problem = logits(
                file, model, workspace.scratch, workspace.ids, ids[0].length, second, workspace.logits);
        float[] logits = new float[classes];
        workspace.logits.asFloatBuffer().get(logits);
        idle.add(workspace);
        if (problem != 0) {
            throw new IllegalArgumentException("token ids: none, more than " + maxTokens + ", or one of at least "
                    + vocabularySize);
        }
        return logits;
    }

    @Override
    public TokenIds read(String text) {
        Workspace workspace = workspace();
        workspace.units(text.length());
        int room = workspace.ids(Math.min(maxTokens, text.length() + 1)).capacity();
        int count = ids(file, model, workspace.scratch, text, workspace.units, workspace.ids, room, workspace.counts);
        if (count > room) { // some characters become several words
            room = workspace.ids(count).capacity();
            count = ids(file, model, workspace.scratch, text, workspace.units, workspace.ids, room, workspace.counts);
        }
        int[] ids = new int[count];
        workspace.ids.asIntBuffer().get(ids);
        IntBuffer counts = workspace.counts.asIntBuffer();
        TokenIds read = new TokenIds(ids, counts.get(1), counts.get(2), counts.get(3) != 0);
        idle.add(workspace);
        return read;
    }

    @Override
    public int texts() {
        return texts;
    }

    @Override
    public int vocabularySize() {
        return vocabularySize;
    }

    @Override
    public int classes() {
        return classes;
    }

    @Override
    public void close() {
        closed = true;
        idle.clear();
    }

    private Workspace workspace() {
        if (closed) {
            throw new IllegalStateException("the classifier was closed: load it again");
        }
        Workspace found = idle.poll();
        return found == null ? new Workspace(scratchSize, classes) : found;
    }

    /** The content from a buffer's position to its limit, where an address divides by 64: as it lies, or a copy. */
    private static ByteBuffer aligned(ByteBuffer content) {
        ByteBuffer found = content.slice();
        if (found.isDirect() && address(found) % ALIGNMENT == 0) {
            return found;
        }
        ByteBuffer room = direct(found.capacity() + ALIGNMENT);
        int start = (int) ((ALIGNMENT - address(room) % ALIGNMENT) % ALIGNMENT);
        room.position(start);
        room.limit(start + found.capacity());
        ByteBuffer copy = room.slice();
        copy.put(found);
        copy.rewind();
        return copy;
    }

    private static ByteBuffer direct(int size) {
        return ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    }

    /** Tokens that are read of a text. */
    int maxTokens() {
        return maxTokens;
    }

    /** The names of the classes. */
    List<String> labels() {
        return names(0, classes);
    }

    /** All tokens, in the order of their ids. */
    List<String> tokens() {
        return names(1, vocabularySize);
    }

    /** Temperature, threshold, tokenizer version, golden texts, whether there are several labels, and their logits. */
    double[] calibration() {
        ByteBuffer out = direct(8 * (5 + classes));
        calibration(file, model, out);
        double[] numbers = new double[5 + classes];
        out.asDoubleBuffer().get(numbers);
        return numbers;
    }

    /** A golden text. */
    Golden golden(int number) {
        ByteBuffer numbers = direct(4 * (1 + maxTokens + classes));
        ByteBuffer out = direct(LONGEST_NAME);
        int length = golden(file, model, number, numbers, out, LONGEST_NAME);
        if (length > LONGEST_NAME) {
            out = direct(length);
            golden(file, model, number, numbers, out, length);
        }
        IntBuffer found = numbers.asIntBuffer();
        int[] ids = new int[found.get()];
        found.get(ids);
        int[] bits = new int[classes];
        found.get(bits);
        return new Golden(text(out, length), ids, bits);
    }

    /** A text in the file, with what every processor answers. */
    static final class Golden {
        final String text;
        final int[] ids;
        /** Of the logits. */
        final int[] bits;

        Golden(String text, int[] ids, int[] bits) {
            this.text = text;
            this.ids = ids;
            this.bits = bits;
        }
    }

    private List<String> names(int token, int count) {
        List<String> names = new ArrayList<>(count);
        ByteBuffer out = direct(LONGEST_NAME);
        for (int number = 0; number < count; number++) {
            int length = name(file, model, token, number, out, out.capacity());
            if (length > out.capacity()) {
                out = direct(length);
                name(file, model, token, number, out, length);
            }
            names.add(text(out, length));
        }
        return names;
    }

    private static String text(ByteBuffer content, int length) {
        byte[] bytes = new byte[length];
        ByteBuffer start = content.duplicate();
        start.rewind();
        start.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** What one call needs for itself. */
    private static final class Workspace {
        final ByteBuffer scratch;
        final ByteBuffer logits;
        final ByteBuffer counts = direct(COUNTS);
        ByteBuffer ids = direct(256);
        ByteBuffer units = direct(512);

        Workspace(int scratchSize, int classes) {
            scratch = direct(scratchSize);
            logits = direct(4 * classes);
        }

        /** Room for at least so many ids. */
        IntBuffer ids(int count) {
            if (ids.capacity() < 4L * count) {
                ids = direct(4 * count);
            }
            return ids.asIntBuffer();
        }

        /** Makes room for so many units of a text. */
        void units(int count) {
            if (units.capacity() < 2L * count) {
                units = direct(2 * count);
            }
        }
    }

    private static native long address(ByteBuffer buffer);

    private static native int modelSize();

    private static native int open(ByteBuffer model, ByteBuffer file, int size, int verify);

    private static native int message(int code, ByteBuffer out, int room);

    private static native void describe(ByteBuffer file, ByteBuffer model, ByteBuffer out);

    private static native int logits(
            ByteBuffer file, ByteBuffer model, ByteBuffer scratch, ByteBuffer ids, int first, int second, ByteBuffer out);

    private static native int ids(
            ByteBuffer file, ByteBuffer model, ByteBuffer scratch, String text, ByteBuffer units, ByteBuffer ids, int room,
            ByteBuffer counts);

    private static native int name(
            ByteBuffer file, ByteBuffer model, int token, int number, ByteBuffer out, int room);

    private static native int golden(
            ByteBuffer file, ByteBuffer model, int number, ByteBuffer ids, ByteBuffer out, int room);

    private static native void calibration(ByteBuffer file, ByteBuffer model, ByteBuffer out);
}
