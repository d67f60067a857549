package dev.kdbuild.core;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;

/**
 * Reads texts with kdbuild's own engine; prints a list each: token ids, tokens, unknown ones, whether the text was truncated,
 * and the bits of the logits. The texts stand on standard input, one a line, as four hexadecimal digits a UTF-16 unit, so that
 * half a surrogate pair can be among them. Arguments: a {@code .kdb} file, and how many bytes to put before its content.
 */
final class NativeTwin {
    private NativeTwin() {}

    public static void main(String[] arguments) throws Exception {
        byte[] file = Files.readAllBytes(new File(arguments[0]).toPath());
        int before = Integer.parseInt(arguments[1]);
        ByteBuffer content = ByteBuffer.allocateDirect(before + file.length);
        content.position(before);
        content.put(file);
        content.position(before);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Engine engine = NativeEngine.FACTORY.open("model", content, 1)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                TokenIds read = ((TextEngine) engine).read(text(line));
                float[] logits = engine.logits(read.ids);
                int[] bits = new int[logits.length];
                for (int index = 0; index < bits.length; index++) {
                    bits[index] = Float.floatToRawIntBits(logits[index]);
                }
                System.out.println("[" + Arrays.toString(read.ids) + ", " + read.tokens + ", " + read.unknown + ", "
                        + read.truncated + ", " + Arrays.toString(bits) + "]");
            }
        }
    }

    private static String text(String digits) {
        StringBuilder text = new StringBuilder();
        for (int place = 0; place < digits.length(); place += 4) {
            text.append((char) Integer.parseInt(digits.substring(place, place + 4), 16));
        }
        return text.toString();
    }
}
