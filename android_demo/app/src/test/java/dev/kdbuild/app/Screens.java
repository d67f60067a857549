package dev.kdbuild.app;

import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.os.Looper;
import android.view.View;
import android.widget.EditText;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.time.Duration;
import org.robolectric.RuntimeEnvironment;

/** What tests do with the screens of the app. */
final class Screens {
    private Screens() {}

    /** Waits for all that was asked of the model, and lets the screen show it. */
    static void settle() throws Exception {
        App app = (App) RuntimeEnvironment.getApplication();
        for (int round = 0; round < 3; round++) { // an answer may ask again
            shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(MainActivity.PAUSE));
            app.model().worker.submit(() -> {}).get();
            shadowOf(Looper.getMainLooper()).idle();
        }
    }

    /** Types a text and waits for its answer. */
    static void type(Activity activity, String text) throws Exception {
        EditText field = activity.findViewById(R.id.text);
        field.setText(text);
        settle();
    }

    /** What a view says; empty where it isn't shown. */
    static String text(Activity activity, int id) {
        TextView view = activity.findViewById(id);
        return view.isShown() ? view.getText().toString() : "";
    }

    /** Draws the window as it is into a PNG file, of the folder that the property {@code screenshots} names. */
    static void shoot(Activity activity, String name) throws IOException {
        View window = activity.getWindow().getDecorView();
        Bitmap bitmap = Bitmap.createBitmap(window.getWidth(), window.getHeight(), Bitmap.Config.ARGB_8888);
        window.draw(new Canvas(bitmap));
        File folder = new File(System.getProperty("screenshots", "build/screenshots"));
        folder.mkdirs();
        try (FileOutputStream out = new FileOutputStream(new File(folder, name + ".png"))) {
            bitmap.compress(Bitmap.CompressFormat.PNG, 100, out);
        }
    }
}
