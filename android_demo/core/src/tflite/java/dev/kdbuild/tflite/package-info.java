/** The engine that runs TFLite files with TensorFlow Lite's Java interface, as its Android library brings it. */
package dev.kdbuild.tflite;
