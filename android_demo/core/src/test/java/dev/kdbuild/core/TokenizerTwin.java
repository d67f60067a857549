package dev.kdbuild.core;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/**
 * Compares tokens with those of another implementation.
 *
 * <p>Argument: {@code vocab.txt}'s folder, an artefact. Standard input: for each text its UTF-16 units, most tokens to
 * read, its tokens joined by spaces, as UTF-16 units, their ids, and whether it was cut; each list after its length; at
 * the end a length of -1. Prints what differs, and at last the number of texts.
 */
final class TokenizerTwin {
    private static final int MOST_SHOWN = 10;

    private TokenizerTwin() {}

    public static void main(String[] arguments) throws IOException, ArtefactException {
        Artefact artefact = Artefact.open(new FolderSource(new File(arguments[0])));
        Vocabulary vocabulary = new Vocabulary(artefact.readLines(Manifest.VOCABULARY));
        int texts = 0;
        int wrong = 0;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16))) {
            for (int length = in.readInt(); length >= 0; length = in.readInt()) {
                String text = text(in, length);
                int most = in.readInt();
                String tokens = text(in, in.readInt());
                int[] ids = new int[in.readInt()];
                for (int index = 0; index < ids.length; index++) {
                    ids[index] = in.readInt();
                }
                boolean truncated = in.readInt() == 1;
                Encoding encoding = vocabulary.encode(text, most);
                texts++;
                if (!join(encoding.tokens).equals(tokens)
                        || !Arrays.equals(encoding.ids(), ids)
                        || encoding.truncated != truncated) {
                    wrong++;
                    if (wrong <= MOST_SHOWN) {
                        System.out.println("text " + texts + " " + ascii(text) + ": " + ascii(join(encoding.tokens))
                                + " instead of " + ascii(tokens) + "; cut " + encoding.truncated);
                    }
                }
            }
        }
        System.out.println(texts + " texts, " + wrong + " differ");
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

    private static String ascii(String text) {
        StringBuilder shown = new StringBuilder();
        for (int index = 0; index < text.length(); index++) {
            char unit = text.charAt(index);
            shown.append(' ' <= unit && unit < 0x7F ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        }
        return shown.toString();
    }
}
