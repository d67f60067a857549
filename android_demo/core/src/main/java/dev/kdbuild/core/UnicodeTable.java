package dev.kdbuild.core;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * The frozen Unicode facts that the tokenizer is defined by.
 *
 * <p>They stand in the resource {@code unicode.tsv} beside this class, which the build copies from the Python package.
 * What the platform knows of Unicode is not used, as it differs between Java versions and Android.
 */
final class UnicodeTable {
    private static final String RESOURCE = "unicode.tsv";

    /** Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12). */
    static final int L = 0x1100;
    static final int V = 0x1161;
    static final int T = 0x11A7;
    static final int S = 0xAC00;
    static final int L_COUNT = 19;
    static final int V_COUNT = 21;
    static final int T_COUNT = 28;
    static final int S_COUNT = L_COUNT * V_COUNT * T_COUNT;

    /** Unicode version of the facts. */
    final String version;
    /** Removed in normalisation. */
    final Ranges drop;
    /** Separates tokens. */
    final Ranges space;
    /** A token of its own unless a rule of the tokenizer says otherwise. */
    final Ranges separate;
    /** Belongs to a script whose words aren't divided by spaces. */
    final Ranges unspaced;
    /** Simple lower-case mappings. */
    final IntMap lower = new IntMap();
    /** Canonical combining classes that aren't 0. */
    final IntMap combiningClass = new IntMap();
    /** Canonical decompositions: the first code point, and the second, where there is one. */
    final IntMap first = new IntMap();
    final IntMap second = new IntMap();
    /** A text without any of these is in NFC already. */
    final BitSet nfcRelevant = new BitSet();

    private final Map<Long, Integer> composition = new HashMap<>();

    private static final class Holder {
        static final UnicodeTable TABLE = load();
    }

    /**
     * The table, read once a process.
     *
     * @throws IllegalStateException the resource is missing or damaged: the app was put together wrongly
     */
    static UnicodeTable get() {
        return Holder.TABLE;
    }

    private static UnicodeTable load() {
        try (InputStream stream = UnicodeTable.class.getResourceAsStream(RESOURCE)) {
            if (stream == null) {
                throw new IllegalStateException("resource dev/kdbuild/core/" + RESOURCE + " is missing");
            }
            return new UnicodeTable(new BufferedReader(new InputStreamReader(stream, StandardCharsets.US_ASCII)));
        } catch (IOException error) {
            throw new IllegalStateException("resource dev/kdbuild/core/" + RESOURCE + " can't be read", error);
        }
    }

    private UnicodeTable(BufferedReader reader) throws IOException {
        Map<String, String> single = new HashMap<>();
        BitSet composites = new BitSet();
        BitSet decomposed = new BitSet();
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            String[] fields = line.split("\t");
            switch (fields[0]) {
                case "lower":
                    lower.put(hex(fields[1]), hex(fields[2]));
                    break;
                case "class":
                    combiningClass.put(hex(fields[1]), Integer.parseInt(fields[2]));
                    nfcRelevant.set(hex(fields[1]));
                    break;
                case "decompose":
                    decompose(hex(fields[1]), fields[2]);
                    decomposed.set(hex(fields[1]));
                    break;
                case "compose":
                    composition.put(pair(hex(fields[1]), hex(fields[2])), hex(fields[3]));
                    composites.set(hex(fields[3]));
                    nfcRelevant.set(hex(fields[2]));
                    break;
                default:
                    single.put(fields[0], fields[1]);
            }
        }
        version = single.get("version");
        drop = new Ranges(single.get("drop"));
        space = new Ranges(single.get("space"));
        separate = new Ranges(single.get("separate"));
        unspaced = new Ranges(single.get("unspaced"));
        decomposed.andNot(composites);
        nfcRelevant.or(decomposed);
        nfcRelevant.set(V, V + V_COUNT);
        nfcRelevant.set(T + 1, T + T_COUNT);
    }

    private void decompose(int point, String mapping) {
        int gap = mapping.indexOf(' ');
        first.put(point, hex(gap < 0 ? mapping : mapping.substring(0, gap)));
        if (gap >= 0) {
            second.put(point, hex(mapping.substring(gap + 1)));
        }
    }

    private static int hex(String digits) {
        return Integer.parseInt(digits, 16);
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    /** The primary composite of two code points, or -1. */
    int compose(int left, int right) {
        int lead = left - L;
        int vowel = right - V;
        if (0 <= lead && lead < L_COUNT && 0 <= vowel && vowel < V_COUNT) {
            return S + (lead * V_COUNT + vowel) * T_COUNT;
        }
        int syllable = left - S;
        int tail = right - T;
        if (0 <= syllable && syllable < S_COUNT && syllable % T_COUNT == 0 && 0 < tail && tail < T_COUNT) {
            return left + tail;
        }
        Integer composite = composition.get(pair(left, right));
        return composite == null ? -1 : composite;
    }
}
