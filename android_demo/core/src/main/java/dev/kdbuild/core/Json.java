package dev.kdbuild.core;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A strict reader of JSON (RFC 8259) for files that may be hostile.
 *
 * <p>Objects become {@link LinkedHashMap}, arrays {@link ArrayList}, strings {@link String}; numbers {@link Long},
 * {@link BigInteger} where that is too small, or {@link Double} where they have a fraction or an exponent. Refused
 * beyond what the RFC refuses: nesting deeper than {@value #DEEPEST}, numbers longer than {@value #LONGEST_NUMBER}
 * characters, keys that stand twice in an object, and escapes of one half of a surrogate pair.
 */
final class Json {
    static final int DEEPEST = 32;
    static final int LONGEST_NUMBER = 100;

    private static final int LONGEST_SHOWN = 100;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** What is wrong with a text, and where. */
    static final class SyntaxException extends Exception {
        private static final long serialVersionUID = 1L;

        private SyntaxException(String message, int at) {
            super(message + " at character " + at);
        }
    }

    /**
     * Reads one value, around which only white space may stand.
     *
     * @throws SyntaxException the text isn't JSON, or beyond a limit
     */
    static Object parse(String text) throws SyntaxException {
        Json json = new Json(text);
        Object value = json.value(0);
        json.skipSpace();
        if (json.at < text.length()) {
            throw json.error("more text after the value");
        }
        return value;
    }

    /** A value as it is shown in a message: strings in quotes, long ones cut. */
    static String show(Object value) {
        String shown = value instanceof String ? quote((String) value, '\'') : String.valueOf(value);
        return shown.length() <= LONGEST_SHOWN ? shown : shown.substring(0, LONGEST_SHOWN) + "…";
    }

    /** A string in quotes, what can't be seen escaped; with {@code '"'} it is JSON. */
    static String quote(String value, char quote) {
        StringBuilder quoted = new StringBuilder(value.length() + 2).append(quote);
        for (int index = 0; index < value.length(); index++) {
            char character = value.charAt(index);
            if (character == quote || character == '\\') {
                quoted.append('\\').append(character);
            } else if (character == '\n') {
                quoted.append("\\n");
            } else if (character < ' ' || character == '\u2028' || character == '\u2029') {
                String digits = Integer.toHexString(character);
                quoted.append("\\u").append("0000", 0, 4 - digits.length()).append(digits);
            } else {
                quoted.append(character);
            }
        }
        return quoted.append(quote).toString();
    }

    private SyntaxException error(String message) {
        return new SyntaxException(message, at + 1);
    }

    private Object value(int depth) throws SyntaxException {
        if (depth > DEEPEST) {
            throw error("nested deeper than " + DEEPEST);
        }
        skipSpace();
        switch (peek()) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) throws SyntaxException {
        Map<String, Object> object = new LinkedHashMap<>();
        at++;
        skipSpace();
        if (peek() == '}') {
            at++;
            return object;
        }
        while (true) {
            skipSpace();
            int start = at;
            String key = string();
            if (object.containsKey(key)) {
                at = start;
                throw error("key " + show(key) + " stands twice");
            }
            skipSpace();
            expect(':');
            object.put(key, value(depth + 1));
            skipSpace();
            if (peek() == '}') {
                at++;
                return object;
            }
            expect(',');
        }
    }

    private List<Object> array(int depth) throws SyntaxException {
        List<Object> array = new ArrayList<>();
        at++;
        skipSpace();
        if (peek() == ']') {
            at++;
            return array;
        }
        while (true) {
            array.add(value(depth + 1));
            skipSpace();
            if (peek() == ']') {
                at++;
                return array;
            }
            expect(',');
        }
    }

    private String string() throws SyntaxException {
        expect('"');
        StringBuilder string = new StringBuilder();
        while (true) {
            char character = peek();
            if (character == '"') {
                at++;
                return string.toString();
            } else if (character == '\\') {
                at++;
                escape(string);
            } else if (character < ' ') {
                throw error(at < text.length() ? "a control character in a string" : "the text ends in a string");
            } else {
                string.append(character);
                at++;
            }
        }
    }

    private void escape(StringBuilder string) throws SyntaxException {
        int place = "\"\\/bfnrt".indexOf(peek());
        if (place >= 0) {
            string.append("\"\\/\b\f\n\r\t".charAt(place));
            at++;
            return;
        }
        char unit = unicodeEscape();
        if (Character.isHighSurrogate(unit) && text.startsWith("\\u", at)) {
            at++;
            char low = unicodeEscape();
            if (Character.isLowSurrogate(low)) {
                string.append(unit).append(low);
                return;
            }
        }
        if (Character.isSurrogate(unit)) {
            throw error("half a surrogate pair");
        }
        string.append(unit);
    }

    /** Reads from the {@code u} on. */
    private char unicodeEscape() throws SyntaxException {
        if (peek() != 'u' || at + 5 > text.length()) {
            throw error("no escape");
        }
        int unit = 0;
        for (int index = at + 1; index < at + 5; index++) {
            char character = text.charAt(index);
            int digit = "0123456789abcdef".indexOf(character | ('A' <= character && character <= 'F' ? 0x20 : 0));
            if (digit < 0) {
                throw error("no escape");
            }
            unit = unit << 4 | digit;
        }
        at += 5;
        return (char) unit;
    }

    private Object word(String word, Object value) throws SyntaxException {
        if (!text.startsWith(word, at)) {
            throw error("no value");
        }
        at += word.length();
        return value;
    }

    private Object number() throws SyntaxException {
        int start = at;
        if (peek() == '-') {
            at++;
        }
        if (peek() == '0') {
            at++;
        } else {
            digits(start);
        }
        boolean whole = true;
        if (peek() == '.') {
            at++;
            digits(start);
            whole = false;
        }
        if (peek() == 'e' || peek() == 'E') {
            at++;
            if (peek() == '+' || peek() == '-') {
                at++;
            }
            digits(start);
            whole = false;
        }
        String literal = text.substring(start, at);
        if (literal.length() > LONGEST_NUMBER) {
            at = start;
            throw error("a number longer than " + LONGEST_NUMBER + " characters");
        }
        if (!whole) {
            return Double.valueOf(literal);
        }
        BigInteger integer = new BigInteger(literal);
        return integer.bitLength() < Long.SIZE ? (Object) integer.longValue() : integer;
    }

    private void digits(int start) throws SyntaxException {
        int first = at;
        while (peek() >= '0' && peek() <= '9') {
            at++;
        }
        if (at == first) {
            at = start;
            throw error(start < text.length() ? "no value" : "the text ends where a value is due");
        }
    }

    private void expect(char character) throws SyntaxException {
        if (peek() != character) {
            throw error("no '" + character + "'");
        }
        at++;
    }

    private void skipSpace() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') {
            at++;
        }
    }

    /** The next character; U+0000, which may stand nowhere, at the end. */
    private char peek() {
        return at < text.length() ? text.charAt(at) : '\0';
    }
}
