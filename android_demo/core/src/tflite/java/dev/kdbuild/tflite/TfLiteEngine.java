package dev.kdbuild.tflite;

import dev.kdbuild.core.ArtefactException;
import dev.kdbuild.core.Engine;
import dev.kdbuild.core.EngineFactory;
import dev.kdbuild.core.TfLiteFile;
import java.nio.ByteBuffer;
import java.util.Collections;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;

/**
 * A TFLite model run by {@link Interpreter}.
 *
 * <p>Calls of several threads wait for one another, as they share one interpreter.
 */
public final class TfLiteEngine implements Engine {
    /** Opens {@code .tflite} files. */
    public static final EngineFactory FACTORY = new EngineFactory() {
        @Override
        public String suffix() {
            return ".tflite";
        }

        @Override
        public Engine open(String name, ByteBuffer model, int threads) throws ArtefactException {
            int rows = TfLiteFile.embeddingRows(name, model);
            try {
                Interpreter.Options options = new Interpreter.Options();
                options.setNumThreads(threads);
                return new TfLiteEngine(new Interpreter(model, options), rows);
            } catch (IllegalArgumentException | IllegalStateException error) {
                String reason = String.valueOf(error.getMessage()).split("\n")[0];
                throw new ArtefactException(
                        name + ": TensorFlow Lite can't load it (" + reason + "). Export the model again.", error);
            }
        }
    };

    private final int vocabularySize;
    private final int classes;
    private final int texts;
    private Interpreter interpreter;

    private TfLiteEngine(Interpreter interpreter, int vocabularySize) {
        this.interpreter = interpreter;
        this.vocabularySize = vocabularySize;
        this.classes = interpreter.getOutputTensor(0).numElements();
        this.texts = interpreter.getInputTensorCount();
    }

    @Override
    public String name() {
        return "tensorflow-lite " + TensorFlowLite.runtimeVersion();
    }

    @Override
    public synchronized float[] logits(int[]... ids) {
        if (interpreter == null) {
            throw new IllegalStateException("the classifier was closed: load it again");
        }
        float[][] logits = new float[1][classes];
        Object[] inputs = new Object[ids.length];
        for (int text = 0; text < ids.length; text++) {
            inputs[text] = new int[][] {ids[text]};
        }
        // Gives each input the shape of what it is given.
        interpreter.runForMultipleInputsOutputs(inputs, Collections.<Integer, Object>singletonMap(0, logits));
        return logits[0];
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
    public synchronized void close() {
        if (interpreter != null) {
            interpreter.close();
            interpreter = null;
        }
    }
}
