package dev.kdbuild.core;

import java.util.Arrays;

/**
 * Text normalisation of tokenizer versions 1 and 2, over a frozen Unicode table.
 *
 * <p>The order is part of the specification: control, zero-width and other default-ignorable characters are dropped,
 * and lone surrogates become U+FFFD; NFC; typographic characters become ASCII; lower-casing, code point by code point;
 * NFC.
 */
final class Normalizer {
    private static final int REPLACEMENT = 0xFFFD;

    private Normalizer() {}

    /** The five steps; spaces of any kind come out as U+0020. */
    static CodePoints normalize(String text) {
        UnicodeTable table = UnicodeTable.get();
        CodePoints composed = nfc(clean(text, table), table);
        CodePoints lowered = new CodePoints(composed.size());
        for (int index = 0; index < composed.size(); index++) {
            int point = composed.get(index);
            String ascii = toAscii(point);
            if (ascii != null) {
                lowered.addAscii(ascii);
            } else if (point < 0x80) {
                lowered.add('A' <= point && point <= 'Z' ? point + ('a' - 'A') : point);
            } else {
                lowered.add(table.lower.get(point, point));
            }
        }
        return nfc(lowered, table);
    }

    private static CodePoints clean(String text, UnicodeTable table) {
        CodePoints points = new CodePoints(text.length());
        for (int index = 0; index < text.length(); index++) {
            char unit = text.charAt(index);
            int point = unit;
            if (Character.isHighSurrogate(unit)
                    && index + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(index + 1))) {
                index++;
                point = Character.toCodePoint(unit, text.charAt(index));
            } else if (Character.isSurrogate(unit)) {
                point = REPLACEMENT;
            }
            if (' ' <= point && point < 0x7F) {
                points.add(point);
            } else if (table.space.contains(point)) {
                points.add(' ');
            } else if (!table.drop.contains(point)) {
                points.add(point);
            }
        }
        return points;
    }

    /** What a typographic character becomes, or null; double quotes become the Penn Treebank's. */
    private static String toAscii(int point) {
        switch (point) {
            case '"':
            case 0x201D: // right double quotation mark
            case 0x2033: // double prime
                return "''";
            case 0x201C: // left double quotation mark
            case 0x201E: // low double quotation mark
            case 0x201F: // reversed double quotation mark
                return "``";
            case 0x2018: // left single quotation mark
            case 0x2019: // right single quotation mark
            case 0x201A: // low single quotation mark
            case 0x201B: // reversed single quotation mark
            case 0x2032: // prime
            case 0x02BC: // modifier letter apostrophe
                return "'";
            case 0x2010: // hyphen
            case 0x2011: // non-breaking hyphen
            case 0x2012: // figure dash
            case 0x2013: // en dash
            case 0x2212: // minus sign
                return "-";
            case 0x2014: // em dash
            case 0x2015: // horizontal bar
                return "--";
            case 0x2026: // horizontal ellipsis
                return "...";
            default:
                return null;
        }
    }

    /** Normalization Form C (Unicode Standard Annex 15) by the frozen table. */
    private static CodePoints nfc(CodePoints points, UnicodeTable table) {
        for (int index = 0; index < points.size(); index++) {
            if (points.get(index) >= 0x80 && table.nfcRelevant.get(points.get(index))) {
                CodePoints decomposed = new CodePoints(points.size());
                for (int place = 0; place < points.size(); place++) {
                    decompose(points.get(place), decomposed, table);
                }
                reorder(decomposed, table);
                compose(decomposed, table);
                return decomposed;
            }
        }
        return points;
    }

    /** Adds the full canonical decomposition of a code point. */
    private static void decompose(int point, CodePoints out, UnicodeTable table) {
        int syllable = point - UnicodeTable.S;
        int first = point < 0x80 ? -1 : table.first.get(point, -1);
        if (first >= 0) {
            decompose(first, out, table);
            int second = table.second.get(point, -1);
            if (second >= 0) {
                decompose(second, out, table);
            }
        } else if (0 <= syllable && syllable < UnicodeTable.S_COUNT) {
            int perLead = UnicodeTable.V_COUNT * UnicodeTable.T_COUNT;
            out.add(UnicodeTable.L + syllable / perLead);
            out.add(UnicodeTable.V + syllable % perLead / UnicodeTable.T_COUNT);
            if (syllable % UnicodeTable.T_COUNT > 0) {
                out.add(UnicodeTable.T + syllable % UnicodeTable.T_COUNT);
            }
        } else {
            out.add(point);
        }
    }

    /** Sorts each run of combining marks by combining class, stably. */
    private static void reorder(CodePoints points, UnicodeTable table) {
        int start = 0;
        while (start < points.size()) {
            int end = start;
            while (end < points.size() && table.combiningClass.get(points.get(end), 0) > 0) {
                end++;
            }
            if (end - start > 1) {
                // The class above the place: equal classes keep their order, and a million marks take no n squared.
                long[] keys = new long[end - start];
                int[] marks = new int[end - start];
                for (int index = 0; index < keys.length; index++) {
                    marks[index] = points.get(start + index);
                    keys[index] = (long) table.combiningClass.get(marks[index], 0) << 32 | index;
                }
                Arrays.sort(keys);
                for (int index = 0; index < keys.length; index++) {
                    points.set(start + index, marks[(int) keys[index]]);
                }
            }
            start = end + 1;
        }
    }

    /** Canonical composition, in place: each code point joins the last starter unless something blocks it. */
    private static void compose(CodePoints points, UnicodeTable table) {
        int size = 0;
        int starter = -1; // its place
        int lastClass = -1; // combining class of the last code point kept after the starter; -1: none
        for (int index = 0; index < points.size(); index++) {
            int point = points.get(index);
            int thisClass = table.combiningClass.get(point, 0);
            if (starter >= 0 && (lastClass == -1 || lastClass < thisClass)) {
                int composite = table.compose(points.get(starter), point);
                if (composite >= 0) {
                    points.set(starter, composite);
                    continue;
                }
            }
            if (thisClass == 0) {
                starter = size;
                lastClass = -1;
            } else {
                lastClass = thisClass;
            }
            points.set(size++, point);
        }
        points.truncate(size);
    }
}
