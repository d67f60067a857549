package dev.kdbuild.core;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;

/**
 * Compares encodings with those of another implementation.
 *
 * <p>Arguments: {@code vocab.txt}, and the tokenizer's version. Standard input: for each text its UTF-16 units, most ids
 * to read, its words joined by spaces, as UTF-16 units, how many ids each has, the ids, and whether it was cut; each
 * list after its length; at the end a length of -1. Prints what differs, and at last the number of texts.
 */
final class TokenizerTwin {
    private static final int MOST_SHOWN = 10;

    private TokenizerTwin() {}

    public static void main(String[] arguments) throws IOException, ArtefactException {
        String tokens = new String(Files.readAllBytes(Paths.get(arguments[0])), StandardCharsets.UTF_8);
        Vocabulary vocabulary = new Vocabulary(Arrays.asList(tokens.split("\n")), Integer.parseInt(arguments[1]));
        int texts = 0;
        int wrong = 0;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16))) {
            for (int length = in.readInt(); length >= 0; length = in.readInt()) {
                String text = text(in, length);
                int most = in.readInt();
                String words = text(in, in.readInt());
                int[] pieces = integers(in);
                int[] ids = integers(in);
                boolean truncated = in.readInt() == 1;
                Encoding encoding = vocabulary.encode(text, most);
                texts++;
                if (!join(encoding.tokens).equals(words)
                        || !Arrays.equals(encoding.pieces(), pieces)
                        || !Arrays.equals(encoding.ids(), ids)
                        || encoding.truncated != truncated) {
                    wrong++;
                    if (wrong <= MOST_SHOWN) {
                        System.out.println("text " + texts + " " + ascii(text) + ": "
                                + show(join(encoding.tokens), encoding.pieces(), encoding.ids()) + " instead of "
                                + show(words, pieces, ids) + "; cut " + encoding.truncated);
                    }
                }
            }
        }
        System.out.println(texts + " texts, " + wrong + " differ");
    }

    private static int[] integers(DataInputStream in) throws IOException {
        int[] values = new int[in.readInt()];
        for (int index = 0; index < values.length; index++) {
            values[index] = in.readInt();
        }
        return values;
    }

    private static String text(DataInputStream in, int length) throws IOException {
        byte[] bytes = new byte[2 * length];
        in.readFully(bytes);
        char[] units = new char[length];
        for (int index = 0; index < length; index++) {
            units[index] = (char) ((bytes[2 * index] & 0xFF) << 8 | bytes[2 * index + 1] & 0xFF);
        }
        return new String(units);
    }

    private static String join(List<String> tokens) {
        StringBuilder joined = new StringBuilder();
        for (String token : tokens) {
            joined.append(joined.length() == 0 ? "" : " ").append(token);
        }
        return joined.toString();
    }

    private static String show(String words, int[] pieces, int[] ids) {
        return ascii(words) + " " + Arrays.toString(pieces) + " " + Arrays.toString(ids);
    }

    private static String ascii(String text) {
        StringBuilder shown = new StringBuilder();
        for (int index = 0; index < text.length(); index++) {
            char unit = text.charAt(index);
            shown.append(' ' <= unit && unit < 0x7F ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        }
        return shown.toString();
    }
}
