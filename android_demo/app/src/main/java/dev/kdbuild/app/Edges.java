package dev.kdbuild.app;

import android.os.Build;
import android.view.View;
import android.view.WindowInsets;

/** Keeps a screen clear of the system's bars, of cutouts and of the keyboard. */
final class Edges {
    private Edges() {}

    /** Pads a root view. From Android 15 on windows reach the edges; before, the system keeps them clear itself. */
    static void keepClear(View root) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) {
            return;
        }
        root.setOnApplyWindowInsetsListener((view, insets) -> {
            int kinds = WindowInsets.Type.systemBars() | WindowInsets.Type.displayCutout() | WindowInsets.Type.ime();
            android.graphics.Insets taken = insets.getInsets(kinds);
            view.setPadding(taken.left, taken.top, taken.right, taken.bottom);
            return WindowInsets.CONSUMED;
        });
    }
}
