package dev.kdbuild.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * What a TFLite file says of its embedding, read from the flatbuffer itself: the interpreter's Java interface shows the
 * tensors that go in and come out, and no others.
 */
public final class TfLiteFile {
    private static final String IDENTIFIER = "TFL3";
    private static final String EMBEDDING = "embedding";
    // Places of fields in the tables of the format's schema.
    private static final int MODEL_SUBGRAPHS = 2;
    private static final int SUBGRAPH_TENSORS = 0;
    private static final int TENSOR_SHAPE = 0;
    private static final int TENSOR_NAME = 3;

    private final ByteBuffer file;

    private TfLiteFile(ByteBuffer file) {
        this.file = file;
    }

    /**
     * Rows of the constant named {@code embedding} in the main graph.
     *
     * @param name of the file, for messages
     * @param model its content, from position to limit; both stay as they are
     * @throws ArtefactException it isn't a TFLite file, or has no such constant
     */
    public static int embeddingRows(String name, ByteBuffer model) throws ArtefactException {
        int rows;
        try {
            rows = new TfLiteFile(model.slice().order(ByteOrder.LITTLE_ENDIAN)).embeddingRows();
        } catch (IndexOutOfBoundsException error) {
            throw new ArtefactException(name + ": not a TFLite file. Export the model again.", error);
        }
        if (rows < 0) {
            throw new ArtefactException(
                    name + ": has no tensor named 'embedding': it was not written by `kdbuild export`.");
        }
        return rows;
    }

    private int embeddingRows() {
        if (!text(4, IDENTIFIER.length()).equals(IDENTIFIER)) {
            throw new IndexOutOfBoundsException(IDENTIFIER);
        }
        int subgraphs = field(target(0), MODEL_SUBGRAPHS);
        int tensors = field(target(subgraphs + 4), SUBGRAPH_TENSORS);
        int count = file.getInt(tensors);
        for (int index = 0; index < count; index++) {
            int tensor = target(tensors + 4 + 4 * index);
            int name = field(tensor, TENSOR_NAME);
            if (text(name + 4, file.getInt(name)).equals(EMBEDDING)) {
                return file.getInt(field(tensor, TENSOR_SHAPE) + 4);
            }
        }
        return -1;
    }

    /** Where the offset that stands at a place leads. */
    private int target(int at) {
        return at + file.getInt(at);
    }

    /** Where the vector, string or table in a field of a table stands. */
    private int field(int table, int number) {
        int fields = table - file.getInt(table);
        int place = 4 + 2 * number;
        int offset = place < file.getShort(fields) ? file.getShort(fields + place) : 0;
        if (offset == 0) {
            throw new IndexOutOfBoundsException("field " + number);
        }
        return target(table + offset);
    }

    private String text(int start, int length) {
        if (length < 0 || length > file.limit()) {
            throw new IndexOutOfBoundsException("text");
        }
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++) {
            bytes[index] = file.get(start + index);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
