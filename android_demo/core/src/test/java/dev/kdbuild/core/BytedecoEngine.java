package dev.kdbuild.core;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.tensorflowlite.TfLiteInterpreter;
import org.bytedeco.tensorflowlite.TfLiteInterpreterOptions;
import org.bytedeco.tensorflowlite.TfLiteModel;
import org.bytedeco.tensorflowlite.TfLiteTensor;
import org.bytedeco.tensorflowlite.global.tensorflowlite;

/** TensorFlow Lite on this machine, through its C interface. */
final class BytedecoEngine implements Engine {
    static final EngineFactory FACTORY = new EngineFactory() {
        @Override
        public String suffix() {
            return ".tflite";
        }

        @Override
        public Engine open(String name, ByteBuffer model, int threads) throws ArtefactException {
            int rows = TfLiteFile.embeddingRows(name, model);
            return new BytedecoEngine(name, model, threads, rows);
        }
    };

    private final BytePointer content;
    private final TfLiteModel model;
    private final TfLiteInterpreter interpreter;
    private final int vocabularySize;
    private final int classes;
    private final int texts;
    private boolean closed;

    private BytedecoEngine(String name, ByteBuffer file, int threads, int vocabularySize) throws ArtefactException {
        Loader.load(tensorflowlite.class);
        this.vocabularySize = vocabularySize;
        content = new BytePointer(file);
        model = tensorflowlite.TfLiteModelCreate(content, file.remaining());
        if (model == null) {
            throw new ArtefactException(name + ": TensorFlow Lite can't load it. Export the model again.");
        }
        TfLiteInterpreterOptions options = tensorflowlite.TfLiteInterpreterOptionsCreate();
        tensorflowlite.TfLiteInterpreterOptionsSetNumThreads(options, threads);
        interpreter = tensorflowlite.TfLiteInterpreterCreate(model, options);
        tensorflowlite.TfLiteInterpreterOptionsDelete(options);
        TfLiteTensor output = tensorflowlite.TfLiteInterpreterGetOutputTensor(interpreter, 0);
        classes = tensorflowlite.TfLiteTensorDim(output, 1);
        texts = tensorflowlite.TfLiteInterpreterGetInputTensorCount(interpreter);
    }

    @Override
    public String name() {
        return "tensorflow-lite " + tensorflowlite.TfLiteVersion().getString();
    }

    @Override
    public synchronized float[] logits(int[]... ids) {
        if (closed) {
            throw new IllegalStateException("the classifier was closed: load it again");
        }
        for (int text = 0; text < ids.length; text++) {
            int[] shape = {1, ids[text].length};
            check(tensorflowlite.TfLiteInterpreterResizeInputTensor(interpreter, text, shape, 2));
        }
        check(tensorflowlite.TfLiteInterpreterAllocateTensors(interpreter));
        for (int text = 0; text < ids.length; text++) {
            TfLiteTensor input = tensorflowlite.TfLiteInterpreterGetInputTensor(interpreter, text);
            try (IntPointer in = new IntPointer(ids[text])) {
                check(tensorflowlite.TfLiteTensorCopyFromBuffer(input, in, 4L * ids[text].length));
            }
        }
        float[] logits = new float[classes];
        try (FloatPointer out = new FloatPointer(classes)) {
            check(tensorflowlite.TfLiteInterpreterInvoke(interpreter));
            TfLiteTensor output = tensorflowlite.TfLiteInterpreterGetOutputTensor(interpreter, 0);
            check(tensorflowlite.TfLiteTensorCopyToBuffer(output, out, 4L * classes));
            out.get(logits);
        }
        return logits;
    }

    private static void check(int status) {
        if (status != tensorflowlite.kTfLiteOk) {
            throw new IllegalStateException("TensorFlow Lite ended with status " + status);
        }
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
        if (!closed) {
            closed = true;
            tensorflowlite.TfLiteInterpreterDelete(interpreter);
            tensorflowlite.TfLiteModelDelete(model);
            content.close();
        }
    }
}
