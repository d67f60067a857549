package dev.kdbuild.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.Test;

/** From text to ids; that they are Python's for every text is shown by Python's tests. */
public class VocabularyTest {
    private static final List<String> TOKENS = Arrays.asList(
            "<pad>", "<unk>", "<mask>", "un", "##believ", "##able", "film", "x", "##y", "映画", "映", "を", "𠀀", "กา",
            "##believable");

    private static Encoding encode(String text) throws ArtefactException {
        return new Vocabulary(TOKENS, Tokenizer.PIECES).encode(text, 16);
    }

    private static void assertCut(String text, String words, int[] pieces, int... ids) throws ArtefactException {
        Encoding encoding = encode(text);
        assertEquals(words, String.join(" ", encoding.tokens));
        assertArrayEquals(pieces, encoding.pieces());
        assertArrayEquals(ids, encoding.ids());
    }

    private static int[] counts(int... counts) {
        return counts;
    }

    @Test
    public void cutsWordsIntoTheLongestPieces() throws ArtefactException {
        assertCut("Unable films", "unable films", counts(2, 2), 3, 5, 6, 1);
        assertCut("unbelievable film", "unbelievable film", counts(2, 1), 3, 14, 6);
        assertCut("unbelievyable", "unbelievyable", counts(4), 3, 4, 8, 5);
    }

    @Test
    public void takesSingleCharactersInTheOtherForm() throws ArtefactException {
        assertCut("y unx", "y unx", counts(1, 2), 8, 3, 7);
    }

    @Test
    public void givesOneUnknownToCharactersThatAreNowhere() throws ArtefactException {
        assertCut("unqqable qq ! ?", "unqqable qq ! ?", counts(3, 1, 1, 1), 3, 1, 5, 1, 1, 1);
    }

    @Test
    public void cutsRunsOfScriptsWithoutSpaces() throws ArtefactException {
        assertCut("映画を見たx", "映画 を 見た x", counts(1, 1, 1, 1), 9, 11, 1, 7);
        assertCut("映 画, 映, 画", "映画 , 映 , 画", counts(1, 1, 1, 1, 1), 9, 1, 10, 1, 1);
        assertCut("𠀀𠀀\uD840", "𠀀 𠀀 \uFFFD", counts(1, 1, 1), 12, 12, 1);
        assertCut("xกาy", "x กา y", counts(1, 1, 1), 7, 13, 8);
    }

    @Test
    public void readsNoMoreIdsThanAskedFor() throws ArtefactException {
        Vocabulary vocabulary = new Vocabulary(TOKENS, Tokenizer.PIECES);
        Encoding cut = vocabulary.encode("film unable film", 2);
        assertEquals(Arrays.asList("film", "un"), cut.tokens);
        assertArrayEquals(counts(1, 1), cut.pieces());
        assertTrue(cut.truncated);
        assertFalse(vocabulary.encode("film unable", 3).truncated);
        assertEquals(3, vocabulary.encode("film unable", 3).tokenCount());
    }

    @Test
    public void knowsTextsWithoutWords() throws ArtefactException {
        assertCut(" \u200B\n", "", counts(), Vocabulary.UNK_ID);
        assertEquals(Collections.emptyList(), encode("").tokens);
        assertEquals(0, encode("").tokenCount());
        assertEquals(0.0, encode("").oovRate(), 0);
    }

    @Test
    public void tellsWhatIsUnknownOfEachWord() throws ArtefactException {
        Encoding encoding = encode("xqqyqq film !");
        assertArrayEquals(new int[] {7, 1, 8, 1, 6, 1}, encoding.ids());
        assertArrayEquals(counts(2, 0, 1), encoding.unknown());
        assertEquals(3, encoding.unknownCount());
        assertEquals(0.5, encoding.oovRate(), 0);
    }

    @Test
    public void leavesWordsOfVersion1Whole() throws ArtefactException {
        Encoding encoding = new Vocabulary(TOKENS, Tokenizer.WORDS).encode("unable film 映画", 16);
        assertEquals(Arrays.asList("unable", "film", "映", "画"), encoding.tokens);
        assertArrayEquals(counts(1, 1, 1, 1), encoding.pieces());
        assertArrayEquals(new int[] {1, 6, 10, 1}, encoding.ids());
    }
}
