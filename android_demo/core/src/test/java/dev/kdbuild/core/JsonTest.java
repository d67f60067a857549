package dev.kdbuild.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.Test;

/** The reader of JSON. */
public class JsonTest {
    private static Object parse(String text) throws Json.SyntaxException {
        return Json.parse(text);
    }

    private static void assertRefused(String text, String message) {
        assertEquals(message, assertThrows(Json.SyntaxException.class, () -> Json.parse(text)).getMessage());
    }

    @Test
    public void values() throws Json.SyntaxException {
        assertEquals(Collections.emptyMap(), parse(" {\t} \n"));
        assertEquals(Arrays.asList(1L, -2L, 0L, 1.5, 1e3, 2E-2, true, false, null, Collections.emptyList()),
                parse("[1,-2, -0 ,1.5,1e3,2E-2,true,false,null,[ ]]"));
        assertEquals(Long.MAX_VALUE, parse("9223372036854775807"));
        assertEquals(new BigInteger("9223372036854775808"), parse("9223372036854775808"));
        assertEquals(Double.POSITIVE_INFINITY, parse("1e999"));
        assertEquals("[b, a]", ((Map<?, ?>) parse("{\"b\": 1, \"a\": {\"b\": 2}}")).keySet().toString());
    }

    @Test
    public void strings() throws Json.SyntaxException {
        assertEquals("a\"\\/\b\f\n\r\té\u2028", parse("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\u2028\""));
        assertEquals("\uD83D\uDE00", parse("\"\\ud83d\\uDE00\""));
        assertEquals("\uD83D\uDE00\u007F", parse("\"\uD83D\uDE00\u007F\""));
        assertRefused("\"\\ud83d\"", "half a surrogate pair at character 8");
        assertRefused("\"\\ud83d\\u0041\"", "half a surrogate pair at character 14");
        assertRefused("\"\\ude00\"", "half a surrogate pair at character 8");
        assertRefused("\"\\x\"", "no escape at character 3");
        assertRefused("\"\\u12g4\"", "no escape at character 3");
        assertRefused("\"\\u12", "no escape at character 3");
        assertRefused("\"a\tb\"", "a control character in a string at character 3");
        assertRefused("\"a", "the text ends in a string at character 3");
        assertRefused("'a'", "no value at character 1");
    }

    @Test
    public void numbersThatAreNone() {
        String[] none = {"NaN", "Infinity", "+1", ".5", "-", "-a", "0x1", "1.", "1e", "01", "1f", "--1"};
        for (String text : none) {
            assertThrows(text, Json.SyntaxException.class, () -> Json.parse(text));
        }
        assertRefused("NaN", "no value at character 1");
        assertRefused("01", "more text after the value at character 2");
        assertRefused("1.e5", "no value at character 1");
    }

    @Test
    public void structures() {
        assertRefused("", "the text ends where a value is due at character 1");
        assertRefused("{", "no '\"' at character 2");
        assertRefused("[1,]", "no value at character 4");
        assertRefused("[1 2]", "no ',' at character 4");
        assertRefused("{\"a\" 1}", "no ':' at character 6");
        assertRefused("{\"a\": 1,}", "no '\"' at character 9");
        assertRefused("{a: 1}", "no '\"' at character 2");
        assertRefused("[1] x", "more text after the value at character 5");
        assertRefused("\uFEFF{}", "no value at character 1");
        assertRefused("{\"a\": 1, \"b\": 2, \"a\": 3}", "key 'a' stands twice at character 18");
        assertRefused("tru", "no value at character 1");
        assertRefused("[\u00A0]", "no value at character 2");
    }

    @Test
    public void limits() throws Json.SyntaxException {
        String nested = String.join("", Collections.nCopies(33, "["));
        assertEquals(1, ((List<?>) parse(nested.substring(1) + "1" + nested.substring(1).replace('[', ']'))).size());
        assertRefused(nested + "1", "nested deeper than 32 at character 34");
        String objects = String.join("", Collections.nCopies(100_000, "{\"a\":"));
        assertRefused(objects, "nested deeper than 32 at character 166");
        String digits = String.join("", Collections.nCopies(100, "7"));
        assertEquals(new BigInteger(digits), parse(digits));
        assertRefused("[" + digits + "7]", "a number longer than 100 characters at character 2");
    }

    @Test
    public void shown() {
        assertEquals("'it\\'s\\n\\u0007'", Json.show("it's\n\u0007"));
        assertEquals("\"it's \\\"\\u2028\"", Json.quote("it's \"\u2028", '"'));
        assertEquals(101, Json.show(String.join("", Collections.nCopies(1000, "a"))).length());
        assertEquals("null", Json.show(null));
    }
}
