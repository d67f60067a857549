/**
 * From an artefact folder to answers, in plain Java 8: nothing of Android, no library.
 *
 * <p>The twin of Python's {@code kdbuild.runtime}: the same refusals, the same tokens, the same scores.
 *
 * <pre>{@code
 * try (Classifier classify = Classifier.load(new FolderSource(folder), TfLiteEngine.FACTORY)) {
 *     Prediction answer = classify.classify("a warm , funny film");
 * }
 * }</pre>
 */
package dev.kdbuild.core;
