package dev.kdbuild.core;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Models of the runtime's own tests, for those of the app. */
public final class TestModels {
    private TestModels() {}

    /** Runs TFLite files on this machine. */
    public static EngineFactory desktop() {
        return BytedecoEngine.FACTORY;
    }

    /** Counts {@code good} and {@code bad}; runs artefacts of {@link #counting}. */
    public static EngineFactory counter() {
        return CountingEngine.FACTORY;
    }

    /**
     * An artefact of the labels {@code neg} and {@code pos} that reads six tokens.
     *
     * @param settings the rest of its manifest, as the inside of a JSON object
     * @param golden the golden logits of {@code a good film}, which are 0 and 1
     */
    public static ArtefactSource counting(String settings, String golden) {
        SmallArtefact artefact = new SmallArtefact();
        String names = settings.contains("multi") ? "\"labels\": [\"pos\"]" : "\"label\": \"pos\"";
        artefact.put("golden.jsonl", "{\"text\": \"a good film\", \"ids\": [6, 3, 5], \"logits\": "
                + "{\"model_int8.tflite\": " + golden + "}, " + names + "}\n");
        return artefact.with(settings);
    }

    /** Such an artefact whose words are cut into {@code good}, {@code bad}, {@code film}, {@code a} and {@code ##s}. */
    public static ArtefactSource countingPieces() {
        return new SmallArtefact().ofPieces("good", "bad", "film", "a", "##s");
    }

    /** An artefact of the labels {@code a} to {@code h}, for {@link #alphabet}. */
    public static ArtefactSource eightLabels() {
        SmallArtefact artefact = new SmallArtefact();
        artefact.put("labels.txt", "a\nb\nc\nd\ne\nf\ng\nh\n");
        artefact.put("golden.jsonl", SmallArtefact.golden("good", "[3]", "[0, 1, 2, 3, 4, 5, 6, 7]", "\"h\""));
        artefact.seal();
        String manifest = new String(artefact.files.get("manifest.json"), StandardCharsets.UTF_8);
        artefact.manifest(manifest.replace(
                "[\"neg\", \"pos\"]", "[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\"]"));
        return artefact;
    }

    /** Gives the logits 0 to 7 to any text. */
    public static EngineFactory alphabet() {
        return new EngineFactory() {
            @Override
            public String suffix() {
                return ".tflite";
            }

            @Override
            public Engine open(String name, ByteBuffer model, int threads) {
                return new Alphabet();
            }
        };
    }

    private static final class Alphabet implements Engine {
        @Override
        public String name() {
            return "alphabet 1";
        }

        @Override
        public float[] logits(int[]... ids) {
            return new float[] {0, 1, 2, 3, 4, 5, 6, 7};
        }

        @Override
        public int texts() {
            return 1;
        }

        @Override
        public int vocabularySize() {
            return SmallArtefact.WORDS.length;
        }

        @Override
        public int classes() {
            return 8;
        }

        @Override
        public void close() {}
    }
}
